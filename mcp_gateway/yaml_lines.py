"""YAML that remembers its lines: duplicate keys are refused, and a validation error finds its line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from mcp_gateway.errors import OperatorError


def parse(text: str, *, where: str) -> tuple[Any, yaml.Node | None]:
    """The value and its node tree; raises OperatorError naming file and line."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicates(node, where)
        return yaml.safe_load(text), node
    except RecursionError as exc:
        raise OperatorError("is nested too deeply", where=where) from exc
    except yaml.MarkedYAMLError as exc:
        raise OperatorError(
            f"is not valid YAML: {exc.problem or 'unreadable'}", where=_at(where, exc.problem_mark)
        ) from exc
    except (yaml.YAMLError, ValueError) as exc:  # a ValueError is a date such as 2026-13-45
        raise OperatorError("not valid YAML", where=where) from exc


def line_of(node: yaml.Node | None, location: Sequence[int | str]) -> int:
    """The 1-based line of the value at `location`, or of the nearest thing around it that exists."""
    return place_of(node, location)[0]


def place_of(node: yaml.Node | None, location: Sequence[int | str]) -> tuple[int, int]:
    """The same with its column, both counted from 1."""
    place = (1, 1)
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in _pairs(node) if pair[0].value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            item: yaml.Node = node.value[step]
            found = (item, item)
        else:
            continue  # pydantic names union members; they are not in the file
        if found is None:
            continue
        mark, node = found[0].start_mark, found[1]
        place = (mark.line + 1, mark.column + 1)
    return place


def _at(where: str, mark: yaml.Mark | None) -> str:
    return f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where


def _pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value)


def _refuse_duplicates(node: yaml.Node | None, where: str) -> None:
    waiting, seen = [node], set[int]()
    while waiting:
        node = waiting.pop()
        # What an alias repeats is looked at once: aliases of aliases would take forever.
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_same_keys(node, where)
            waiting += [value for _, value in reversed(_pairs(node))]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def _refuse_same_keys(node: yaml.MappingNode, where: str) -> None:
    keys: set[str] = set()
    for key, _ in _pairs(node):
        if str(key.value) in keys:
            raise OperatorError(f"the key {key.value!r} stands twice", where=_at(where, key.start_mark))
        keys.add(str(key.value))
