"""A document is read as the tree it plainly is, or refused with its place."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.upstream.openapi.document import MAX_DEPTH, Document, Flaw, read

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


def document(**members: Any) -> bytes:
    return json.dumps({"openapi": "3.1.0", **members}).encode()


@given(PLAIN)
def test_json_and_yaml_are_the_same_tree(value: Any) -> None:
    whole = {"openapi": "3.0.3", "x-value": value}
    written = yaml.safe_dump(whole, allow_unicode=True)
    assert read(json.dumps(whole).encode()).root == whole
    if "!!" not in written:
        assert read(b"---\n" + written.encode()).root == whole


def test_a_key_of_yaml_is_text_and_a_date_stays_one() -> None:
    root = read(b"openapi: 3.1.1\nresponses:\n  200: {since: 2026-01-02, on: yes}\n").root
    assert root["responses"] == {"200": {"since": "2026-01-02", "on": "yes"}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"openapi": "3.1.0", "a": 1, "a": 2}', "twice"),
        (b"openapi: 3.1.0\na: 1\na: 2\n", "line 3: the key 'a' stands twice"),
        (b"openapi: 3.1.0\na: &x [1]\nb: *x\n", "line 3: anchors and aliases are not followed"),
        (b"openapi: 3.1.0\na: !!python/object:os.system {}\n", "line 2: tags are not read"),
        (b"openapi: 3.1.0\n---\nopenapi: 3.1.0\n", "a second document begins"),
        (b"openapi: 3.1.0\n? [a]\n: b\n", "a key must be text"),
        (b"openapi: [3.1.0\n", "neither JSON nor YAML"),
        (b'openapi: "\\ud800"\n', "neither JSON nor YAML"),
        (b'{"openapi": "\\ud800"}', "is not valid JSON"),
        (b'{"openapi": NaN}', "is not valid JSON"),
        (b'{"openapi": "3.1.0", "a": 1e999}', "is not valid JSON"),
        (b'{"openapi": "3.1.0", "a": ' + b"9" * 400 + b"}", "is not valid JSON"),
        (b"openapi: 3.1.0\na: 1e999\n", "too large"),
        (b"openapi: 3.1.0\na: " + b"9" * 400, "too large"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"- openapi\n", "must be an object"),
        (b"", "must be an object"),
        (b'{"openapi": "3.2.0"}', "#/openapi: must be 3.0.x or 3.1.x"),
        (b'{"openapi": 3.1}', "#/openapi: must be 3.0.x or 3.1.x"),
        (b'{"swagger": "2.0"}', "#/swagger: is Swagger 2.0"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(text: bytes, problem: str) -> None:
    with pytest.raises(Flaw) as caught:
        read(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_no_depth_of_nesting_costs_any_stack(depth: int) -> None:
    for text in (b'{"openapi": ' + b"[" * depth + b"]" * depth + b"}", b"openapi: " + b"[" * depth + b"]" * depth):
        with pytest.raises(Flaw):
            read(text)
    assert sys.getrecursionlimit() < 100_000


def test_a_laughing_document_is_refused_before_it_unfolds() -> None:
    lines = ["openapi: 3.1.0", "a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    with pytest.raises(Flaw, match="aliases"):
        read("\n".join(lines).encode())


@pytest.mark.parametrize("reference", ["http://127.0.0.1/x", "other.yaml#/a", "//host/a", "a", "", "#anchor", 7, None])
def test_a_reference_out_of_the_document_is_refused(reference: object) -> None:
    found = read(document())
    with pytest.raises(Flaw):
        found.follow({"$ref": reference}, "/here")


def test_a_reference_is_followed_to_what_it_names() -> None:
    found = read(document(components={"a/b": [{"x~y": {"$ref": "#/end"}}]}, end={"it": True}))
    assert found.follow({"$ref": "#/components/a~1b/0/x~0y"}, "") == ({"it": True}, "/end")


@pytest.mark.parametrize("reference", ["#/nowhere", "#/list/9", "#/list/-1", "#/list/x", "#/text/0"])
def test_a_reference_to_nothing_is_refused(reference: str) -> None:
    with pytest.raises(Flaw, match="not in the document"):
        read(document(list=[1], text="ab")).follow({"$ref": reference}, "")


def test_references_in_a_circle_are_refused() -> None:
    found: Document = read(document(a={"$ref": "#/b"}, b={"$ref": "#/a"}))
    with pytest.raises(Flaw, match="circle"):
        found.follow({"$ref": "#/a"}, "")
