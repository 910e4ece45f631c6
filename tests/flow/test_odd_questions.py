"""Upstreams that ask oddly: without end, too much, what nobody may be asked, pages to visit, or only for time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from tests.support.asked_clients import LegacyAsked, ModernAsked, accepting
from tests.support.asking import CAPABILITIES
from tests.support.gateway import Installation, http_entry, install
from tests.support.upstreams import Asked, answering, scripted_upstream

pytestmark = pytest.mark.anyio

FORM: dict[str, Any] = {
    "method": "elicitation/create",
    "params": {"message": "Which colour?", "requestedSchema": {"type": "object", "properties": {}}},
}
PAGE: dict[str, Any] = {"mode": "url", "elicitationId": "e-1", "url": "https://example.com/c", "message": "Connect"}
FAT = "s" * 65_536
URI = "paint://wall"
Answer: TypeAlias = dict[str, Any]


class Odd:
    """What the scripted tools answer, and how often each was called."""

    def __init__(self) -> None:
        self.called: dict[str, int] = {}
        self.tools: dict[str, Callable[[Answer], Answer]] = {
            "endless": lambda _: required(inputRequests={"q": FORM}, requestState="more"),
            "later": lambda given: (
                text("now") if given.get("requestState") == "later" else required(requestState="later")
            ),
            "fat": lambda given: (
                text("the same")
                if given.get("requestState") == FAT
                else required(inputRequests={"q": FORM}, requestState=FAT)
            ),
            "huge": lambda _: required(inputRequests={"q": FORM}, requestState=FAT * 4),
            "silent": lambda _: required(),
            "misshapen": lambda _: required(inputRequests={"q": "what?"}),
            "strange": lambda _: required(inputRequests={"q": {"method": "tools/list"}}),
            "modelling": lambda _: required(
                inputRequests={"q": {"method": "sampling/createMessage", "params": {"messages": [], "tools": []}}}
            ),
        }

    def modern(self, asked: Asked) -> Answer:
        given = asked.body.get("params", {})
        match asked.body["method"]:
            case "server/discover":
                found: Answer = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "resources": {}}}
                return reply(asked, {"resultType": "complete", **found})
            case "tools/list":
                return reply(asked, {"resultType": "complete", "tools": [tool(name) for name in self.tools]})
            case "tools/call":
                self._count(given["name"])
                return reply(asked, self.tools[given["name"]](given))
            case "resources/list":
                return reply(asked, {"resultType": "complete", "resources": [{"uri": URI, "name": "paint"}]})
            case "resources/read":
                said = given.get("inputResponses", {}).get("q", {}).get("content", {}).get("colour")
                if said is None:
                    return reply(asked, required(inputRequests={"q": FORM}, requestState="reading"))
                contents = [{"uri": given["uri"], "text": f"{said} {given['requestState']}"}]
                return reply(asked, {"resultType": "complete", "contents": contents})
            case _:
                return refusal(asked, -32601)

    def legacy(self, asked: Asked) -> Answer:
        match asked.body["method"]:
            case "initialize":
                server = {"name": "pages", "version": "1"}
                found: Answer = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server}
                return reply(asked, found)
            case "tools/list":
                return reply(asked, {"tools": [tool("connect")]})
            case "tools/call":
                self._count("connect")
                if self.called["connect"] % 2:
                    return refusal(asked, -32042, {"elicitations": [PAGE]})
                return reply(asked, text("connected"))
            case _:
                return refusal(asked, -32601)

    def _count(self, name: str) -> None:
        self.called[name] = self.called.get(name, 0) + 1


def required(**more: Any) -> Answer:
    return {"resultType": "input_required", **more}


def text(words: str) -> Answer:
    return {"content": [{"type": "text", "text": words}], "resultType": "complete"}


def tool(name: str) -> Answer:
    return {"name": name, "inputSchema": {"type": "object"}}


def reply(asked: Asked, result: Answer) -> Answer:
    return {"jsonrpc": "2.0", "id": asked.id, "result": result}


def refusal(asked: Asked, code: int, data: Any = None) -> Answer:
    return {"jsonrpc": "2.0", "id": asked.id, "error": {"code": code, "message": "no", "data": data}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Installation, Odd]]:
    folder: Path = tmp_path_factory.mktemp("odd")
    odd = Odd()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(scripted_upstream(answering(odd.modern))) as modern,
        portal.wrap_async_context_manager(scripted_upstream(answering(odd.legacy))) as legacy,
    ):
        registry = {
            "odd": http_entry("odd", modern.url, protocol="modern"),
            "pages": http_entry("pages", legacy.url, protocol="legacy", sessions="per_principal"),
        }
        gateway = install(folder / "gateway", registry=registry)
        gateway.add_user("mira", calls="odd")
        gateway.cli("access", "add", "user:mira", "caller", "server:pages")
        for server in registry:
            gateway.let_agent_act("first", "mira", server=server)
        with gateway.serving():
            gateway.wait_for_tools("odd", count=len(odd.tools))
            gateway.wait_for_tools("pages", count=1)
            yield gateway, odd


class Stage:
    def __init__(self, gateway: Installation, odd: Odd, http: httpx2.AsyncClient, token: str) -> None:
        self.odd = odd
        self._http = http
        self._url = gateway.endpoint()
        self._token = token

    def modern(self, **changed: Any) -> ModernAsked:
        return ModernAsked(self._http, self._url, self._token, {**CAPABILITIES, **changed})

    async def legacy(self) -> LegacyAsked:
        client = LegacyAsked(self._http, self._url, self._token)
        await client.initialize()
        return client


@pytest.fixture
async def stage(served: tuple[Installation, Odd]) -> AsyncGenerator[Stage]:
    gateway, odd = served
    token = await anyio.to_thread.run_sync(lambda: gateway.token(user="mira", agent="first"))
    async with httpx2.AsyncClient(timeout=60) as http:
        yield Stage(gateway, odd, http, token)


async def test_an_upstream_that_asks_without_end_is_stopped_for_a_legacy_client(stage: Stage) -> None:
    client = await stage.legacy()
    last: dict[str, Any] = {}
    async with client.call("odd__endless", {}) as messages:
        async for message in messages:
            last = message
            if message.get("method") == "elicitation/create":
                assert await client.answer(message) == 202
    assert last["error"]["data"]["reason"] == "upstream.protocol_error"
    assert stage.odd.called["endless"] == 11


async def test_an_upstream_that_only_wants_time_is_called_again(stage: Stage) -> None:
    client = await stage.legacy()
    async with client.call("odd__later", {}) as messages:
        assert (await anext(messages))["result"]["content"][0]["text"] == "now"
    modern = stage.modern()
    asked = (await modern.call("odd__later", {})).result
    assert "inputRequests" not in asked
    assert (await modern.call("odd__later", {}, requestState=asked["requestState"])).result["content"][0][
        "text"
    ] == "now"


async def test_a_client_that_declared_nothing_may_still_come_back_later(stage: Stage) -> None:
    client = stage.modern()
    client.capabilities = {}
    asked = (await client.call("odd__later", {})).result
    again = await client.call("odd__later", {}, requestState=asked["requestState"])
    assert again.result["content"][0]["text"] == "now"


async def test_an_upstreams_state_comes_back_byte_for_byte_up_to_a_bound(stage: Stage) -> None:
    client = stage.modern()
    asked = (await client.call("odd__fat", {})).result
    assert asked["inputRequests"]["q"]["params"]["message"] == "[odd] Which colour?"
    assert (await client.call("odd__fat", {}, **accepting(asked))).result["content"][0]["text"] == "the same"
    assert (await client.call("odd__huge", {})).reason == "upstream.protocol_error"


@pytest.mark.parametrize("name", ["silent", "misshapen", "strange"])
async def test_what_is_no_question_is_the_upstreams_fault(stage: Stage, name: str) -> None:
    assert (await stage.modern().call(f"odd__{name}", {})).reason == "upstream.protocol_error"
    client = await stage.legacy()
    async with client.call(f"odd__{name}", {}) as messages:
        assert (await anext(messages))["error"]["data"]["reason"] == "upstream.protocol_error"


async def test_an_undeclared_question_names_the_capability_and_is_not_repeated(stage: Stage) -> None:
    refused = await stage.modern().call("odd__modelling", {})
    assert (refused.status, refused.body["error"]["code"]) == (400, -32021)
    assert refused.body["error"]["data"]["requiredCapabilities"] == {"sampling": {"tools": {}}}
    client = await stage.legacy()
    async with client.call("odd__modelling", {}) as messages:
        error = (await anext(messages))["error"]
    assert (error["code"], error["data"]["reason"]) == (-32600, "request.missing_capability")
    assert stage.odd.called["modelling"] == 2


async def test_a_resource_may_ask_before_it_is_read(stage: Stage) -> None:
    modern = stage.modern()
    uri = f"odd+{URI}"
    asked = (await modern.request("resources/read", {"uri": uri}, uri)).result
    assert asked["inputRequests"]["q"]["params"]["message"] == "[odd] Which colour?"
    back = {"uri": uri, **accepting(asked)}
    assert (await modern.request("resources/read", back, uri)).result["contents"][0]["text"] == "blue reading"
    elsewhere = await modern.request("resources/read", {**back, "uri": f"{uri}/2"}, f"{uri}/2")
    assert elsewhere.reason == "state.invalid"
    client = await stage.legacy()
    async with client.request("resources/read", {"uri": uri}) as messages:
        assert await client.answer(await anext(messages)) == 202
        assert (await anext(messages))["result"]["contents"][0] == {"uri": uri, "text": "blue reading"}


async def test_a_refused_question_ends_a_legacy_clients_call(stage: Stage) -> None:
    client = await stage.legacy()
    before = stage.odd.called.get("fat", 0)
    async with client.call("odd__fat", {}) as messages:
        asked = await anext(messages)
        await client.post({"id": asked["id"], "error": {"code": -1, "message": "no"}})
        assert (await anext(messages))["error"]["data"]["reason"] == "caller.declined"
    assert stage.odd.called["fat"] == before + 1


async def test_a_page_an_older_server_wants_visited_is_a_question_to_a_modern_client(stage: Stage) -> None:
    client = stage.modern()
    asked = (await client.call("pages__connect", {})).result
    assert asked["inputRequests"] == {
        "url-1": {"method": "elicitation/create", "params": {**PAGE, "message": "[pages] Connect"}}
    }
    back = {"inputResponses": {"url-1": {"action": "decline"}}, "requestState": asked["requestState"]}
    assert (await client.call("pages__connect", {}, **back)).reason == "caller.declined"
    back["inputResponses"] = {"url-1": {"action": "accept"}}
    assert (await client.call("pages__connect", {}, **back)).result["content"][0]["text"] == "connected"


async def test_who_cannot_visit_pages_is_told_what_is_missing(stage: Stage) -> None:
    refused = await stage.modern(elicitation={"form": {}}).call("pages__connect", {})
    assert refused.body["error"]["data"]["requiredCapabilities"] == {"elicitation": {"url": {}}}
    client = await stage.legacy()
    async with client.call("pages__connect", {}) as messages:
        assert (await anext(messages))["result"]["content"][0]["text"] == "connected"
    async with client.call("pages__connect", {}) as messages:
        error = (await anext(messages))["error"]
    assert (error["code"], error["data"]) == (-32042, {"elicitations": [PAGE]})
    async with client.call("pages__connect", {}) as messages:
        assert (await anext(messages))["result"]["content"][0]["text"] == "connected"
