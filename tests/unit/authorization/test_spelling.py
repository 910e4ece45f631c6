"""One value, one name: what somebody could read otherwise names nothing."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.spelling import folded, have_twins, is_clear, name_of
from mcp_gateway.model.tool import Normalisation

URL: Normalisation = ("url", "https://t.example.com/t/{id}?v=1")


@pytest.mark.parametrize(
    "text",
    ["T-1", "a b/c", "*", "Ünïcödé", "チケット-12", "票A", "тикет", "café", "user:mira#x@y", "%2E", "x" * 512],
)
def test_plain_names_of_any_language_are_clear(text: str) -> None:
    assert name_of(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " T-1",
        "T-1\n",
        "T\t1",
        "T\x001",
        "T\u200b-1",
        "T\u202e1-",
        "T\ufeff1",
        "T\u00a01",
        "T\u00ad1",
        "T\ufe0f1",
        "T\u034f1",
        "T\u2800",
        "\U000e0041T",
        "\ud800",
        "\uff34-1",
        "\ufb01le",
        "cafe\u0301",
        "\u0301T",
        "p\u0430ypal",
        "\u0391lpha",
        "T-\u0661\u0415x",
        "x" * 513,
    ],
    ids=ascii,
)
def test_invisible_folding_and_mixed_spellings_name_nothing(text: str) -> None:
    assert name_of(text) is None


@pytest.mark.parametrize("value", [None, True, 1.0, [], {}, 2**53, -(2**53), 10**20, b"T-1"])
def test_what_is_neither_text_nor_an_integer_in_range_names_nothing(value: Any) -> None:
    assert name_of(value) is None


@pytest.mark.parametrize(
    ("value", "steps", "name"),
    [
        (" T-1\n", (("trim", ""),), "T-1"),
        ("\u00a0T-1", (("trim", ""),), None),
        ("T-1", (("lower", ""),), "t-1"),
        ("cafe\u0301", (("nfc", ""),), "caf\u00e9"),
        ("\uff34-1", (("nfc", ""), ("lower", "")), None),
        ("ticket:T-1", (("strip_prefix", "ticket:"),), "T-1"),
        ("T-1", (("strip_prefix", "ticket:"),), "T-1"),
        ("ticket:ticket:T-1", (("strip_prefix", "ticket:"),), None),
        ("ticket:", (("strip_prefix", "ticket:"),), None),
        (" TICKET:T-1 ", (("trim", ""), ("lower", ""), ("strip_prefix", "ticket:")), "t-1"),
        ("https://t.example.com/t/T-1?v=1", (URL,), "T-1"),
        ("https://t.example.com/t/?v=1", (URL,), None),
        ("https://t.example.com/t/..?v=1", (URL,), None),
        ("https://t.example.com/t/a/b?v=1", (URL,), None),
        ("https://t.example.com/t/T-1?v=1?v=1", (URL,), None),
        ("https://t.example.com/t/T%2D1?v=1", (URL,), None),
        ("https://t.example.com.evil.example/t/T-1?v=1", (URL,), None),
        ("http://t.example.com/t/T-1?v=1", (URL,), None),
        ("T-1", (URL,), None),
        (391, (("lower", ""),), "391"),
    ],
)
def test_declared_spellings_become_one_name_and_others_none(
    value: Any, steps: tuple[Normalisation, ...], name: str | None
) -> None:
    assert name_of(value, steps) == name


def test_two_names_that_differ_only_in_case_or_form_are_twins() -> None:
    assert have_twins(["T-1", "t-1"])
    assert have_twins(["stra\u00dfe", "strasse"])
    assert not have_twins(["T-1", "T-2", "T-1"])


STEPS = st.lists(
    st.sampled_from([("trim", ""), ("lower", ""), ("nfc", ""), ("strip_prefix", "t:"), URL]), max_size=3
).map(tuple)


@given(st.text(max_size=40) | st.integers() | st.from_regex(r"[A-Za-z:\u0410-\u0430 ]{1,9}"), STEPS)
def test_every_name_is_bounded_visible_and_in_one_form(value: Any, steps: tuple[Normalisation, ...]) -> None:
    name = name_of(value, steps)
    if name is None:
        return
    assert 0 < len(name) <= 512
    assert name.isprintable() and name == name.strip()
    assert unicodedata.normalize("NFKC", name) == name
    assert name_of(name) == name, "a name names itself"


@given(st.text(max_size=40), st.text(max_size=40))
def test_without_steps_two_values_never_share_a_name(one: str, other: str) -> None:
    if one != other:
        assert name_of(one) is None or name_of(one) != name_of(other)


@given(st.text(alphabet="abcXYZ-\u00e9\u0430", max_size=10))
def test_folding_is_stable(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert is_clear(text) is (name_of(text) is not None) or text == ""
