"""Lines out of a byte stream, none longer than a limit. Pure."""

from __future__ import annotations


class LineTooLong(Exception):
    pass


class LineReader:
    __slots__ = ("_held", "_limit", "_pieces")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Every non-empty line that `chunk` completes; raises LineTooLong before it holds more than the limit."""
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join([*self._pieces, complete[0]])
            self._pieces, self._held = [], 0
        self._pieces.append(rest)
        self._held += len(rest)
        if self._held > self._limit or any(len(line) > self._limit for line in complete):
            raise LineTooLong
        return [line for line in complete if line.strip()]
