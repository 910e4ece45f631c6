"""An API as an upstream: a real one, reached as its registry entry says, with its own document."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.errors import (
    InvalidArguments,
    OutcomeUnknown,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_gateway.model.call import Answer, Era
from mcp_gateway.model.tool import Risk, Upstream
from mcp_gateway.model.trace import Trace
from mcp_gateway.upstream import Limits, Upstreams
from mcp_gateway.upstream.http import Refused
from tests.support.apis import PNG, SECRET, RunningApi, api_entry, permit_of, running_api
from tests.support.upstreams import Heard, http_head, permit_for, scripted_upstream
from tests.support.upstreams import hang as never_answers

pytestmark = pytest.mark.anyio


async def call(
    upstreams: Upstreams, entry: Upstream, tool: str, arguments: dict[str, Any], *, risk: Risk = Risk.READ
) -> Answer:
    """As the gateway calls it: with the definition the upstream listed."""
    (definition,) = [one for one in (await upstreams.list_tools(entry)).tools if one["name"] == tool]
    return await upstreams.forward(permit_of(entry, definition, arguments, risk=risk), Heard())


async def answer(
    tmp_path: Path,
    tool: str,
    arguments: dict[str, Any],
    *,
    risk: Risk = Risk.READ,
    limits: Limits | None = None,
    **changed: Any,
) -> tuple[Answer, RunningApi]:
    async with running_api() as api, Upstreams(tmp_path, limits=limits) as upstreams:
        entry = api.entry(**changed)
        upstreams.configure([entry])
        return await call(upstreams, entry, tool, arguments, risk=risk), api


def result(found: Answer) -> dict[str, Any]:
    assert found.error is None and found.result is not None and found.era is Era.MODERN
    return dict(found.result)


def text(found: Answer) -> str:
    return result(found)["content"][0]["text"]


async def test_an_object_is_structured_content_and_text(tmp_path: Path) -> None:
    found, api = await answer(tmp_path, "item_get", {"item_id": 1, "verbose": True})
    assert result(found)["structuredContent"]["name"] == "chair"
    assert json.loads(text(found)) == result(found)["structuredContent"]
    assert api.seen[-1].target == "/items/1?verbose=true"


async def test_a_body_is_sent_and_nothing_is_followed_or_added(tmp_path: Path) -> None:
    found, api = await answer(tmp_path, "item_add", {"body": {"name": "table", "tags": ["new"]}}, risk=Risk.WRITE)
    assert result(found)["structuredContent"] == {"id": 2, "name": "table", "price": 1.0, "tags": ["new"], "parts": []}
    assert api.seen[-1].headers["content-type"] == "application/json"
    assert not api.seen[-1].headers.keys() & {"authorization", "cookie", "referer"}


async def test_the_trace_of_a_request_is_in_its_headers(tmp_path: Path) -> None:
    trace = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "rojo=1")
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        entry = api.entry()
        upstreams.configure([entry])
        (definition,) = [one for one in (await upstreams.list_tools(entry)).tools if one["name"] == "item_get"]
        permit = permit_of(entry, definition, {"item_id": 1})
        await upstreams.forward(replace(permit, request=replace(permit.request, trace=trace)), Heard())
    assert (api.seen[-1].headers["traceparent"], api.seen[-1].headers["tracestate"]) == (trace.traceparent, "rojo=1")


async def test_a_form_and_a_search_reach_the_api_as_they_were_meant(tmp_path: Path) -> None:
    form, _ = await answer(tmp_path, "form_send", {"body": {"user": "a&b=c", "note": "é +"}})
    search, _ = await answer(tmp_path, "search", {"text": "a&b", "tag": ["x", "y,z"], "x-region": "north"})
    assert result(form)["structuredContent"] == {"user": "a&b=c", "note": "é +"}
    assert result(search)["structuredContent"] == {"text": "a&b", "tag": ["x", "y,z"], "region": "north"}


async def test_an_argument_does_not_reach_another_operation(tmp_path: Path) -> None:
    """The server decodes a path before it looks for the operation, as many do: `1%2Fsecret` would be another one."""
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        entry = api.entry()
        upstreams.configure([entry])
        for value in ("1/secret", "1%2Fsecret", "..", "../items/1/secret"):
            with pytest.raises(InvalidArguments):
                await call(upstreams, entry, "note_get", {"name": value})
        found = await call(upstreams, entry, "note_get", {"name": "a?b#c;d e"})
    assert result(found)["structuredContent"] == {"name": "a?b#c;d e"}
    assert not any("secret" in seen.target for seen in api.seen)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("list", {"type": "text", "text": "[1, 2]"}),
        ("latin", {"type": "text", "text": "café"}),
        ("none", {"type": "text", "text": "HTTP 204"}),
        ("png", {"type": "image", "data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}),
    ],
)
async def test_what_is_no_object_is_content(tmp_path: Path, kind: str, content: dict[str, Any]) -> None:
    found, _ = await answer(tmp_path, "answer", {"kind": kind})
    assert result(found) == {"content": [content], "resultType": "complete"}


async def test_other_bytes_are_an_embedded_resource(tmp_path: Path) -> None:
    found, _ = await answer(tmp_path, "answer", {"kind": "zip"})
    resource = result(found)["content"][0]["resource"]
    assert resource["blob"] == base64.b64encode(b"PK\x03\x04").decode()
    assert resource["mimeType"] == "application/zip" and "127.0.0.1" not in resource["uri"]


@pytest.mark.parametrize("status", ["400", "404", "409", "422", "500"])
async def test_a_refusal_the_caller_can_act_on_is_a_tool_error(tmp_path: Path, status: str) -> None:
    found, _ = await answer(tmp_path, "answer", {"kind": status})
    assert result(found)["isError"] is True
    assert text(found) == f"HTTP {status}\nyou asked for {status}"


async def test_the_text_of_a_refusal_is_bounded(tmp_path: Path) -> None:
    found, _ = await answer(tmp_path, "answer", {"kind": "long_error"}, limits=Limits(response_bytes=50_000))
    assert len(text(found)) < 5_000


@pytest.mark.parametrize(
    ("status", "risk", "kind"),
    [
        ("401", Risk.READ, Refused),
        ("403", Risk.WRITE, Refused),
        ("429", Risk.READ, Refused),
        ("503", Risk.WRITE, UpstreamUnavailable),
        ("502", Risk.READ, UpstreamUnavailable),
        ("502", Risk.WRITE, OutcomeUnknown),
        ("504", Risk.DESTRUCTIVE, OutcomeUnknown),
    ],
)
async def test_an_api_that_is_not_there_for_us_is_raised(
    tmp_path: Path, status: str, risk: Risk, kind: type[UpstreamFailure]
) -> None:
    with pytest.raises(kind):
        await answer(tmp_path, "answer", {"kind": status}, risk=risk)


async def test_when_to_come_back_is_in_the_operators_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(Refused):
        await answer(tmp_path, "answer", {"kind": "429"})
    assert "shop answered HTTP 429 and wants to be left alone: Retry-After 120" in caplog.text


@pytest.mark.parametrize("kind", ["redirect", "broken", "big"])
async def test_an_answer_that_leads_elsewhere_or_is_not_what_it_says_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UpstreamProtocolError):
        await answer(tmp_path, "answer", {"kind": kind}, limits=Limits(response_bytes=200_000))


async def test_the_credential_is_sent_and_never_comes_back(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"Bearer {SECRET}")
    headers: dict[str, Any] = {"credential_header": "Authorization", "credential_file": "key"}
    found, api = await answer(tmp_path, "answer", {"kind": "echo"}, **headers)
    failed, _ = await answer(tmp_path, "answer", {"kind": "echo_error"}, **headers)
    assert api.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    for one in (found, failed):
        assert SECRET not in json.dumps(one.result) and "[credential]" in text(one)


async def test_the_credential_may_be_a_parameter_of_the_query(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "&/")
    changed: dict[str, Any] = {
        "credential_header": "Authorization",
        "credential_file": "key",
        "credential_query": "api_key",
    }
    found, api = await answer(tmp_path, "answer", {"kind": "echo"}, **changed)
    assert api.seen[-1].target == f"/answers/echo?api_key={SECRET}%26%2F"
    assert SECRET not in json.dumps(found.result)
    assert "authorization" not in api.seen[-1].headers


async def test_a_failure_does_not_carry_the_url_its_secret_is_in(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "api.json").write_text(json.dumps(DOCUMENT))
    async with scripted_upstream(never_answers) as server, Upstreams(tmp_path) as upstreams:
        entry = api_entry(
            "shop",
            server.url.removesuffix("/mcp"),
            str(tmp_path / "api.json"),
            credential_header="Authorization",
            credential_file="key",
            credential_query="api_key",
            timeout_seconds=0.3,
        )
        upstreams.configure([entry])
        with pytest.raises(UpstreamTimeout) as caught:
            await call(upstreams, entry, "a_get", {})
    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in repr(seen) and SECRET not in str(seen)
        seen = seen.__cause__ or seen.__context__


async def test_what_was_reviewed_is_what_is_sent_though_the_document_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        path.write_text(json.dumps(api.document))
        entry = api.entry(document=str(path))
        upstreams.configure([entry])
        listed = {tool["name"]: tool for tool in (await upstreams.list_tools(entry)).tools}
        path.write_text(json.dumps(api.document).replace("/notes/", "/items/"))
        path.unlink()
        await upstreams.forward(permit_of(entry, listed["note_get"], {"name": "n"}), Heard())
        with pytest.raises(UpstreamUnavailable):
            await upstreams.list_tools(entry)
    assert api.seen[-1].target == "/notes/n"


async def test_what_is_no_tool_is_not_there(tmp_path: Path) -> None:
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        entry = api.entry()
        upstreams.configure([entry])
        permit = permit_for(entry, "x", method="resources/read", params={"uri": "x:y"})
        found = await upstreams.forward(permit, Heard())
    assert found.error is not None and found.error["code"] == -32601


async def test_a_definition_that_no_document_made_is_not_called(tmp_path: Path) -> None:
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        entry = api.entry()
        upstreams.configure([entry])
        with pytest.raises(UpstreamProtocolError):
            await upstreams.forward(permit_for(entry, "item_get", {}), Heard())
    assert api.seen == []


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Elsewhere", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:1/"}],
    "paths": {"/a": {"get": {"operationId": "a_get", "servers": [{"url": "http://127.0.0.1:1/"}]}}},
}


async def test_a_document_in_yaml_is_read_anew_and_does_not_choose_the_host(tmp_path: Path) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(
        "openapi: 3.0.3\npaths:\n  /notes/{n}:\n    get:\n      operationId: one\n      parameters:\n"
        "        - {name: n, in: path, required: true, schema: {type: string}}\n"
        "servers: [{url: 'http://127.0.0.1:1'}]\n"
    )
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        entry = api.entry(document=str(path))
        upstreams.configure([entry])
        found = await call(upstreams, entry, "one", {"n": "x"})
        path.write_text(path.read_text().replace("one", "two"))
        again = await upstreams.list_tools(entry)
    assert result(found)["structuredContent"] == {"name": "x"}
    assert [tool["name"] for tool in again.tools] == ["two"]


async def test_paths_are_appended_to_the_path_of_the_base_url(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    path.write_text(json.dumps({"openapi": "3.1.0", "paths": {"/n": {"get": {"operationId": "n"}}}}))
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        entry = api_entry("shop", f"{api.url}/notes/", str(path))
        upstreams.configure([entry])
        await call(upstreams, entry, "n", {})
    assert api.seen[-1].target == "/notes/n"


async def test_the_probe_says_what_the_document_says_of_itself(tmp_path: Path) -> None:
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        hello = await upstreams.probe(api.entry())
    assert hello.server_info == {"name": "Shop", "version": "7.1"}
    assert hello.era is Era.MODERN and "tools" in hello.capabilities


@pytest.mark.parametrize("content", [b"{", b"openapi: 2\n", b'{"openapi": "3.1.0", "paths": []}'])
async def test_a_document_that_is_wrong_names_itself_and_the_place(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api.json").write_bytes(content)
    async with Upstreams(tmp_path) as upstreams:
        with pytest.raises(UpstreamProtocolError) as caught:
            await upstreams.list_tools(api_entry("shop", "http://127.0.0.1:1", str(tmp_path / "api.json")))
    assert str(caught.value).startswith("api.json: ")
    assert str(tmp_path) not in str(caught.value)


async def test_a_document_that_cannot_be_had_is_unavailable(tmp_path: Path) -> None:
    async with Upstreams(tmp_path) as upstreams:
        for document in (str(tmp_path / "none.json"), str(tmp_path), "http://127.0.0.1:1/openapi.json"):
            with pytest.raises(UpstreamUnavailable):
                await upstreams.list_tools(api_entry("shop", "http://127.0.0.1:1", document))


async def test_a_document_at_an_address_that_is_not_allowed_is_not_fetched(tmp_path: Path) -> None:
    async with running_api() as api, Upstreams(tmp_path) as upstreams:
        with pytest.raises(UpstreamUnavailable):
            await upstreams.list_tools(api.entry(network=()))
    assert api.seen == []


async def test_a_document_elsewhere_gets_no_credential_and_no_redirect_is_followed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    credential = {"credential_header": "X-Key", "credential_file": "key"}
    async with running_api() as api, running_api() as other, Upstreams(tmp_path) as upstreams:
        await upstreams.list_tools(api.entry(document=f"{other.url}/openapi.json", **credential))
        await upstreams.list_tools(api.entry(**credential))
        with pytest.raises(UpstreamProtocolError):
            await upstreams.list_tools(api.entry(document=f"{api.url}/answers/redirect"))
    assert "x-key" not in other.seen[0].headers
    assert api.seen[0].headers["x-key"] == SECRET


async def test_a_document_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_bytes(b" " * 3_000)
    async with Upstreams(tmp_path, limits=Limits(response_bytes=2_000)) as upstreams:
        with pytest.raises(UpstreamProtocolError, match="too large"):
            await upstreams.list_tools(api_entry("shop", "http://127.0.0.1:1", str(tmp_path / "api.json")))


async def test_an_api_that_breaks_off_leaves_the_outcome_of_a_write_unknown(tmp_path: Path) -> None:
    async def cut(_asked: Any, stream: Any) -> None:
        await stream.send(http_head(200, length=100) + b"{")
        await stream.aclose()

    (tmp_path / "api.json").write_text(json.dumps(DOCUMENT))
    async with scripted_upstream(cut) as server, Upstreams(tmp_path) as upstreams:
        entry = api_entry("shop", server.url.removesuffix("/mcp"), str(tmp_path / "api.json"))
        upstreams.configure([entry])
        with pytest.raises(OutcomeUnknown):
            await call(upstreams, entry, "a_get", {}, risk=Risk.WRITE)
