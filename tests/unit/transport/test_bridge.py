"""Results between the eras: what is added, what is dropped, what always passes."""

from __future__ import annotations

from typing import Any

from mcp_gateway.model.call import Era
from mcp_gateway.model.tool import Kind
from mcp_gateway.transport import bridge

MODERN_FIELDS = {"resultType": "complete", "ttlMs": 5000, "cacheScope": "public"}


def test_a_read_is_private_whatever_the_upstream_says_and_its_time_to_live_stays() -> None:
    found: dict[str, Any] = {"contents": [], "x-vendor": 1, **MODERN_FIELDS}
    assert bridge.read_result(found, client=Era.MODERN) == {**found, "cacheScope": "private"}
    assert bridge.read_result({"contents": []}, client=Era.MODERN) == {
        "contents": [],
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
    }
    for odd in (-1, True, "5000", None, 1.5):
        assert bridge.read_result({"contents": [], "ttlMs": odd}, client=Era.MODERN)["ttlMs"] == 0


def test_a_legacy_client_gets_no_field_of_the_other_era() -> None:
    found: dict[str, Any] = {"contents": [], "x-vendor": 1, **MODERN_FIELDS}
    assert bridge.read_result(found, client=Era.LEGACY) == {"contents": [], "x-vendor": 1}
    assert bridge.plain_result({"messages": [], **MODERN_FIELDS}, client=Era.LEGACY) == {"messages": []}


def test_a_modern_client_is_always_told_the_type_of_a_result() -> None:
    assert bridge.plain_result({"messages": []}, client=Era.MODERN) == {"messages": [], "resultType": "complete"}
    asked = {"resultType": "input_required", "requestState": "s"}
    assert bridge.plain_result(asked, client=Era.MODERN) is asked


def test_resource_not_found_has_the_code_of_the_clients_era() -> None:
    found = {"code": -32002, "message": "not found", "data": {"uri": "a://b"}}
    assert bridge.error(found, client=Era.MODERN) == {**found, "code": -32602}
    assert bridge.error(found, client=Era.LEGACY) is found


def test_an_items_own_name_is_replaced_where_its_kind_has_it() -> None:
    given = {"name": "n", "uri": "a://b", "uriTemplate": "a://{b}", "x-vendor": 1}
    for kind, field in ((Kind.PROMPT, "name"), (Kind.RESOURCE, "uri"), (Kind.TEMPLATE, "uriTemplate")):
        assert bridge.definition(given, kind, name="shown", client=Era.MODERN) == {**given, field: "shown"}
