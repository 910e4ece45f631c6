"""The README says what the program says."""

from __future__ import annotations

from docs.generate import README, generated


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert generated(text) == text, "run: make docs"
