"""The floor: the gateway's own server and HTTP client around nothing at all.

Passes each request on and its answer back, unread: no token, no decision, no record. What a governed
call costs beyond this is ours; what this costs is the machine's and the libraries'.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import anyio
import uvicorn

from mcp_gateway.transport.http1 import Http1
from mcp_gateway.upstream.pool import Pool
from mcp_gateway.upstream.requests import Requests

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PASSED_ON = frozenset({"content-type", "accept", "mcp-protocol-version", "mcp-method", "mcp-name"})
_SECONDS = 20.0


def passing_on(pool: Pool, requests: Requests) -> Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]:
    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"] if name.decode() in _PASSED_ON]
        connection = pool.take() or await pool.acquire()
        try:
            connection.begin(requests.post(headers, body), seconds=_SECONDS)
            response = await connection.head()
            answer = await response.read_chunk() or b""
            assert await response.read_chunk() is None
        finally:
            pool.give_back(connection)
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
    parts = urlsplit(upstream)
    assert parts.hostname and parts.port
    pool = Pool(parts.hostname, parts.port, server_name=None, limit=256, connect_seconds=_SECONDS)
    config = uvicorn.Config(
        passing_on(pool, Requests(upstream, [])),
        host="127.0.0.1",
        port=port,
        http=cast("Any", partial(Http1, most=1_000)),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
    )
    await uvicorn.Server(config).serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    anyio.run(serve, options.port, options.upstream, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
