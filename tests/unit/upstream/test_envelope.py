"""What may go to an upstream and what may come back."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import orjson
import pytest

from mcp_gateway.errors import InvalidArguments, UpstreamProtocolError
from mcp_gateway.model.call import Era, Permit
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.capabilities import TASKS
from tests.support.upstreams import http_entry, permit_for

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENTRY = http_entry("sample", "http://127.0.0.1:1/mcp")


def answered(era: Era = Era.MODERN, permit: Permit | None = None, **message: Any) -> Any:
    return envelope.answer({"jsonrpc": "2.0", "id": "a", **message}, "a", era, permit)


def test_a_modern_call_says_who_we_are_and_hides_who_the_client_is() -> None:
    meta = {
        "io.modelcontextprotocol/clientInfo": {"name": "spy"},
        "custom": 1,
        "traceparent": TRACEPARENT,
        "tracestate": "a=b",
        "baggage": "user=mira",
    }
    params = envelope.call_params(permit_for(ENTRY, "echo", meta=meta), "token", Era.MODERN)
    assert params["_meta"] == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": envelope.GATEWAY_INFO,
        "io.modelcontextprotocol/clientCapabilities": {},
        "traceparent": TRACEPARENT,
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


MISSING: dict[str, Any] = {"code": -32021, "message": "x", "data": {"requiredCapabilities": {"sampling": {}}}}
URL_FIRST: dict[str, Any] = {"code": -32042, "message": "x", "data": {"elicitations": []}}


def test_a_capability_the_client_lacks_is_the_clients_to_hear_of() -> None:
    for era in Era:
        assert answered(era, permit_for(ENTRY, "echo"), error=MISSING).error == MISSING
    with pytest.raises(UpstreamProtocolError):
        answered(error=MISSING)  # a question of our own
    with pytest.raises(UpstreamProtocolError):
        answered(permit=permit_for(ENTRY, "echo"), error={**MISSING, "data": {"requiredCapabilities": "all"}})


def test_a_legacy_client_may_have_to_open_a_url_first() -> None:
    assert answered(Era.LEGACY, permit_for(ENTRY, "echo"), error=URL_FIRST).error == URL_FIRST
    for era, permit in ((Era.MODERN, permit_for(ENTRY, "echo")), (Era.LEGACY, None)):
        with pytest.raises(UpstreamProtocolError):
            answered(era, permit, error=URL_FIRST)


@pytest.mark.parametrize(
    ("code", "client", "passes"),
    [
        (-32050, Era.LEGACY, True),
        (-32050, Era.MODERN, False),
        (-32020, Era.LEGACY, False),
        (-32022, Era.LEGACY, False),
        (-32002, Era.MODERN, True),
    ],
)
def test_codes_of_a_legacy_upstream_reach_who_may_be_sent_them(code: int, client: Era, passes: bool) -> None:
    permit, error = permit_for(ENTRY, "echo", era=client), {"code": code, "message": "x"}
    if passes:
        assert answered(Era.LEGACY, permit, error=error).error == error
    else:
        with pytest.raises(UpstreamProtocolError):
            answered(Era.LEGACY, permit, error=error)


@pytest.mark.parametrize(
    ("method", "accepted"),
    [
        ("tools/call", True),
        ("prompts/get", True),
        ("resources/read", True),
        ("tasks/get", False),
        ("completion/complete", False),
    ],
)
def test_only_three_methods_may_be_answered_by_questions(method: str, accepted: bool) -> None:
    result = {"resultType": "input_required", "requestState": "s"}
    permit = permit_for(ENTRY, "echo", method=method, params={})
    if accepted:
        assert answered(permit=permit, result=result).result == result
        with pytest.raises(UpstreamProtocolError):
            answered(Era.LEGACY, permit, result=result)
    else:
        with pytest.raises(UpstreamProtocolError):
            answered(permit=permit, result=result)


@pytest.mark.parametrize(
    ("method", "era", "extensions", "accepted"),
    [
        ("tools/call", Era.MODERN, {TASKS: {}}, True),
        ("tools/call", Era.MODERN, {}, False),
        ("tools/call", Era.LEGACY, {TASKS: {}}, False),
        ("prompts/get", Era.MODERN, {TASKS: {}}, False),
    ],
)
def test_a_task_may_answer_a_modern_client_that_declared_them_when_it_calls_a_tool(
    method: str, era: Era, extensions: dict[str, Any], accepted: bool
) -> None:
    permit = permit_for(ENTRY, "echo", era=era, method=method, capabilities={"extensions": extensions})
    result = {"resultType": "task", "taskId": "t"}
    if accepted:
        assert answered(permit=permit, result=result).result == result
    else:
        with pytest.raises(UpstreamProtocolError):
            answered(permit=permit, result=result)


@pytest.mark.parametrize(
    "fields", [{}, {"requestState": 7}, {"inputRequests": []}, {"inputRequests": {}, "requestState": {}}]
)
def test_questions_that_cannot_be_answered_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UpstreamProtocolError):
        answered(permit=permit_for(ENTRY, "echo"), result={"resultType": "input_required", **fields})


def test_a_ping_is_answered_and_anything_else_the_upstream_asks_is_refused() -> None:
    assert orjson.loads(envelope.reply({"id": 1, "method": "ping"}))["result"] == {}
    assert orjson.loads(envelope.reply({"id": 1, "method": "sampling/createMessage"}))["error"]["code"] == -32601


def test_request_ids_are_never_used_twice() -> None:
    assert len({envelope.new_id() for _ in range(1_000)}) == 1_000
