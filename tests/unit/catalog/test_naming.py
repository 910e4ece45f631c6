"""What a person names among the things one server offers."""

from __future__ import annotations

import pytest

from mcp_gateway.catalog.naming import named, spoken
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Kind, ReviewState, Risk
from mcp_gateway.storage.catalog import ToolRow


def row(kind: Kind, name: str) -> ToolRow:
    return ToolRow("docs", name, ReviewState.PENDING, Risk.READ, "d", {}, None, None, None, None, 0.0, kind)


ROWS = [
    row(Kind.TOOL, "find"),
    row(Kind.TOOL, "only"),
    row(Kind.PROMPT, "find"),
    row(Kind.RESOURCE, "docs://a"),
    row(Kind.TEMPLATE, "docs://{id}"),
]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("only", "only"),
        ("tool:find", "find"),
        ("prompt:find", "prompt:find"),
        ("docs://a", "resource:docs://a"),
        ("resource:docs://a", "resource:docs://a"),
        ("resource:docs://{id}", "template:docs://{id}"),
        ("template:docs://{id}", "template:docs://{id}"),
    ],
)
def test_a_name_is_enough_where_it_is_clear_and_its_kind_makes_it_so(text: str, says: str) -> None:
    (found,) = named(ROWS, [text, text])
    assert spoken(found.kind, found.name) == says


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("find", "tool:find, prompt:find"),
        ("prompt:only", "docs does not offer"),
        ("tool:docs://a", "not offer"),
        ("", "not offer"),
    ],
)
def test_a_name_that_is_unknown_or_unclear_is_refused(text: str, problem: str) -> None:
    with pytest.raises(OperatorError) as refused:
        named(ROWS, [text])
    assert problem in refused.value.problem
    assert refused.value.remedy
