"""Every id the program uses, made in one place.

The store, the tuples, the audit, the CLI and `explain` all speak these strings, so two
spellings of one thing cannot exist. A part is percent-encoded where OpenFGA or we give a
character a meaning; a part that would be over 200 bytes becomes `%sha256-` and its digest.
"""

from __future__ import annotations

import hashlib
import re
from typing import NewType

UserId = NewType("UserId", str)
AgentId = NewType("AgentId", str)
ServerId = NewType("ServerId", str)
ToolId = NewType("ToolId", str)
ObjectId = NewType("ObjectId", str)

LOCAL_ISSUER = "local"
"""Alias of the built-in login."""

GATEWAY = ObjectId("gateway:local")
"""This installation; its relations are `administrator` and `auditor`."""

_MAX_PART_BYTES = 200
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGEST_MARK = "%sha256-"
"""No plain part can look like it, because `%` is always encoded; a colon would not be an OpenFGA id."""
_RESERVED = frozenset(":#*@/%")
_SPECIAL = re.compile(r"[:#*@/%\x00-\x20\x7f]")
"""All that is encoded of ASCII, which nearly every part is."""


def encode(part: str) -> str:
    """One id part, safe inside `type:id`, `type:id#relation` and a path; raises ValueError if empty."""
    if not part:
        raise ValueError("an id part must not be empty")
    if not part.isascii():
        encoded = "".join(map(_encoded, part))
    else:
        encoded = part if part.isalnum() else _SPECIAL.sub(_escaped, part)
    if len(encoded.encode()) <= _MAX_PART_BYTES:
        return encoded
    return _DIGEST_MARK + hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()


def is_digest(part: str) -> bool:
    """Whether an encoded part does not tell what it stands for."""
    return part.startswith(_DIGEST_MARK)


def _escaped(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _encoded(character: str) -> str:
    if character in _RESERVED or not character.isprintable() or character.isspace():
        return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
    return character


def user_id(issuer_alias: str, subject: str) -> UserId:
    """`user:<issuer alias>/<sub>`."""
    return UserId(f"user:{encode(issuer_alias)}/{encode(subject)}")


def agent_id(issuer_alias: str, client_id: str) -> AgentId:
    """`agent:<issuer alias>/<client id>`."""
    return AgentId(f"agent:{encode(issuer_alias)}/{encode(client_id)}")


def server_id(name: str) -> ServerId:
    """`server:<name>`."""
    return ServerId(f"server:{encode(name)}")


def tool_id(server: str, name: str) -> ToolId:
    """`tool:<server>/<the upstream's own name>`; never the exposed name."""
    return ToolId(f"tool:{encode(server)}/{encode(name)}")


def item_id(kind: str, server: str, name: str) -> ToolId:
    """The id of anything an upstream offers, by its `model.tool.Kind`; a template is a resource named by its text.

    No URI is a template, so the two cannot be confused once both are well-formed.
    """
    return ToolId(f"{'resource' if kind == 'template' else kind}:{encode(server)}/{encode(name)}")


def resource_id(resource_type: str, server: str, identifier: str) -> ObjectId:
    """`<type>:<server>/<id>`, e.g. `ticket:tickets/T-391`."""
    return ObjectId(f"{resource_type}:{encode(server)}/{encode(identifier)}")


def membership_id(kind: str, issuer_alias: str, name: str) -> ObjectId:
    """A group, role or tenant as an issuer's tokens name it: `group:<issuer alias>/<name>`. Stored ones have no slash."""
    return ObjectId(f"{kind}:{encode(issuer_alias)}/{encode(name)}")


def grant_id(at: float, entropy: bytes) -> ObjectId:
    """`grant:<time and chance>`: 26 letters and digits that sort by when the grant was made (ULID order).

    `at` is in seconds since the epoch; `entropy` is ten random bytes.
    """
    if len(entropy) != 10:
        raise ValueError("a grant id needs ten random bytes")
    number = int(at * 1000) << 80 | int.from_bytes(entropy, "big")
    return ObjectId("grant:" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))


def from_cli(kind: str, text: str) -> str:
    """What a person typed as an id of `kind`: `mira`, `local/mira` and `user:local/mira` are one user.

    Only `user` and `agent` have an issuer; every other kind takes the text as it stands. No alias of an issuer has
    a colon, so an agent that is known by the URL of its document may be typed as that URL.
    """
    bare = text.removeprefix(f"{kind}:")
    if kind not in {"user", "agent"}:
        return f"{kind}:{bare}"
    issuer, separator, name = bare.partition("/")
    if ":" in issuer:
        return f"{kind}:{LOCAL_ISSUER}/{encode(bare)}"
    if not separator:
        issuer, name = LOCAL_ISSUER, bare
    return f"{kind}:{encode(issuer)}/{name if '%' in name else encode(name)}"
