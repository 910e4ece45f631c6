"""A document as text of the modelling language, in one fixed layout; what it prints, the parser reads back."""

from __future__ import annotations

from mcp_gateway.authorization.language.syntax import (
    Computed,
    ConditionDefinition,
    Direct,
    Document,
    Exclusion,
    From,
    Intersection,
    ParameterType,
    RelationDefinition,
    Rewrite,
    Source,
    TypeDefinition,
    Union,
    parts_of,
)
from mcp_gateway.errors import OperatorError


def to_dsl(document: Document, *, sources: bool = False) -> str:
    """The text; with `sources`, a comment says which module and file each part comes from."""
    types = "".join(_type_text(one, sources) for one in sorted(document.types, key=_place_of_type))
    conditions = "".join(_condition_text(one, sources) for one in sorted(document.conditions, key=_place_of_condition))
    return f"model\n  schema {document.schema}\n{types}{conditions}"


def _place_of_type(one: TypeDefinition) -> tuple[str, str, str]:
    # Parts of modules stand by module and file; what has none keeps its order, as sorting is stable.
    return (one.source.module, one.source.file, one.name) if one.source else ("", "", "")


def _place_of_relation(one: RelationDefinition) -> tuple[str, str, str]:
    return (one.source.module, one.source.file, one.name)


def _place_of_condition(one: ConditionDefinition) -> tuple[str, str, str]:
    return (one.source.module, one.source.file, one.name)


def _type_text(one: TypeDefinition, sources: bool) -> str:
    head = f"\ntype {one.name}{_comment('', one.source, sources)}\n"
    relations = sorted(one.relations, key=_place_of_relation) if one.source else one.relations
    return head + ("  relations\n" if relations else "") + "".join(_relation_text(one, r, sources) for r in relations)


def _relation_text(one: TypeDefinition, relation: RelationDefinition, sources: bool) -> str:
    if not _sayable(relation.rewrite):
        raise OperatorError(
            f"`{one.name}#{relation.name}` cannot be said in the modelling language: `[...]` stands first, and once"
        )
    said = _rewrite_text(relation, relation.rewrite)
    return f"    define {relation.name}: {said}{_comment('extended by: ', relation.source, sources)}\n"


def _rewrite_text(relation: RelationDefinition, rewrite: Rewrite) -> str:
    if isinstance(rewrite, Direct):
        return f"[{', '.join(map(str, relation.restrictions))}]"
    if isinstance(rewrite, Computed):
        return rewrite.relation
    if isinstance(rewrite, From):
        return f"{rewrite.relation} from {rewrite.tupleset}"
    operator = " or " if isinstance(rewrite, Union) else " and " if isinstance(rewrite, Intersection) else " but not "
    return operator.join(_operand_text(relation, part) for part in _direct_first(rewrite))


def _operand_text(relation: RelationDefinition, part: Rewrite) -> str:
    said = _rewrite_text(relation, part)
    return f"({said})" if parts_of(part) else said


def _direct_first(rewrite: Rewrite) -> tuple[Rewrite, ...]:
    """Operands with `[...]` in front, where the order is free."""
    parts = parts_of(rewrite)
    if isinstance(rewrite, Exclusion):
        return parts
    return tuple(sorted(parts, key=lambda part: not isinstance(part, Direct)))


def _sayable(rewrite: Rewrite) -> bool:
    """No `[...]`, or a single one that stands first."""
    count = _directs(rewrite)
    return count == 0 or (count == 1 and _begins_directly(rewrite))


def _directs(rewrite: Rewrite) -> int:
    return 1 if isinstance(rewrite, Direct) else sum(map(_directs, parts_of(rewrite)))


def _begins_directly(rewrite: Rewrite) -> bool:
    parts = _direct_first(rewrite)
    return _begins_directly(parts[0]) if parts else isinstance(rewrite, Direct)


def _condition_text(one: ConditionDefinition, sources: bool) -> str:
    parameters = ", ".join(f"{name}: {_kind_text(kind)}" for name, kind in sorted(one.parameters))
    return f"\ncondition {one.name}({parameters}) {{\n  {one.expression}\n}}{_comment('', one.source, sources)}\n"


def _kind_text(kind: ParameterType) -> str:
    return f"{kind.name}<{kind.element}>" if kind.element else kind.name


def _comment(before: str, source: Source, sources: bool) -> str:
    return f" # {before}module: {source.module}, file: {source.file}" if sources and source else ""
