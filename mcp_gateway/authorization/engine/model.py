"""A compiled relationship model: immutable, identified by its content. Knows which tuples it accepts; holds none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_gateway.authorization.engine.conditions import BoundCondition, CompiledCondition
from mcp_gateway.authorization.language.analysis import Relations, reachable, relations_of
from mcp_gateway.authorization.language.canonical import model_id
from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.files import find_model, read_model
from mcp_gateway.authorization.language.problems import Problem, file_of, require_none
from mcp_gateway.authorization.language.rule import breaches_of, sides_of
from mcp_gateway.authorization.language.syntax import ConditionDefinition, Document, Restriction
from mcp_gateway.authorization.language.validation import problems_of
from mcp_gateway.authorization.relationships import Legs
from mcp_gateway.errors import OperatorError

_MAX_OBJECT, _MAX_RELATION, _MAX_SUBJECT = 256, 50, 512


@dataclass(frozen=True, slots=True)
class Model:
    """Made by `compile_model` or `load_model`."""

    model_id: str
    """SHA-256 of the canonical form: order, comments and spacing do not change it."""
    relations: Relations
    conditions: Mapping[str, CompiledCondition]
    reach: Mapping[str, frozenset[str]]
    """`type#relation` -> kinds of subject there is a path for."""
    sides: Mapping[str, Legs]
    accepted: Mapping[str, Mapping[str, frozenset[str]]]
    """`type#relation` -> kind of subject (`user`, `user:*`, `group#member`) -> conditions; "" is none."""
    document: Document = field(repr=False, compare=False)
    """What it was made from; for a server it is written to, as `to_json` says it."""

    def legs(self, object_type: str, relation: str) -> Legs | None:
        """The user and the agent side of a relation that intersects both; None for any other."""
        return self.sides.get(f"{object_type}#{relation}")

    def require_governed(self, object_type: str, relation: str, *, where: str = "") -> None:
        """Refuse a mapped resource relation that does not need both the user's and the agent's right."""
        if relation not in self.relations.get(object_type, {}):
            raise OperatorError(f"the model has no relation `{object_type}#{relation}`", where=where)
        if self.legs(object_type, relation) is None:
            problem = f"`{object_type}#{relation}` does not intersect a user relation with an agent relation"
            raise OperatorError(problem, where=where, remedy=f"Define it as `{relation}: viewer and agent_reader`")

    def validate_tuple(
        self,
        object_: str,
        relation: str,
        subject: str,
        condition: str | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse a tuple that must not be written; `context` is checked when given."""
        where = f"{subject} {relation} {object_}"
        problem = self.objection(object_, relation, subject, condition or "")
        if problem is None and f"{object_}#{relation}" == subject:
            problem = "it says of itself what it is"
        if problem is not None:
            raise OperatorError(problem, where=where)
        if condition and context is not None:
            try:
                self.conditions[condition].bind(context)
            except ValueError as exc:
                raise OperatorError(str(exc), where=where) from exc

    def objection(self, object_: str, relation: str, subject: str, condition: str) -> str | None:
        """What is wrong with a stored tuple under this model, as a sentence; None when it counts."""
        if relation == "in_context":
            return "the relation in_context is never stored; it is made from the token of each request"
        return self.misfit(object_, relation, subject, condition)

    def misfit(self, object_: str, relation: str, subject: str, condition: str) -> str | None:
        """The same of a tuple that comes with a request, where `in_context` belongs."""
        object_type = object_.partition(":")[0]
        if not is_object(object_):
            return f"`{object_}` is not an object; write TYPE:ID"
        kind = subject_kind(subject)
        if kind is None:
            return f"`{subject}` is not a subject; write TYPE:ID, TYPE:* or TYPE:ID#RELATION"
        accepted = self.accepted.get(f"{object_type}#{relation}")
        conditions = accepted.get(kind) if accepted else None
        if conditions is not None and condition in conditions:
            return None
        return self._why_not(object_type, relation, kind, condition)

    def _why_not(self, object_type: str, relation: str, kind: str, condition: str) -> str:
        if object_type not in self.relations:
            return f"the model has no type `{object_type}`; it has {_listed(self.relations)}"
        if relation not in self.relations[object_type]:
            return f"`{object_type}` has no relation `{relation}`; it has {_listed(self.relations[object_type])}"
        accepted = self.accepted[f"{object_type}#{relation}"]
        if not accepted:
            return f"`{object_type}#{relation}` follows from other relations and cannot be written"
        if kind not in accepted:
            return f"`{object_type}#{relation}` does not take `{kind}`; it takes {_listed(accepted)}"
        if not condition:
            return f"`{object_type}#{relation}` takes `{kind}` only with a condition: {_listed(accepted[kind])}"
        return f"`{object_type}#{relation}` does not take `{kind}` with the condition `{condition}`"

    def bind(self, condition: str, context: Mapping[str, Any]) -> BoundCondition:
        return self.conditions[condition].bind(context)


