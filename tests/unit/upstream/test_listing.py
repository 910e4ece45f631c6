"""One list that fails, hangs or is nonsense costs nothing of the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import SocketStream

from mcp_gateway.errors import UpstreamFailure
from mcp_gateway.model.tool import Kind
from mcp_gateway.upstream import Limits, Upstreams
from mcp_gateway.upstream.listing import Listed
from tests.support.upstreams import Asked, answering, hang, scripted_upstream

pytestmark = pytest.mark.anyio

LISTS: Mapping[str, Any] = {
    "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]},
    "prompts/list": {"prompts": [{"name": "p"}]},
    "resources/list": {"resources": [{"uri": "r://1", "name": "r"}]},
    "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "r://{id}", "name": "r"}]},
}
KINDS = dict(zip(LISTS, Kind, strict=True))
HANGS = "hangs"
UNKNOWN = -32601


async def listed(
    directory: Path, changed: Mapping[str, Any], *, capabilities: str = "tools prompts resources"
) -> Listed:
    """What is found when the answers to some questions are others: a result, an error code, or none at all."""

    def discovered() -> dict[str, Any]:
        versions = {"supportedVersions": ["2026-07-28"]}
        return {**versions, "capabilities": {name: {} for name in capabilities.split()}, "resultType": "complete"}

    def answer(asked: Asked) -> dict[str, Any]:
        method = asked.headers["mcp-method"]
        said: Any = discovered() if method == "server/discover" else changed.get(method, LISTS.get(method))
        if isinstance(said, int):
            return {"jsonrpc": "2.0", "id": asked.id, "error": {"code": said, "message": "no"}}
        return {"jsonrpc": "2.0", "id": asked.id, "result": {**said, "resultType": "complete"}}

    async def script(asked: Asked, stream: SocketStream) -> None:
        silent = changed.get(asked.headers["mcp-method"]) == HANGS
        await (hang if silent else answering(answer))(asked, stream)

    async with scripted_upstream(script) as upstream, Upstreams(directory, limits=Limits(list_seconds=2)) as upstreams:
        try:
            return await upstreams.list_tools(upstream.entry(protocol="modern"))
        except UpstreamFailure as exc:
            failure = exc
    # Out here, where no task group wraps it.
    raise failure


async def test_every_kind_the_server_says_it_has_is_asked_for(tmp_path: Path) -> None:
    found = await listed(tmp_path, {})
    assert not found.failed
    assert {kind: [dict(one) for one in items] for kind, items in found.offered.items()} == {
        kind: next(iter(LISTS[method].values())) for method, kind in KINDS.items()
    }
    less = await listed(tmp_path, {}, capabilities="prompts")
    assert (not less.failed, [kind for kind, items in less.offered.items() if items]) == (True, [Kind.PROMPT])
    assert set(less.offered) == set(Kind), "what it does not have is known to be nothing"


EMPTY: dict[str, Any] = {name: [] for said in LISTS.values() for name in said}
NAMELESS: dict[str, Any] = {name: [{"title": "x"}] for name in EMPTY}
WRONG: list[Any] = [-32603, {}, NAMELESS, {**EMPTY, "nextCursor": 7}, {**EMPTY, "nextCursor": "x"}]


@pytest.mark.parametrize("method", list(LISTS))
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_list_that_fails_is_told_and_the_others_stand(tmp_path: Path, method: str, wrong: object) -> None:
    found = await listed(tmp_path, {method: wrong})
    assert {kind: failure.code for kind, failure in found.failed.items()} == {KINDS[method]: "upstream.protocol_error"}
    assert set(found.offered) == set(Kind) - {KINDS[method]}


@pytest.mark.parametrize("method", ["prompts/list", "resources/list", "resources/templates/list"])
async def test_a_list_that_hangs_does_not_take_the_others_time(tmp_path: Path, method: str) -> None:
    found = await listed(tmp_path, {method: HANGS})
    assert {kind: failure.code for kind, failure in found.failed.items()} == {KINDS[method]: "upstream.timeout"}
    assert set(found.offered) == set(Kind) - {KINDS[method]}


async def test_a_method_that_is_not_known_is_an_empty_list_but_for_tools(tmp_path: Path) -> None:
    found = await listed(tmp_path, dict.fromkeys(LISTS, UNKNOWN))
    assert set(found.failed) == {Kind.TOOL}
    assert all(not items for items in found.offered.values())


async def test_when_nothing_is_answered_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(UpstreamFailure):
        await listed(tmp_path, dict.fromkeys(LISTS, -32603))
    with pytest.raises(UpstreamFailure):
        await listed(tmp_path, {"tools/list": HANGS})
