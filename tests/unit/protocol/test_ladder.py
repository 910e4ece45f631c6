"""The short way through the request ladder lets nothing pass that the whole ladder refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request

from mcp_gateway.errors import BadRequest
from mcp_gateway.protocol import META_CAPABILITIES, META_VERSION, MODERN_VERSION, check_modern

names = st.sampled_from(["echo", "", "=?base64?ZWNobw==?=", "=?base64?!?=", " echo", "éo", "tools/call"])
versions = st.sampled_from([MODERN_VERSION, "2025-11-25", "", None, 3])
methods = st.sampled_from(["tools/call", "tools/list", "server/discover", "prompts/get", "resources/read", ""])
metas: st.SearchStrategy[Any] = st.dictionaries(st.sampled_from([META_VERSION, META_CAPABILITIES, "other"]), versions)


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    """A body and headers that mostly agree."""
    method, name, version = draw(methods), draw(names), draw(versions)
    whole: dict[str, Any] = {META_VERSION: version, META_CAPABILITIES: {}}
    odd: list[Any] = [None, [], "meta"]
    meta: Any = draw(st.just(whole) | metas | st.sampled_from(odd))
    params: Any = draw(
        st.sampled_from([{"name": name, "_meta": meta}, {"name": 7, "_meta": meta}, {"_meta": meta}, []])
    )
    said = {"mcp-method": draw(st.just(method) | methods), "mcp-name": draw(st.just(name) | names)}
    headers = {**said, "mcp-protocol-version": draw(st.just(version) | versions)}
    sent = {
        key: value for key, value in headers.items() if isinstance(value, str) and draw(st.booleans() | st.just(True))
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, sent


@given(requests())
def test_a_request_passes_exactly_when_the_sdk_lets_it_pass(request: tuple[dict[str, Any], dict[str, str]]) -> None:
    body, headers = request
    if isinstance(classify_inbound_request(body, headers=headers), InboundModernRoute):
        assert check_modern(body, headers) == MODERN_VERSION
    else:
        with pytest.raises(BadRequest):
            check_modern(body, headers)
