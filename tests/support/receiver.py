"""An HTTP receiver on loopback that records are sent to, as good or bad as a test wants it to be at the moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias

import orjson

from tests.support.processes import free_port

Mood: TypeAlias = Literal["good", "refusing", "hanging", "closing", "slow", "small"]
"""`closing` ends the connection after the body was stored, so that nobody knows; `small` takes 20 records at once."""

_SMALL = 20


@dataclass(slots=True)
class Delivery:
    headers: dict[str, str]
    body: bytes

    @property
    def records(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.body.splitlines()]


@dataclass(slots=True)
class Receiver:
    port: int
    mood: Mood = "good"
    got: list[Delivery] = field(default_factory=list[Delivery])
    """What it stored, in order."""
    answer: bytes = b"{}"
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/records?key=of-the-receiver"

    @property
    def seen(self) -> dict[str, list[int]]:
        """Sequence numbers by writer, as they came."""
        found: dict[str, list[int]] = {}
        for delivery in list(self.got):
            for record in delivery.records:
                found.setdefault(record["writer"], []).append(record["seq"])
        return found

    @contextlib.contextmanager
    def listening(self) -> Generator[Receiver]:
        """May be entered again: the same address comes back."""
        receiver = self

        class Handler(_Handler):
            owner = receiver

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.released.clear()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        match self.owner.mood:
            case "refusing":
                self._say(503, b"later")
                return
            case "small" if body.count(b"\n") > _SMALL:
                self._say(413, b"too much")
                return
            case "hanging":
                self.owner.released.wait(30)
                self.close_connection = True
                return
            case "slow":
                self.owner.released.wait(0.3)
            case _:
                pass
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.got.append(Delivery(headers, body))
        if self.owner.mood == "closing":
            self.close_connection = True
            return
        self._say(200, self.owner.answer)

    def _say(self, status: int, body: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def receiver() -> Receiver:
    return Receiver(free_port())


def in_order_once(seqs: list[int]) -> list[int]:
    """Without second deliveries; what is then not 1, 2, 3 … was lost or out of order."""
    return list(dict.fromkeys(seqs))
