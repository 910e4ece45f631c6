"""Server-sent events, reading side: bytes in, the data of `message` events out. Pure."""

from __future__ import annotations


class EventReader:
    """Keeps an unfinished line in pieces, so a long one costs no quadratic copying."""

    __slots__ = ("_data", "_event", "_id", "_pieces", "last_id", "retry_ms")

    def __init__(self) -> None:
        self.last_id = b""
        """Of the last event that was complete; empty when the stream cannot be picked up."""
        self.retry_ms: int | None = None
        """How long to wait before that, if the server said."""
        self._id = b""
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        self._event = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes."""
        held_return = bool(self._pieces) and self._pieces[-1].endswith(b"\r")
        self._pieces.append(chunk)
        if not held_return and b"\n" not in chunk and b"\r" not in chunk:
            return []
        lines = b"".join(self._pieces).splitlines(keepends=True)
        # A line that ends in "\r" may be the first half of "\r\n".
        self._pieces = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        events: list[bytes] = []
        for line in lines:
            self._line(line.rstrip(b"\r\n"), events)
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry_ms = int(value)

    def _dispatch(self, events: list[bytes]) -> None:
        self.last_id = self._id
        # An event without data is none: servers send one first, only for its id.
        if any(self._data) and self._event in (b"", b"message"):
            events.append(b"\n".join(self._data))
        self._data = []
        self._event = b""
