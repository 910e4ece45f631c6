"""A model as the JSON that OpenFGA's API speaks, and back. Reads foreign JSON strictly; judges no meaning.

`to_json(document)`    what is written to a server
`from_json(value)`     what a server answered; OperatorError names the place of what it does not understand
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

from mcp_gateway.authorization.language.lexing import PARAMETERS
from mcp_gateway.authorization.language.syntax import (
    SCHEMAS,
    Computed,
    ConditionDefinition,
    Direct,
    Document,
    Exclusion,
    From,
    Intersection,
    ParameterType,
    RelationDefinition,
    Restriction,
    Rewrite,
    Source,
    TypeDefinition,
    Union,
)
from mcp_gateway.errors import OperatorError

_MAX_NESTING = 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_PREFIX = "TYPE_NAME_"


def to_json(document: Document) -> dict[str, Any]:
    written: dict[str, Any] = {
        "schema_version": document.schema,
        "type_definitions": [_type_json(one) for one in document.types],
    }
    if document.conditions:
        written["conditions"] = {one.name: _condition_json(one) for one in document.conditions}
    return written


def _type_json(one: TypeDefinition) -> dict[str, Any]:
    metadata: dict[str, Any] = _source_json(one.source)
    if one.relations:
        metadata["relations"] = {relation.name: _metadata_json(relation) for relation in one.relations}
    relations = {relation.name: _rewrite_json(relation.rewrite) for relation in one.relations}
    return {"type": one.name, "relations": relations, "metadata": metadata or None}


def _metadata_json(relation: RelationDefinition) -> dict[str, Any]:
    return {
        "directly_related_user_types": [_restriction_json(one) for one in relation.restrictions],
        **_source_json(relation.source),
    }


def _restriction_json(one: Restriction) -> dict[str, Any]:
    written: dict[str, Any] = {"type": one.type}
    if one.relation:
        written["relation"] = one.relation
    if one.wildcard:
        written["wildcard"] = {}
    if one.condition:
        written["condition"] = one.condition
    return written


def _rewrite_json(rewrite: Rewrite) -> dict[str, Any]:
    if isinstance(rewrite, Direct):
        return {"this": {}}
    if isinstance(rewrite, Computed):
        return {"computedUserset": {"relation": rewrite.relation}}
    if isinstance(rewrite, From):
        leads = {"computedUserset": {"relation": rewrite.relation}, "tupleset": {"relation": rewrite.tupleset}}
        return {"tupleToUserset": leads}
    if isinstance(rewrite, Exclusion):
        return {"difference": {"base": _rewrite_json(rewrite.base), "subtract": _rewrite_json(rewrite.but_not)}}
    operator = "union" if isinstance(rewrite, Union) else "intersection"
    return {operator: {"child": [_rewrite_json(part) for part in rewrite.parts]}}


def _condition_json(one: ConditionDefinition) -> dict[str, Any]:
    written: dict[str, Any] = {
        "name": one.name,
        "expression": one.expression,
        "parameters": {name: _parameter_json(kind) for name, kind in one.parameters},
    }
    if one.source:
        written["metadata"] = _source_json(one.source)
    return written


def _parameter_json(kind: ParameterType) -> dict[str, Any]:
    written: dict[str, Any] = {"type_name": _PREFIX + kind.name.upper()}
    if kind.element:
        written["generic_types"] = [{"type_name": _PREFIX + kind.element.upper()}]
    return written


def _source_json(source: Source) -> dict[str, Any]:
    written: dict[str, Any] = {"module": source.module} if source.module else {}
    return {**written, "source_info": {"file": source.file}} if source.file else written


def from_json(value: object, *, where: str = "model.json") -> Document:
    """The document that JSON says; lines are 0, since JSON has none worth naming."""
    reader = _Reader(where)
    model = reader.object(value, "")
    schema = reader.text(model.get("schema_version") or "", "/schema_version")
    if schema not in SCHEMAS:
        reader.refuse("/schema_version", f"schema {schema or '(missing)'} is not one of {', '.join(SCHEMAS)}")
    types = tuple(reader.types(model.get("type_definitions")))
    conditions = tuple(reader.conditions(model.get("conditions")))
    _one_module_per_file(types, conditions, reader)
    return Document(schema, types, conditions)


class _Reader:
    """Walks foreign JSON; every method takes a value and the pointer to it."""

    def __init__(self, where: str) -> None:
        self._where = where

    def types(self, value: object) -> Iterator[TypeDefinition]:
        for number, one in enumerate(self.array(value, "/type_definitions")):
            yield self._type(self.object(one, f"/type_definitions/{number}"), f"/type_definitions/{number}")

    def conditions(self, value: object) -> Iterator[ConditionDefinition]:
        for name, one in self.object(value, "/conditions").items():
            yield self._condition(name, self.object(one, f"/conditions/{name}"), f"/conditions/{name}")

    def _type(self, one: Mapping[str, object], at: str) -> TypeDefinition:
        metadata = self.object(one.get("metadata"), f"{at}/metadata")
        described = self.object(metadata.get("relations"), f"{at}/metadata/relations")
        relations = tuple(
            self._relation(name, rewrite, self.object(described.get(name), f"{at}/metadata/relations/{name}"), at)
            for name, rewrite in self.object(one.get("relations"), f"{at}/relations").items()
        )
        return TypeDefinition(self.name(one.get("type"), f"{at}/type"), relations, 0, source=self.source(metadata, at))

    def _relation(self, name: str, rewrite: object, described: Mapping[str, object], at: str) -> RelationDefinition:
        below = f"{at}/metadata/relations/{name}"
        restrictions = tuple(
            self._restriction(self.object(one, below), below)
            for one in self.array(described.get("directly_related_user_types"), below)
        )
        at = f"{at}/relations/{name}"
        read = self._rewrite(rewrite, at, 0)
        return RelationDefinition(self.name(name, at), read, restrictions, 0, source=self.source(described, below))

    def _restriction(self, one: Mapping[str, object], at: str) -> Restriction:
        if one.get("wildcard") is not None and one.get("relation"):
            self.refuse(at, "a restriction has a wildcard or a relation, not both")
        return Restriction(
            self.name(one.get("type"), f"{at}/type"),
            self._maybe_name(one.get("relation"), f"{at}/relation"),
            one.get("wildcard") is not None,
            self._maybe_name(one.get("condition"), f"{at}/condition"),
        )

    def _rewrite(self, value: object, at: str, nesting: int) -> Rewrite:
        if nesting > _MAX_NESTING:
            self.refuse(at, f"more than {_MAX_NESTING} nested operators")
        said = [(key, one) for key, one in self.object(value, at).items() if one is not None]
        if len(said) != 1:
            self.refuse(at, "a rewrite says exactly one thing")
        key, operand = said[0][0], self.object(said[0][1], f"{at}/{said[0][0]}")
        at = f"{at}/{key}"
        if key == "this":
            return Direct()
        if key == "computedUserset":
            return Computed(self.name(operand.get("relation"), at))
        if key == "tupleToUserset":
            return From(self._referred(operand, "computedUserset", at), self._referred(operand, "tupleset", at))
        if key == "difference":
            base = self._rewrite(operand.get("base"), f"{at}/base", nesting + 1)
            return Exclusion(base, self._rewrite(operand.get("subtract"), f"{at}/subtract", nesting + 1))
        if key not in ("union", "intersection"):
            self.refuse(at, "not a rewrite this program knows")
        children = self.array(operand.get("child"), f"{at}/child")
        parts = tuple(self._rewrite(one, f"{at}/child/{n}", nesting + 1) for n, one in enumerate(children))
        if not parts:
            self.refuse(at, "an operator needs operands")
        return Union(parts) if key == "union" else Intersection(parts)

    def _referred(self, operand: Mapping[str, object], key: str, at: str) -> str:
        return self.name(self.object(operand.get(key), f"{at}/{key}").get("relation"), f"{at}/{key}/relation")

    def _condition(self, name: str, one: Mapping[str, object], at: str) -> ConditionDefinition:
        if self.text(one.get("name"), f"{at}/name") != name:
            self.refuse(at, f"the condition `{name}` calls itself otherwise")
        parameters = tuple(
            (self.name(parameter, at), self._parameter(self.object(kind, at), f"{at}/parameters/{parameter}"))
            for parameter, kind in self.object(one.get("parameters"), f"{at}/parameters").items()
        )
        source = self.source(self.object(one.get("metadata"), f"{at}/metadata"), at)
        expression = self.text(one.get("expression"), f"{at}/expression").strip()
        return ConditionDefinition(self.name(name, at), parameters, expression, 0, source=source)

    def _parameter(self, value: Mapping[str, object], at: str) -> ParameterType:
        name = self._type_name(value, at)
        elements = [self.object(one, at) for one in self.array(value.get("generic_types"), f"{at}/generic_types")]
        if name in PARAMETERS and not elements:
            return ParameterType(name)
        if name not in ("list", "map") or len(elements) != 1:
            self.refuse(at, f"`{name}` is not a parameter type")
        element = self._type_name(elements[0], at)
        if element not in PARAMETERS:
            self.refuse(at, f"`{element}` is not an element type")
        return ParameterType(name, element)

    def _type_name(self, value: Mapping[str, object], at: str) -> str:
        text = self.text(value.get("type_name"), f"{at}/type_name")
        return text.removeprefix(_PREFIX).lower()

    def source(self, metadata: Mapping[str, object], at: str) -> Source:
        info = self.object(metadata.get("source_info"), f"{at}/source_info")
        module = self._maybe_name(metadata.get("module"), f"{at}/module")
        return Source(module, self.text(info.get("file") or "", f"{at}/source_info/file"))

    def name(self, value: object, at: str) -> str:
        text = self.text(value, at)
        return text if _NAME.fullmatch(text) else self.refuse(at, "not a name the modelling language can say")

    def _maybe_name(self, value: object, at: str) -> str:
        return self.name(value, at) if value else ""

    def text(self, value: object, at: str) -> str:
        return value if isinstance(value, str) else self.refuse(at, "expected a string")

    def object(self, value: object, at: str) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in cast("dict[object, object]", value)):
            self.refuse(at, "expected an object")
        return cast("dict[str, object]", value)

    def array(self, value: object, at: str) -> list[object]:
        if value is not None and not isinstance(value, list):
            self.refuse(at, "expected an array")
        return cast("list[object]", value or [])

    def refuse(self, at: str, problem: str) -> NoReturn:
        raise OperatorError(problem, where=f"{self._where}{at[:200]}")


def _one_module_per_file(
    types: tuple[TypeDefinition, ...], conditions: tuple[ConditionDefinition, ...], reader: _Reader
) -> None:
    modules: dict[str, dict[str, None]] = {}
    parts = [*types, *(relation for one in types for relation in one.relations), *conditions]
    for source in (one.source for one in parts):
        if source.file:
            modules.setdefault(source.file, {})[source.module] = None
    for file, named in modules.items():
        if len(named) > 1:
            reader.refuse("", f"`{file}` would hold several modules ({', '.join(named)}); a file holds one")
