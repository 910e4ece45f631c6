"""May this be asked? OpenFGA's rules for requests, as far as one can tell without answering. Looks at no tuple.

Stricter than OpenFGA in one point: no id, written or asked about, may hold a character that does not print.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

from mcp_gateway.authorization.engine.codes import FgaCode, RequestRefused
from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import RelationshipTuple

MAX_CONTEXTUAL = 100
MAX_BATCH = 50
_MAX_OBJECT, _MAX_RELATION, _MAX_SUBJECT = 256, 50, 512
_MAX_CONTEXT_DEPTH = 10
_OBJECT = re.compile(r"[^:#\s]+:[^:#\s]+")
_USERSET = re.compile(r"[^:#\s]+:[^:#\s]+#[^:#\s]+")
_RELATION = re.compile(r"[^:#@\s]+")
_CORRELATION = re.compile(r"[A-Za-z0-9_-]{1,36}")


def require_check(model: Model, check: Check) -> None:
    require_subject(model, check.subject)
    require_object(model, check.object)
    require_relation(model, check.object, check.relation)


def require_object(model: Model, object_: str) -> None:
    if not _fits(object_, _OBJECT, _MAX_OBJECT):
        _refuse("the object must be TYPE:ID")
    object_type, _, name = object_.partition(":")
    if name == "*":
        _refuse("the object cannot be a wildcard")
    if object_type not in model.relations:
        _refuse("the model does not know the object's type")


def require_subject(model: Model, subject: str) -> None:
    if not (_fits(subject, _OBJECT, _MAX_SUBJECT) or _fits(subject, _USERSET, _MAX_SUBJECT)):
        _refuse("the user must be TYPE:ID, TYPE:* or TYPE:ID#RELATION")
    object_, hash_, relation = subject.partition("#")
    object_type, _, name = object_.partition(":")
    if object_type not in model.relations:
        _refuse("the model does not know the user's type")
    if hash_ and name == "*":
        _refuse("a wildcard cannot stand in a userset")
    if hash_ and relation not in model.relations[object_type]:
        _refuse("the model does not know the user's relation")


def require_relation(model: Model, object_: str, relation: str) -> None:
    if not _fits(relation, _RELATION, _MAX_RELATION):
        _refuse("the relation is malformed")
    if relation not in model.relations[object_.partition(":")[0]]:
        _refuse("the object's type has no such relation")


def require_listing(model: Model, subject: str, relation: str, object_type: str) -> None:
    """Of ListObjects."""
    _require_known(model, object_type, relation)
    require_subject(model, subject)


def require_users(model: Model, object_: str, relation: str, kind: str) -> None:
    """Of ListUsers; `kind` is its one filter, `user` or `group#member`."""
    object_type, hash_, subject_relation = kind.partition("#")
    if object_type not in model.relations:
        _refuse("the model does not know the filter's type", FgaCode.TYPE_NOT_FOUND)
    if hash_ and subject_relation not in model.relations[object_type]:
        _refuse("the model does not know the filter's relation", FgaCode.RELATION_NOT_FOUND)
    if not _fits(object_, _OBJECT, _MAX_OBJECT) or object_.endswith(":*"):
        _refuse("the object must be TYPE:ID")
    _require_known(model, object_.partition(":")[0], relation)


def require_expansion(model: Model, object_: str, relation: str) -> None:
    if not object_ or not relation:
        _refuse("an object and a relation are needed", FgaCode.INVALID_EXPAND_INPUT)
    require_object(model, object_)
    require_relation(model, object_, relation)


def require_batch(correlation_ids: Sequence[str]) -> None:
    if not 0 < len(correlation_ids) <= MAX_BATCH:
        _refuse(f"a batch has 1 to {MAX_BATCH} checks")
    if not all(map(_CORRELATION.fullmatch, correlation_ids)):
        _refuse("a correlation id is malformed")
    if len(set(correlation_ids)) < len(correlation_ids):
        _refuse("a correlation id stands twice")


def require_contextual(
    model: Model, tuples: Sequence[RelationshipTuple], *, conditions: FgaCode = FgaCode.VALIDATION_ERROR
) -> None:
    """Contextual tuples must be as good as written ones; `conditions` is the code when a condition is not."""
    if len(tuples) > MAX_CONTEXTUAL:
        _refuse(f"more than {MAX_CONTEXTUAL} contextual tuples")
    for one in tuples:
        _require_tuple(model, one, FgaCode.INVALID_TUPLE, conditions)


def require_written(model: Model, one: RelationshipTuple) -> None:
    _require_tuple(model, one, FgaCode.VALIDATION_ERROR, FgaCode.VALIDATION_ERROR)
    if f"{one.object}#{one.relation}" == one.subject:
        _refuse("a tuple that is implicit cannot be written")


def require_tuple_key(one: RelationshipTuple) -> None:
    """What is to be deleted need not fit the model, only be a tuple."""
    if not (_fits(one.subject, _OBJECT, _MAX_SUBJECT) or _fits(one.subject, _USERSET, _MAX_SUBJECT)):
        _refuse("the user is malformed")
    if not _fits(one.object, _OBJECT, _MAX_OBJECT) or not _fits(one.relation, _RELATION, _MAX_RELATION):
        _refuse("the object or the relation is malformed")


def require_context(context: Mapping[str, Any]) -> None:
    if not _clean(context, _MAX_CONTEXT_DEPTH):
        _refuse("the context holds control characters or is nested too deep")


def _require_known(model: Model, object_type: str, relation: str) -> None:
    if object_type not in model.relations:
        _refuse("the model does not know the type", FgaCode.TYPE_NOT_FOUND)
    if relation not in model.relations[object_type]:
        _refuse("the type has no such relation", FgaCode.RELATION_NOT_FOUND)


def _require_tuple(model: Model, one: RelationshipTuple, malformed: FgaCode, condition: FgaCode) -> None:
    try:
        require_tuple_key(one)
        require_check(model, Check(one.subject, one.relation, one.object))
    except RequestRefused as exc:
        raise RequestRefused(malformed, str(exc)) from exc
    rule = one.condition
    if model.misfit(one.object, one.relation, one.subject, rule.name if rule else "") is not None:
        kinds = model.accepted[f"{one.object.partition(':')[0]}#{one.relation}"]
        _refuse("the model does not take this tuple", condition if subject_kind(one.subject) in kinds else malformed)
    if rule is not None:
        require_context(rule.context)
        try:
            model.bind(rule.name, rule.context)
        except ValueError as exc:
            raise RequestRefused(condition, str(exc)) from exc


def _fits(text: str, pattern: re.Pattern[str], longest: int) -> bool:
    return pattern.fullmatch(text) is not None and text.isprintable() and len(text.encode("utf-8")) <= longest


def _clean(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return not any(character < " " or character == "\x7f" for character in value)
    if depth == 0 and isinstance(value, Mapping | list):
        return False
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        return all(_clean(str(key), depth) and _clean(one, depth - 1) for key, one in entries.items())
    if isinstance(value, list):
        return all(_clean(one, depth - 1) for one in cast("list[Any]", value))
    return True


def _refuse(detail: str, number: FgaCode = FgaCode.VALIDATION_ERROR) -> NoReturn:
    raise RequestRefused(number, detail)
