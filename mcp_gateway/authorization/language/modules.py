"""Modular models: what `fga.mod` lists, and the documents of its files put together into one. Reads no file.

A module adds types and conditions of its own and, with `extend type`, relations to the types of
others. It never changes what another module defined: whatever stands twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

import yaml

from mcp_gateway.authorization.language.problems import Problem
from mcp_gateway.authorization.language.syntax import (
    ConditionDefinition,
    Document,
    Place,
    RelationDefinition,
    TypeDefinition,
)

MOD_FILE = "fga.mod"
SCHEMA = "1.2"
_MAX_CHARACTERS = 64 * 1024
_MAX_FILES = 100
_FLOW_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of `contents`: its path below the folder of the fga.mod, and where it is named."""

    path: str
    place: Place


@dataclass(frozen=True, slots=True)
class Contents:
    files: tuple[Listed, ...]
    problems: tuple[Problem, ...]


def read_contents(text: str, *, where: str = MOD_FILE) -> Contents:
    """The files a fga.mod names; with problems, those that could be understood."""
    reader = _ModReader(where)
    files = tuple(reader.files(text))
    return Contents(files, tuple(reader.problems))


class _ModReader:
    def __init__(self, where: str) -> None:
        self._where = where
        self.problems: list[Problem] = []

    def files(self, text: str) -> Iterator[Listed]:
        fields = self._fields(text)
        if fields is None:
            return
        self._schema(fields.get("schema"))
        contents = fields.get("contents")
        if contents is None:
            self._refuse("`contents` is missing: the list of module files", Place(1, 1, 1))
        elif not isinstance(contents, yaml.SequenceNode):
            self._refuse("`contents` is a list of file names", _place(contents))
        else:
            yield from self._listed(contents)

    def _fields(self, text: str) -> dict[str, yaml.Node] | None:
        if len(text) > _MAX_CHARACTERS or text.count("[") + text.count("{") > _FLOW_DEPTH:
            return self._refuse("the file is larger or deeper than a list of module files can be", Place(1, 1, 1))
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError) as exc:
            mark = getattr(exc, "problem_mark", None)
            place = Place(mark.line + 1, mark.column + 1, mark.column + 2) if mark else Place(1, 1, 1)
            return self._refuse("this is not YAML", place)
        if not isinstance(root, yaml.MappingNode):
            return self._refuse("expected `schema` and `contents`", Place(1, 1, 1))
        return self._known(root)

    def _known(self, root: yaml.MappingNode) -> dict[str, yaml.Node]:
        fields: dict[str, yaml.Node] = {}
        for key, value in root.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name not in ("schema", "contents"):
                self._refuse("only `schema` and `contents` stand here", _place(key))
            elif name in fields:
                self._refuse(f"`{name}` stands twice", _place(key))
            fields.setdefault(name, value)
        return fields

    def _schema(self, node: yaml.Node | None) -> None:
        if node is None:
            self._refuse(f'`schema` is missing; write `schema: "{SCHEMA}"`', Place(1, 1, 1))
        elif not _is_text(node):
            self._refuse(f'`schema` is text; write `schema: "{SCHEMA}"`', _place(node))
        elif node.value != SCHEMA:
            self._refuse(f"modules need schema {SCHEMA}", _place(node))

    def _listed(self, contents: yaml.SequenceNode) -> Iterator[Listed]:
        seen: set[str] = set()
        if len(contents.value) > _MAX_FILES:
            self._refuse(f"more than {_MAX_FILES} files", _place(contents))
        for node in contents.value[:_MAX_FILES]:
            problem = _objection(node.value) if _is_text(node) else "a file name is text"
            if not problem and node.value in seen:
                problem = f"`{node.value}` stands twice"
            if problem:
                self._refuse(problem, _place(node))
            else:
                seen.add(node.value)
                yield Listed(node.value, _place(node))

    def _refuse(self, sentence: str, place: Place) -> None:
        self.problems.append(Problem("module.contents", sentence, self._where, place))


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"


def _place(node: yaml.Node) -> Place:
    start, end = node.start_mark, node.end_mark
    return Place(start.line + 1, start.column + 1, end.column + 1)


def _objection(path: str) -> str:
    """Why a path of `contents` is refused: it must name a .fga file below the folder, plainly."""
    plain = unquote(path).replace("\\", "/")
    shown = path if path.isprintable() and len(path) < 200 else "this path"
    if plain != path or plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        return f"`{shown}` is not a plain path below this folder"
    if not path.isprintable() or any(part in ("", ".", "..") for part in plain.split("/")):
        return f"`{shown}` is not a plain path below this folder"
    return "" if plain.endswith(".fga") else f"`{shown}` is not a .fga file"


def flatten(documents: Sequence[tuple[str, Document]]) -> tuple[Document, list[Problem]]:
    """The modules as one model of schema 1.2, and what does not fit together."""
    joined = _Joined()
    for file, document in documents:
        joined.add(file, document)
    for file, one in joined.extensions:
        joined.extend(file, one)
    types = tuple(replace(one, relations=tuple(joined.relations[one.name].values())) for one in joined.types.values())
    return Document(SCHEMA, types, tuple(joined.conditions.values())), joined.problems


class _Joined:
    def __init__(self) -> None:
        self.types: dict[str, TypeDefinition] = {}
        self.relations: dict[str, dict[str, RelationDefinition]] = {}
        self.extensions: list[tuple[str, TypeDefinition]] = []
        self.conditions: dict[str, ConditionDefinition] = {}
        self.problems: list[Problem] = []

    def add(self, file: str, document: Document) -> None:
        if not document.module:
            sentence = f"this is no module; it begins with `module NAME` when {MOD_FILE} names it"
            self._refuse(sentence, file, Place(1, 1, 1))
            return
        for one in document.types:
            if one.extends:
                self.extensions.append((file, one))
            elif one.name in self.types:
                self._refuse(
                    f"type `{one.name}` is already defined in `{self.types[one.name].source.file}`", file, one.place
                )
            else:
                self.types[one.name] = one
                self.relations[one.name] = {relation.name: relation for relation in one.relations}
        for condition in document.conditions:
            if condition.name in self.conditions:
                other = self.conditions[condition.name].source.file
                self._refuse(f"condition `{condition.name}` is already defined in `{other}`", file, condition.place)
            self.conditions.setdefault(condition.name, condition)

    def extend(self, file: str, one: TypeDefinition) -> None:
        if one.name not in self.types:
            self._refuse(f"`extend type {one.name}`: no module defines that type", file, one.place)
            return
        relations = self.relations[one.name]
        for relation in one.relations:
            if relation.name in relations:
                sentence = f"relation `{relation.name}` of `{one.name}` is already defined"
                self._refuse(sentence, file, relation.place)
            relations.setdefault(relation.name, replace(relation, source=one.source))

    def _refuse(self, sentence: str, file: str, place: Place) -> None:
        self.problems.append(Problem("module", sentence, file, place))
