"""The floor: the gateway's own server and HTTP client around nothing at all.

Passes each request on and its answer back, unread: no token, no decision, no record. What a governed
call costs beyond this is ours; what this costs is the machine's and the libraries'.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import anyio
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from pyreqwest.client import Client, ClientBuilder

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PASSED_ON = frozenset({"content-type", "accept", "mcp-protocol-version", "mcp-method", "mcp-name"})


def passing_on(client: Client, upstream: str) -> Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]:
    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"] if name.decode() in _PASSED_ON]
        request = client.post(upstream).headers(headers).body_bytes(body).streamed_read_buffer_limit(0)
        async with request.build_streamed() as response:
            chunk = await response.body_reader.read_chunk()
            answer = chunk.to_bytes() if chunk is not None else b""
        length = (b"content-length", str(len(answer)).encode())
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), length],
        }
        await send(start)
        await send({"type": "http.response.body", "body": answer})

    return app


async def serve(port: int, upstream: str) -> None:
    client = ClientBuilder().follow_redirects(False).no_proxy().max_connections(256).build()
    server = Server(
        passing_on(client, upstream),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    await server.serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    anyio.run(serve, options.port, options.upstream, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
