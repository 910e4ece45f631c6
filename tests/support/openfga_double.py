"""A double of an OpenFGA server, for what a real one cannot be made to do: lie, stall, answer rubbish.

It knows one store with the policies' model, allows everything it is asked, and remembers every request.
A test replaces `answer` to have it do otherwise.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from mcp_gateway.authorization.engine.model import load_model
from mcp_gateway.authorization.language.json_model import to_json
from tests.support.backends import POLICIES

STORE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
MODEL = "01ARZ3NDEKTSV4RRFFQ69G5FAW"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def asks(self) -> str:
        """The last step of the path: `batch-check`, `write`, `changes`."""
        return self.path.partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Said:
    body: Any = field(default_factory=dict[str, Any])
    """Bytes go out as they are, everything else as JSON."""
    status: int = 200
    store: str | None = STORE
    model: str | None = MODEL
    location: str | None = None
    hang_up: bool = False
    """End the connection without an answer."""


Answer: TypeAlias = Callable[[Request], Said]


class OpenFgaDouble:
    def __init__(self) -> None:
        self.answer: Answer = agreeable
        self.requests: list[Request] = []
        self.released = threading.Event()
        """Set when the double is to end: a handler that stalls waits for it."""
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, what: str) -> list[Request]:
        return [request for request in self.requests if request.asks == what]

    def stall(self, request: Request) -> Said:
        """An answer that never comes."""
        self.released.wait(30)
        return Said(hang_up=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def agreeable(request: Request) -> Said:
    """What a server that allows everything says."""
    match request.asks:
        case "batch-check":
            return Said({"result": {check["correlation_id"]: {"allowed": True} for check in request.body["checks"]}})
        case "authorization-models":
            return Said({"authorization_models": [_model()], "continuation_token": ""})
        case "changes":
            return Said({"changes": [], "continuation_token": ""})
        case "read":
            return Said({"tuples": [], "continuation_token": ""})
        case last if last == MODEL:
            return Said({"authorization_model": _model()})
        case last if last == STORE:
            return Said({"id": STORE, "name": "double"})
        case _:
            return Said()


def _model() -> dict[str, Any]:
    return {"id": MODEL, **to_json(load_model(POLICIES).document)}


@contextlib.contextmanager
def openfga_double() -> Generator[OpenFgaDouble]:
    double = OpenFgaDouble()
    double.begin()
    try:
        yield double
    finally:
        double.end()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what the test wanted."""


def _handler(double: OpenFgaDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def log_message(self, format: str, *args: Any) -> None:
            return

        def _reply(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
            body = content.decode() if form else json.loads(content or b"null")
            request = Request(self.command, self.path, headers, body)
            double.requests.append(request)
            self._send(double.answer(request))

        def _send(self, said: Said) -> None:
            if said.hang_up:
                self.close_connection = True
                return
            content: bytes = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in (
                ("openfga-store-id", said.store),
                ("openfga-authorization-model-id", said.model),
                ("location", said.location),
            ):
                if value is not None:
                    self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
