"""What a registry entry may say of single prompts and resources, beside its tools: the shape, checked when it is read.

    prompts:
      summarise: {requestable: true}
    resources:
      "notes://today": {mode: observe}
      "ticket://{id}": {resources: [{type: ticket, pointer: /id}]}    # the template's variables are the arguments

Unless it says otherwise each is read. The rules of a resource can also point at `/uri`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mcp_gateway.catalog import templates
from mcp_gateway.catalog.mapping import Pointer, ResourceEntry, pointers
from mcp_gateway.catalog.uris import MAX_URI, uri_finding
from mcp_gateway.model.tool import Mode, Risk

URI_ARGUMENT = "uri"
"""What a rule calls the whole URI; a template's variable of that name cannot be pointed at."""


class ItemEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    risk: Risk = Risk.READ
    resources: list[ResourceEntry] = []
    requestable: bool | None = Field(default=None, description="overrides the entry's")
    mode: Mode | None = Field(default=None, description="enforce or observe; overrides the entry's")
    record: list[Pointer] = Field(
        default=[], max_length=16, description="JSON Pointers to arguments whose values the audit keeps, sealed"
    )


def _fitting(entries: Mapping[str, ItemEntry]) -> Mapping[str, ItemEntry]:
    """Refuses what is neither a URI nor a template, and rules that could never find what they point at."""
    for text, entry in entries.items():
        known = _arguments(text)
        for position, pointer in _pointers(entry):
            if pointer.split("/")[1] not in known:
                said = ", ".join(f"/{name}" for name in sorted(known))
                raise ValueError(f"{text}: resources.{position}: {pointer} points at nothing; there is {said}")
    return entries


def _arguments(text: str) -> frozenset[str]:
    """What a rule of the resource or template can point at."""
    if "{" not in text:
        if found := uri_finding(text):
            raise ValueError(f"{text}: {found}")
        return frozenset({URI_ARGUMENT})
    try:
        return templates.parse(text).variables | {URI_ARGUMENT}
    except ValueError as exc:
        raise ValueError(f"{text}: {exc}") from exc


def _pointers(entry: ItemEntry) -> Iterator[tuple[int, str]]:
    for position, rule in enumerate(entry.resources):
        for pointer in pointers(rule):
            yield position, pointer


Prompts: TypeAlias = dict[Annotated[str, Field(min_length=1, max_length=MAX_URI)], ItemEntry]
Resources: TypeAlias = Annotated[dict[str, ItemEntry], AfterValidator(_fitting)]
