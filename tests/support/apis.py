"""A real HTTP API for tests, built with FastAPI, whose own document describes it, and entries for such APIs.

    async with running_api() as api: ... api.url, api.entry(document=...)

What reached it is in `api.seen`: the method, the target as it stood on the wire, the headers and the body.
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, cast

import anyio
import uvicorn
from fastapi import FastAPI, Form, Header, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope
from starlette.types import Send as ASGISend

from mcp_gateway.catalog.index import digest
from mcp_gateway.model.call import Permit
from mcp_gateway.model.tool import JsonObject, OpenApiTransport, Risk, Upstream
from tests.support.upstreams import http_entry, permit_for, until

SECRET = "s3cret-value-of-the-gateway"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(16))


class Item(BaseModel):
    name: str
    price: float = 1.0
    tags: list[str] = []


class Stored(Item):
    id: int
    parts: list[Stored] = []


@dataclass(frozen=True, slots=True)
class Seen:
    method: str
    target: str
    headers: dict[str, str]


@dataclass(slots=True)
class RunningApi:
    url: str
    app: FastAPI
    seen: list[Seen] = field(default_factory=list[Seen])

    @property
    def document(self) -> dict[str, Any]:
        return self.app.openapi()

    def entry(self, *, name: str = "shop", document: str | None = None, **changed: Any) -> Upstream:
        return api_entry(name, self.url, document or f"{self.url}/openapi.json", **changed)


def api_entry(name: str, url: str, document: str, **changed: Any) -> Upstream:
    """A registry entry for an API; `changed` replaces fields of the entry or of its transport."""
    transport = OpenApiTransport(url, (), None, None, ("127.0.0.0/8",), document, None)
    fields = {key: changed.pop(key) for key in list(changed) if hasattr(transport, key)}
    return replace(http_entry(name, url), transport=replace(transport, **fields), **changed)


@asynccontextmanager
async def running_api() -> AsyncGenerator[RunningApi, None]:
    """On a free loopback port, in a thread with a loop of its own."""
    api = RunningApi("", shop())
    config = uvicorn.Config(_Noting(api, api.app), host="127.0.0.1", port=0, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        await until(lambda: server.started)
        api.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield api
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join, 20)


def permit_of(entry: Upstream, definition: JsonObject, arguments: dict[str, Any], *, risk: Risk = Risk.READ) -> Permit:
    """A permit for a tool that was listed, with the definition a reviewer saw."""
    permit = permit_for(entry, str(definition["name"]), arguments, risk=risk)
    return replace(permit, tool=replace(permit.tool, definition=definition, digest=digest(definition)))


class _Noting:
    def __init__(self, api: RunningApi, app: ASGIApp) -> None:
        self._api = api
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: ASGISend) -> None:
        if scope["type"] == "http":
            raw = cast("bytes", scope["raw_path"]).decode("latin-1")
            query = cast("bytes", scope["query_string"]).decode("latin-1")
            headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
            named = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers}
            self._api.seen.append(Seen(scope["method"], raw + (f"?{query}" if query else ""), named))
        await self._app(scope, receive, send)


def shop() -> FastAPI:
    """Items by id and by path, searches of every query style, a form, and refusals of every kind."""
    app = FastAPI(title="Shop", version="7.1")
    items: dict[int, Stored] = {1: Stored(id=1, name="chair")}

    @app.get("/items/{item_id}", operation_id="item_get", summary="One item")
    def item_get(item_id: int, verbose: bool = False) -> Stored:
        if item_id not in items:
            raise HTTPException(404, detail="no such item")
        return items[item_id]

    @app.get("/items/{item_id}/secret", operation_id="item_secret")
    def item_secret(item_id: str) -> dict[str, str]:
        return {"secret_of": item_id}

    @app.post("/items", operation_id="item_add", status_code=201)
    def item_add(item: Item) -> Stored:
        stored = Stored(id=max(items, default=0) + 1, **item.model_dump())
        items[stored.id] = stored
        return stored

    @app.delete("/items/{item_id}", operation_id="item_delete", status_code=204)
    def item_delete(item_id: int) -> Response:
        items.pop(item_id, None)
        return Response(status_code=204)

    @app.get("/notes/{name}", operation_id="note_get")
    def note_get(name: str) -> dict[str, str]:
        return {"name": name}

    @app.get("/search", operation_id="search")
    def search(
        text: str,
        tag: Annotated[list[str], Query()] = [],  # noqa: B006
        x_region: Annotated[str | None, Header()] = None,
    ) -> dict[str, Any]:
        return {"text": text, "tag": tag, "region": x_region}

    @app.post("/login", operation_id="form_send")
    def form_send(user: Annotated[str, Form()], note: Annotated[str, Form()] = "") -> dict[str, str]:
        return {"user": user, "note": note}

    @app.get("/answers/{kind}", operation_id="answer", response_class=Response)
    def answer(kind: str, request: Request) -> Response:
        return _answer(kind, request)

    return app


def _answer(kind: str, request: Request) -> Response:
    if kind.isdecimal():
        headers = {"retry-after": "120"} if kind in ("429", "503") else {}
        return PlainTextResponse(f"you asked for {kind}", int(kind), headers)
    match kind:
        case "echo":
            body = {"headers": dict(request.headers), "query": str(request.url.query)}
            return Response(json.dumps(body), media_type="application/json")
        case "echo_error":
            return PlainTextResponse(str(dict(request.headers)) + str(request.url.query), 400)
        case "list":
            return Response("[1, 2]", media_type="application/json")
        case "broken":
            return Response("{", media_type="application/json")
        case "latin":
            return Response("caf\xe9".encode("latin-1"), media_type="text/plain; charset=iso-8859-1")
        case "png":
            return Response(PNG, media_type="image/png")
        case "zip":
            return Response(b"PK\x03\x04", media_type="application/zip")
        case "long_error":
            return PlainTextResponse("x" * 100_000, 400)
        case "big":
            return PlainTextResponse("x" * 300_000)
        case "redirect":
            return RedirectResponse("http://127.0.0.1:1/elsewhere")
        case _:
            return Response(status_code=204)
