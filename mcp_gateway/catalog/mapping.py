"""How a registry entry says which resources a tool's arguments name: the entry's shape, checked when it is read.

    resources:
      - {type: ticket, pointer: /id}                                 # relation by risk: can_read or can_write
      - {type: repo, template: "{/owner}/{/repo}", relation: can_write}
      - {type: ticket, pointer: /links/*/url, normalise: [{url: "https://tickets.example.com/t/{id}"}]}

What the arguments of a call then name is not decided here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mcp_gateway.model.tool import Normalisation, ResourceRule, Risk

_POINTER = r"^(/([^/~{}\x00-\x1f\x7f]|~[01])*)+$"
Pointer: TypeAlias = Annotated[str, Field(pattern=_POINTER, max_length=200)]
"""A JSON Pointer (RFC 6901) to one value."""
_PART = re.compile(r"\{([^{}]*)\}")
_ID = "{id}"
_MAX_STARS = 3


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StripPrefixEntry(_Strict):
    strip_prefix: str = Field(min_length=1, max_length=200)


class UrlEntry(_Strict):
    url: str = Field(max_length=500, description="an https URL in which {id} stands for the id")

    @field_validator("url")
    @classmethod
    def _one_id(cls, url: str) -> str:
        if url.count(_ID) != 1 or not url.isascii() or not url.isprintable():
            raise ValueError("needs exactly one {id}")
        before = url.partition(_ID)[0]
        parts = urlsplit(before)
        if parts.scheme not in {"http", "https"} or not parts.netloc or not before.endswith(("/", "=")):
            raise ValueError("must be an http(s) URL with {id} behind a / or =")
        return url


StepEntry: TypeAlias = Literal["trim", "lower", "nfc"] | StripPrefixEntry | UrlEntry


class ResourceEntry(_Strict):
    relation: str | None = Field(
        default=None, pattern=r"^[a-z][a-z0-9_]{0,49}$", description="default by risk: can_read, else can_write"
    )
    type: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")
    pointer: str | None = Field(default=None, pattern=_POINTER, max_length=200)
    template: str | None = Field(default=None, min_length=1, max_length=400)
    normalise: list[StepEntry] = Field(default=[], max_length=5, description="spellings the upstream takes for one")

    @field_validator("pointer")
    @classmethod
    def _few_stars(cls, pointer: str | None) -> str | None:
        if pointer is not None and pointer.split("/").count("*") > _MAX_STARS:
            raise ValueError(f"at most {_MAX_STARS} `*`")
        return pointer

    @field_validator("template")
    @classmethod
    def _unambiguous(cls, template: str | None) -> str | None:
        if template is not None:
            _check_template(template)
        return template

    @model_validator(mode="after")
    def _one_source(self) -> ResourceEntry:
        if (self.pointer is None) == (self.template is None):
            raise ValueError("exactly one of pointer and template is needed")
        return self


def rule_of(entry: ResourceEntry, risk: Risk) -> ResourceRule:
    relation = entry.relation or ("can_read" if risk is Risk.READ else "can_write")
    steps = tuple(_step(step) for step in entry.normalise)
    return ResourceRule(relation, entry.type, entry.pointer, entry.template, steps)


def pointers(entry: ResourceEntry) -> list[str]:
    """Every place in the arguments that it reads."""
    return [entry.pointer] if entry.pointer is not None else _PART.findall(entry.template or "")


def _step(entry: StepEntry) -> Normalisation:
    if isinstance(entry, StripPrefixEntry):
        return ("strip_prefix", entry.strip_prefix)
    if isinstance(entry, UrlEntry):
        return ("url", entry.url)
    return (entry, "")


def _check_template(template: str) -> None:
    pieces = _PART.split(template)
    between, pointers = pieces[::2], pieces[1::2]
    if not pointers or any("{" in text or "}" in text for text in between):
        raise ValueError("needs parts like {/owner}, and no other braces")
    if not all(between[1:-1]):
        raise ValueError("needs some text between its parts; without it two calls could name the same")
    for pointer in pointers:
        if not re.fullmatch(_POINTER, pointer):
            raise ValueError("every part must be a JSON Pointer, like {/owner}")
    shared = {_to_last_star(pointer) for pointer in pointers}
    if len(shared) > 1 or any(way.split("/").count("*") > _MAX_STARS for way in shared):
        raise ValueError("its parts must share the way to their last `*`")


def _to_last_star(pointer: str) -> str:
    head, star, _ = f"{pointer}/".rpartition("/*/")
    return head + star
