"""What Expand answers: one relation of one object as its definition reads, one step deep. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Subjects:
    """Those written for the relation itself, conditions not looked at; sorted."""

    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """Everybody of another relation, `document:1#editor`."""

    userset: str


@dataclass(frozen=True, slots=True)
class Through:
    """Everybody of `usersets`, which `tupleset` (`document:1#parent`) leads to."""

    tupleset: str
    usersets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Combined:
    """`difference` has two parts: the base, and what is taken away."""

    operator: Literal["union", "intersection", "difference"]
    parts: tuple[Node, ...]


Node: TypeAlias = Subjects | Same | Through | Combined


@dataclass(frozen=True, slots=True)
class Expansion:
    name: str
    """`document:1#viewer`."""
    root: Node
    cut: str = ""
    """Why subjects are missing, as a sentence; empty when none are."""


def as_openfga(expansion: Expansion) -> Mapping[str, Any]:
    """The body of OpenFGA's answer."""
    return {"tree": {"root": _node(expansion.name, expansion.root)}}


def _node(name: str, node: Node) -> dict[str, Any]:
    if isinstance(node, Subjects):
        return {"name": name, "leaf": {"users": {"users": list(node.subjects)}}}
    if isinstance(node, Same):
        return {"name": name, "leaf": {"computed": {"userset": node.userset}}}
    if isinstance(node, Through):
        computed = [{"userset": userset} for userset in node.usersets]
        return {"name": name, "leaf": {"tupleToUserset": {"tupleset": node.tupleset, "computed": computed}}}
    parts = [_node(name, part) for part in node.parts]
    if node.operator == "difference":
        return {"name": name, "difference": {"base": parts[0], "subtract": parts[1]}}
    return {"name": name, node.operator: {"nodes": parts}}
