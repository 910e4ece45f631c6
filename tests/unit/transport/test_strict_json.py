"""Request bodies: what every JSON reader would read the same passes, the rest is named and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import BadRequest
from mcp_gateway.transport.strict_json import MAX_CONTAINERS, MAX_DEPTH, PARSE_ERROR, parse_message

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a", "arguments": {"q": 1}}}


def body(**changes: Any) -> bytes:
    return json.dumps({**CALL, **changes}).encode()


def test_a_well_formed_request_is_read_as_it_stands() -> None:
    assert parse_message(body()) == CALL


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', "twice"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"x":1,"\\u0078":2}}}', "twice"),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', "batches"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":NaN}}', "NaN"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e999}}', "too large"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":18446744073709551616}}', "64 bits"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":-9223372036854775809}}', "64 bits"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":{"y":"a:b","y":"c:d"}}}', "twice"),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}', "either"),
        (b'{"jsonrpc":"2.0","result":{}}', "either"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","result":{}}', "either"),
        (b'{"jsonrpc":"1.0","id":1,"result":{}}', "jsonrpc"),
        (b'{"jsonrpc":"2.0","id":1,"result":[]}', "result"),
        (b'{"jsonrpc":"2.0","id":1,"error":"no"}', "error"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":true}}', "error"),
        (b'{"jsonrpc":"2.0","id":null,"error":{"code":1}}', "id"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}', "members"),
        (b'{"jsonrpc":"1.0","id":1,"method":"a"}', "jsonrpc"),
        (b'{"jsonrpc":"2.0","id":1}', "method"),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', "method"),
        (b'{"jsonrpc":"2.0","id":null,"method":"a"}', "id"),
        (b'{"jsonrpc":"2.0","id":true,"method":"a"}', "id"),
        (b'{"jsonrpc":"2.0","id":9007199254740993,"method":"a"}', "id"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', "params"),
    ],
)
def test_an_ambiguous_or_malformed_message_is_refused_with_what_is_wrong(raw: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        parse_message(raw)


@pytest.mark.parametrize("outcome", [{"result": {"action": "accept"}}, {"error": {"code": -1, "message": "no"}}])
def test_a_response_is_read_as_it_stands(outcome: dict[str, Any]) -> None:
    assert parse_message(json.dumps({"jsonrpc": "2.0", "id": "q", **outcome}).encode()) == {
        "jsonrpc": "2.0",
        "id": "q",
        **outcome,
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a\x00"}',
    ],
)
def test_what_is_not_json_in_utf8_is_a_parse_error(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_message(raw)
    assert refused.value.jsonrpc == PARSE_ERROR


@pytest.mark.parametrize("key", ["Name", "NAME", "arguments ", "argumentſ", "name\\u0000", "ｎame"])
def test_a_key_that_only_looks_like_the_protocols_is_refused(key: str) -> None:
    raw = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","{key}":"b"}}}}'.encode()
    with pytest.raises(BadRequest, match="looks like"):
        parse_message(raw)


def test_a_hundred_thousand_levels_are_refused_without_recursion() -> None:
    deep = b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    with pytest.raises(BadRequest, match=f"{MAX_DEPTH}|{MAX_CONTAINERS}"):
        parse_message(deep)


def test_brackets_inside_text_are_not_depth() -> None:
    message = parse_message(body(params={"x": "[{" * 1000 + '"\\'}))
    assert message["params"]["x"].startswith("[{")


def test_no_refusal_repeats_a_value() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_message(b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"s3cr3t","x":"s3cr3t"}}')
    assert "s3cr3t" not in str(refused.value) + refused.value.detail


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@given(arguments=st.dictionaries(st.text(), json_values, max_size=5))
def test_what_is_read_equals_what_was_written(separators: tuple[str, str], arguments: dict[str, Any]) -> None:
    message = {**CALL, "params": {"name": "a", "arguments": arguments}}
    raw = json.dumps(message, ensure_ascii=False, separators=separators)
    try:
        encoded = raw.encode()
    except UnicodeEncodeError:  # hypothesis makes lone surrogates too; no client can send those
        return
    assert parse_message(encoded)["params"]["arguments"] == arguments


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(raw: bytes) -> None:
    try:
        parse_message(raw)
    except BadRequest as refused:
        assert refused.code == "request.malformed"


def test_a_string_that_never_ends_is_read_over_once() -> None:
    # In a process of its own, because nothing else runs in one that looks again at each escaped quote.
    program = r"""
from mcp_gateway.errors import BadRequest
from mcp_gateway.transport.strict_json import parse_message
for end in ("", chr(92)):
    try:
        parse_message(("{}" * 65 + '"' + chr(92) + '"' + (chr(92) + '"') * 500_000 + end).encode())
    except BadRequest:
        continue
    raise SystemExit(1)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_a_body_of_nothing_but_brackets_is_refused_before_it_is_read_through() -> None:
    flat = b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":[' + b"[]," * 300_000 + b"[]]}}"
    with pytest.raises(BadRequest, match="objects and arrays"):
        parse_message(flat)
