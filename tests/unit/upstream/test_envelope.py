"""What may go to an upstream and what may come back."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import orjson
import pytest

from mcp_gateway.errors import InvalidArguments, UpstreamProtocolError
from mcp_gateway.model.call import Era
from mcp_gateway.upstream import envelope
from tests.support.upstreams import http_entry, permit_for

ENTRY = http_entry("sample", "http://127.0.0.1:1/mcp")


def answered(**message: Any) -> Any:
    return envelope.answer({"jsonrpc": "2.0", "id": "a", **message}, "a", Era.MODERN)


def test_a_modern_call_says_who_we_are_and_hides_who_the_client_is() -> None:
    meta = {
        "io.modelcontextprotocol/clientInfo": {"name": "spy"},
        "custom": 1,
        "traceparent": "00-1",
        "tracestate": "a=b",
    }
    params = envelope.call_params(permit_for(ENTRY, "echo", meta=meta), "token", Era.MODERN)
    assert params["_meta"] == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": envelope.GATEWAY_INFO,
        "io.modelcontextprotocol/clientCapabilities": {},
        "traceparent": "00-1",
        "tracestate": "a=b",
    }


def test_a_legacy_call_carries_no_modern_meta() -> None:
    level = {"io.modelcontextprotocol/logLevel": "info"}
    assert "_meta" not in envelope.call_params(permit_for(ENTRY, "echo", meta=level), "token", Era.LEGACY)
    modern = envelope.call_params(permit_for(ENTRY, "echo", meta=level), "token", Era.MODERN)
    assert modern["_meta"]["io.modelcontextprotocol/logLevel"] == "info"


@pytest.mark.parametrize("value", [7, ["info"], "x" * 600, None])
def test_meta_of_the_wrong_kind_does_not_travel(value: object) -> None:
    meta = {"traceparent": value, "io.modelcontextprotocol/logLevel": value}
    sent = envelope.call_params(permit_for(ENTRY, "echo", meta=meta), "token", Era.MODERN)["_meta"]
    assert set(sent) == set(envelope.MODERN_META)


def test_a_progress_token_is_ours_and_only_if_the_client_sent_one() -> None:
    asked = envelope.call_params(permit_for(ENTRY, "echo", progress_token="theirs"), "ours", Era.LEGACY)
    assert asked["_meta"] == {"progressToken": "ours"}


def test_arguments_that_are_a_read_only_mapping_are_sent_as_they_are() -> None:
    permit = permit_for(ENTRY, "echo", MappingProxyType({"a": MappingProxyType({"b": [1]})}))  # pyright: ignore[reportArgumentType]
    body = envelope.request("a", "tools/call", envelope.call_params(permit, "t", Era.LEGACY))
    assert orjson.loads(body)["params"]["arguments"] == {"a": {"b": [1]}}


@pytest.mark.parametrize("value", [1 << 70, "\ud800", object()])
def test_arguments_that_json_cannot_carry_are_the_callers_error(value: object) -> None:
    with pytest.raises(InvalidArguments) as caught:
        envelope.request("a", "tools/call", {"arguments": {"x": value}})
    assert str(value) not in str(caught.value) or value == "\ud800"


def test_unknown_fields_of_a_result_survive() -> None:
    result = {"content": [{"type": "new", "x": None}], "vendor/y": {"z": [1]}}
    assert answered(result=result).result == result


@pytest.mark.parametrize(
    "message",
    [
        {"id": "b", "result": {}},
        {"id": None, "result": {}},
        {},
        {"result": {}, "error": {"code": 1, "message": ""}},
        {"result": []},
        {"result": None},
        {"result": {"resultType": "input_required"}},
        {"result": {"resultType": "task"}},
        {"result": {"resultType": 7}},
        {"error": "no"},
        {"error": {"code": "1", "message": "x"}},
        {"error": {"code": True, "message": "x"}},
        {"error": {"code": 1}},
    ],
)
def test_an_answer_that_is_not_exactly_ours_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(UpstreamProtocolError):
        answered(**message)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[{}]", b"null", b'{"id":1}', b"\xff", b"[" * 100_000])
def test_what_is_not_one_json_rpc_message_is_refused_without_repeating_it(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        envelope.parse(data)
    assert caught.value.__cause__ is None


def test_an_error_object_is_passed_on_cut_to_size() -> None:
    error = {"code": 5, "message": "\x1b[31m" + "x" * 5_000, "data": "y" * 50_000, "other": 1}
    passed = answered(error=error).error
    assert passed["code"] == 5 and len(passed["message"]) == 1_000 and "\x1b" not in passed["message"]
    assert set(passed) == {"code", "message"}


@pytest.mark.parametrize("code", [-32020, -32021, -32022, -32099])
def test_an_error_about_our_envelope_never_reaches_the_client(code: int) -> None:
    with pytest.raises(UpstreamProtocolError):
        answered(error={"code": code, "message": "x"})


def test_a_ping_is_answered_and_anything_else_the_upstream_asks_is_refused() -> None:
    assert orjson.loads(envelope.reply({"id": 1, "method": "ping"}))["result"] == {}
    assert orjson.loads(envelope.reply({"id": 1, "method": "sampling/createMessage"}))["error"]["code"] == -32601


def test_request_ids_are_never_used_twice() -> None:
    assert len({envelope.new_id() for _ in range(1_000)}) == 1_000
