"""Ids for SpiceDB, whose alphabet is smaller than ours: other bytes are written `=XX`. Pure, and reversible."""

from __future__ import annotations

import re

from mcp_gateway.errors import OperatorError

_OTHER = re.compile(rb"[^A-Za-z0-9/_|+-]")
_WRITTEN = re.compile(rb"=([0-9A-F]{2})")
_LONGEST = 1024


def encoded(name: str) -> str:
    """An object's id, without its type, as SpiceDB takes it; `*` is everybody and stays so."""
    if name == "*":
        return name
    found = _OTHER.sub(lambda match: b"=%02X" % match[0][0], name.encode()).decode("ascii")
    if len(found) > _LONGEST:
        raise OperatorError(f"the id is longer than the {_LONGEST} characters SpiceDB takes")
    return found


def decoded(name: str) -> str:
    """What `encoded` was given."""
    return _WRITTEN.sub(lambda match: bytes([int(match[1], 16)]), name.encode("ascii")).decode()
