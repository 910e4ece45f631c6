"""The README says what the program says."""

from __future__ import annotations

from docs.generate import README, SCHEMA, generated, schema


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert generated(text) == text, "run: make docs"


def test_the_published_schema_of_the_settings_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "run: make docs"
