"""The README says what the program says."""

from __future__ import annotations

from docs import eras
from docs.generate import README, SCHEMA, generated, schema


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert generated(text) == text, "run: make docs"


def test_the_published_schema_of_the_settings_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "run: make docs"


def test_the_page_of_the_eras_says_what_conformance_judges() -> None:
    assert eras.PAGE.read_text(encoding="utf-8") == eras.page(), "run: make docs"
