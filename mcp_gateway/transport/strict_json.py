"""Request bodies: one JSON-RPC message, read so that every reader would read the same. Pure.

Refused: anything but UTF-8, duplicate keys, NaN and infinities, integers beyond 64 bits, lone
surrogates, too much depth, batches, and keys that only look like the protocol's own.
What passes is what we decide on and, re-serialised by us, what we forward.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn, cast

import orjson

from mcp_gateway.errors import BadRequest

PARSE_ERROR = -32700
MAX_ID_LENGTH = 128
MAX_DEPTH = 64
MAX_CONTAINERS = 20_000
"""So that no body keeps the event loop for a tenth of a second."""

_MAX_SAFE_INTEGER = 2**53 - 1
_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params"})
_RESPONSES = (frozenset({"jsonrpc", "id", "result"}), frozenset({"jsonrpc", "id", "error"}))
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Strings and brackets. A string that never ends is taken as one too: if it were not, the search would begin again
at each of its escaped quotes, and a megabyte of them would take hours."""
_PARAMS = frozenset({"name", "arguments", "_meta", "cursor", "uri", "task", "inputResponses", "requestState"})


def parse_message(body: bytes) -> dict[str, Any]:
    """The request, notification or response in `body`; only a response has no `method`.

    Raises BadRequest (-32700 or -32600) saying what is wrong where.
    """
    message = _decode(body)
    if not isinstance(message, dict):
        raise BadRequest("the body must be one JSON-RPC object; batches are not supported")
    envelope = cast("dict[str, Any]", message)
    if "method" not in envelope and envelope.keys() in _RESPONSES:
        return _response(envelope)
    unknown = envelope.keys() - _ENVELOPE
    if unknown:
        raise _unexpected_member(unknown)
    if envelope.get("jsonrpc") != "2.0":
        raise BadRequest('jsonrpc must be "2.0"')
    if not isinstance(envelope.get("method"), str):
        raise BadRequest("method must be text")
    if "id" in envelope:
        _check_id(envelope["id"])
    params: Any = envelope.get("params", {})
    if not isinstance(params, dict):
        raise BadRequest("params must be an object")
    _refuse_look_alikes(cast("dict[str, Any]", params), _PARAMS, "params")
    return envelope


def _response(envelope: dict[str, Any]) -> dict[str, Any]:
    """A client's answer to a question of ours."""
    if envelope["jsonrpc"] != "2.0":
        raise BadRequest('jsonrpc must be "2.0"')
    _check_id(envelope["id"])
    if not isinstance(envelope.get("result", {}), dict):
        raise BadRequest("result must be an object")
    error: Any = envelope.get("error", {"code": 0})
    code: Any = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        raise BadRequest("error must be an object with an integer code")
    return envelope


def _decode(body: bytes) -> Any:
    value = _plainly_decoded(body)
    return _strictly_decoded(body) if value is None else value


def _plainly_decoded(body: bytes) -> Any:
    """The value of a body that is written exactly as we would write it, as most clients do; None of any other.

    A second key, a number of another reading or a half surrogate could not come out as it went in.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        return None
    try:
        value: Any = orjson.loads(body)
        return value if orjson.dumps(value) == body else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def _strictly_decoded(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        if _depth_exceeds(text):
            raise BadRequest(f"the body is nested deeper than {MAX_DEPTH}")
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            # json pairs surrogates and keeps a lone one, which no UTF-8 can carry on.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except BadRequest:
        raise
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not valid JSON in UTF-8", jsonrpc=PARSE_ERROR) from exc


def _depth_exceeds(text: str) -> bool:
    """Whether nesting passes the bound; few openers cannot, so only long bodies are looked at closely."""
    openers = text.count("[") + text.count("{")
    if openers <= MAX_DEPTH:
        return False
    if openers > MAX_CONTAINERS:
        raise BadRequest(f"the body has more than {MAX_CONTAINERS} objects and arrays")
    depth = 0
    for token in _STRUCTURE.finditer(text):
        character = token.group()
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif character in "]}":
            depth -= 1
    return False


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequest("a key stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > 19 and not -(2**63) <= int(text) < 2**64:
        raise BadRequest("an integer is beyond 64 bits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise BadRequest("a number is too large")
    return value


def _refuse_constant(_name: str) -> NoReturn:
    raise BadRequest("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
)


def _check_id(value: Any) -> None:
    if isinstance(value, str) and len(value.encode()) <= MAX_ID_LENGTH:
        return
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_SAFE_INTEGER:
        return
    raise BadRequest(f"id must be text of at most {MAX_ID_LENGTH} bytes or an integer within 53 bits")


def _unexpected_member(unknown: set[str]) -> BadRequest:
    if unknown & {"result", "error"}:
        return BadRequest("a response has jsonrpc, id and either result or error, and nothing else")
    return BadRequest("the message has members JSON-RPC does not know")


def _refuse_look_alikes(value: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    # Other parsers match keys case-insensitively or stop at a NUL; then they would read what we did not check.
    for key in value.keys() - known:
        if _skeleton(key) in _SKELETONS:
            raise BadRequest(f"{where} has a key that only looks like one of the protocol's")


def _skeleton(key: str) -> str:
    visible = "".join(character for character in key if character.isprintable() and not character.isspace())
    return unicodedata.normalize("NFKC", visible).casefold()


_SKELETONS = frozenset(_skeleton(key) for key in _PARAMS)
