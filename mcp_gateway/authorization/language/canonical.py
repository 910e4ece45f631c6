"""The form of a model that two equal models share: order of types, comments, spacing and modules do not change it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mcp_gateway.authorization.language.syntax import (
    Computed,
    ConditionDefinition,
    Direct,
    Document,
    Exclusion,
    From,
    RelationDefinition,
    Rewrite,
    Union,
    parts_of,
)


def model_id(document: Document) -> str:
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(document)).hexdigest()


def canonical(document: Document) -> bytes:
    # Schema 1.2 adds modules and changes no answer, so a model keeps its id when it is split.
    form = {
        "schema": "1.1",
        "types": {one.name: {r.name: _relation_form(r) for r in one.relations} for one in document.types},
        "conditions": {one.name: _condition_form(one) for one in document.conditions},
    }
    return json.dumps(form, sort_keys=True, separators=(",", ":")).encode()


def _relation_form(relation: RelationDefinition) -> Any:
    return [_form(relation.rewrite), sorted(map(str, relation.restrictions))]


def _condition_form(condition: ConditionDefinition) -> Any:
    return [{name: f"{kind.name}<{kind.element}>" for name, kind in condition.parameters}, condition.expression]


def _form(rewrite: Rewrite) -> Any:
    if isinstance(rewrite, Direct):
        return "this"
    if isinstance(rewrite, Computed):
        return rewrite.relation
    if isinstance(rewrite, From):
        return {"from": [rewrite.relation, rewrite.tupleset]}
    operator = "or" if isinstance(rewrite, Union) else "but not" if isinstance(rewrite, Exclusion) else "and"
    return {operator: [_form(part) for part in parts_of(rewrite)]}
