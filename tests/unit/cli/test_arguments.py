"""What people type, as ids and values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mcp_gateway.cli import arguments
from mcp_gateway.errors import OperatorError
from mcp_gateway.inspection import ToolView
from mcp_gateway.model.ids import tool_id
from mcp_gateway.model.tool import ReviewState, Risk

NOW = 1_800_000_000.0


def view(server: str, name: str) -> ToolView:
    return ToolView(
        id=tool_id(server, name),
        server=server,
        name=name,
        exposed=f"{server}__{name}",
        title="",
        description="",
        parameters=(),
        risk=Risk.READ,
        state=ReviewState.APPROVED,
        callable=True,
        needs=(),
        digest="",
        finding=None,
    )


TOOLS = [view("tickets", "ticket_get"), view("tickets", "search"), view("wiki", "search"), view("wiki", "a b")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mira", "user:local/mira"),
        ("local/mira", "user:local/mira"),
        ("user:corp/mira", "user:corp/mira"),
        ("user:*", "user:*"),
        ("*", "user:*"),
        ("group:support", "group:support#member"),
        ("group:support#member", "group:support#member"),
        ("role:auditor", "role:auditor#assignee"),
        ("server:tickets", "server:tickets"),
        ("mira@example.com", "user:local/mira%40example.com"),
    ],
)
def test_a_subject_is_a_user_or_the_members_of_a_group(text: str, expected: str) -> None:
    assert arguments.subject(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server:tickets", "server:tickets"),
        ("ticket:tickets/T-391", "ticket:tickets/T-391"),
        ("ticket:tickets/T 391", "ticket:tickets/T%20391"),
        ("ticket:tickets/T%20391", "ticket:tickets/T%20391"),
        ("doc:wiki/a/b", "doc:wiki/a%2Fb"),
        ("agent:docs", "agent:local/docs"),
        ("resource:wiki/wiki://a b", "resource:wiki/wiki%3A%2F%2Fa%20b"),
        ("resource:wiki/wiki://a%20b", "resource:wiki/wiki%3A%2F%2Fa%2520b"),
        ("resource:wiki/wiki%3A%2F%2Fa%2520b", "resource:wiki/wiki%3A%2F%2Fa%2520b"),
    ],
)
def test_a_thing_is_encoded_once(text: str, expected: str) -> None:
    assert arguments.thing(text) == expected


@pytest.mark.parametrize("text", ["tickets", ":", "server:", ":tickets", "ticket:tickets/", "user:"])
def test_a_thing_without_type_or_name_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        arguments.thing(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("30d", NOW + 30 * 86_400),
        ("12h", NOW + 12 * 3600),
        ("5m", NOW + 300),
        ("2w", NOW + 14 * 86_400),
        ("2027-01-31T18:00:00+00:00", datetime(2027, 1, 31, 18, tzinfo=UTC).timestamp()),
        ("2027-01-31T18:00:00Z", datetime(2027, 1, 31, 18, tzinfo=UTC).timestamp()),
    ],
)
def test_until_is_a_duration_or_a_moment(text: str | None, expected: float | None) -> None:
    assert arguments.until(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "-3d", "0d", "3y", "d", "9999999d"])
def test_an_until_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        arguments.until(text, now=NOW)
    assert "30d" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tickets/ticket_get", "tool:tickets/ticket_get"),
        ("tool:tickets/ticket_get", "tool:tickets/ticket_get"),
        ("tickets__ticket_get", "tool:tickets/ticket_get"),
        ("ticket_get", "tool:tickets/ticket_get"),
        ("wiki/search", "tool:wiki/search"),
        ("wiki/a b", "tool:wiki/a%20b"),
    ],
)
def test_a_tool_is_found_by_any_of_its_names(text: str, expected: str) -> None:
    assert arguments.tool(text, TOOLS) == expected


@pytest.mark.parametrize(
    ("text", "said"), [("search", "several"), ("nothing", "no server"), ("tickets/x", "no server")]
)
def test_a_tool_that_is_ambiguous_or_unknown_is_refused(text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        arguments.tool(text, TOOLS)


def test_an_address_a_rule_could_not_compare_is_refused() -> None:
    assert arguments.address("2001:DB8::7") == "2001:db8::7"
    for text in ("10.1.2.300", "10.0.0.0/8", "laptop", ""):
        with pytest.raises(OperatorError, match="IP address"):
            arguments.address(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"secret-value"', "[" * 100_000])
def test_call_arguments_are_a_json_object_and_never_repeated(text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        arguments.call_arguments(text)
    assert "secret-value" not in str(refused.value)