def is_object(text: str) -> bool:
    """`ticket:T-1`; not `ticket:*`, not `ticket:T-1#viewer`."""
    name = text.partition(":")[2]
    if not name or name == "*" or "#" in text or " " in text:
        return False
    return len(text) <= _MAX_OBJECT and text.isprintable()


def subject_kind(subject: str) -> str | None:
    """`user` of `user:mira`, `user:*` of itself, `group#member` of `group:eng#member`; None of nonsense."""
    subject_type, _, rest = subject.partition(":")
    if not rest or not subject_type or len(subject) > _MAX_SUBJECT or not subject.isprintable() or " " in subject:
        return None
    if "#" not in rest:
        return subject if rest == "*" else subject_type
    name, _, relation = rest.partition("#")
    return f"{subject_type}#{relation}" if name and name != "*" and relation and "#" not in relation else None


def compile_model(text: str, *, where: str = "model.fga") -> Model:
    """Any valid model; the gateway's own rule is not looked at."""
    document = parse(text, where=where)
    require_none(problems_of(document, where=where))
    return compile_document(document, where=where)


def compile_document(document: Document, *, where: str) -> Model:
    """The model of a document that `problems_of` found sound."""
    relations = relations_of(document)
    return Model(
        model_id=model_id(document),
        relations=relations,
        conditions={one.name: _condition(one, where) for one in document.conditions},
        reach=reachable(relations),
        sides=sides_of(relations),
        accepted=_accepted(relations),
        document=document,
    )


def compile_gateway_model(text: str, *, where: str = "policies/model.fga") -> Model:
    """A model this gateway may decide by: refused when `tool#can_call` lost a side."""
    document = parse(text, where=where)
    require_none(problems_of(document, where=where))
    return _governed(document, where)


def load_model(path: Path) -> Model:
    """The gateway's model from its file: a .fga, a fga.mod with modules, or a folder that holds one of them."""
    reading = read_model(path)
    require_none(reading.problems)
    assert reading.document is not None
    return _governed(reading.document, str(find_model(path)))


def validate_policies(path: Path, *, gateway: bool = True) -> list[Problem]:
    """Everything wrong with the model of a file or folder, in the order of the text; empty when it may be used.

    With `gateway` off, any model: the gateway's own rule is not looked at.
    """
    reading, where = read_model(path), str(find_model(path))
    if reading.document is None:
        return list(reading.problems)
    problems = [*reading.problems, *_uncompilable(reading.document, where)]
    return [*problems, *breaches_of(reading.document, where=where)] if gateway else problems


def _governed(document: Document, where: str) -> Model:
    require_none([*breaches_of(document, where=where)])
    return compile_document(document, where=where)


def _condition(one: ConditionDefinition, where: str) -> CompiledCondition:
    return CompiledCondition(one, where=file_of(one.source, where))


def _uncompilable(document: Document, where: str) -> Iterator[Problem]:
    for one in document.conditions:
        try:
            _condition(one, where)
        except OperatorError as exc:
            yield Problem("condition", exc.problem, file_of(one.source, where), one.place)


def _accepted(relations: Relations) -> dict[str, dict[str, frozenset[str]]]:
    found: dict[str, dict[str, frozenset[str]]] = {}
    for object_type, definitions in relations.items():
        for name, definition in definitions.items():
            kinds: dict[str, frozenset[str]] = {}
            for one in definition.restrictions:
                kind = str(Restriction(one.type, one.relation, one.wildcard))
                kinds[kind] = kinds.get(kind, frozenset()) | {one.condition}
            found[f"{object_type}#{name}"] = kinds
    return found


def _listed(names: Mapping[str, Any] | frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
