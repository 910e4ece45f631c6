"""Documents out of thin air: every one can be said in the modelling language, few of them make sense."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

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
    Restriction,
    Rewrite,
    TypeDefinition,
    Union,
)

_SIMPLE = ("bool", "string", "int", "uint", "double", "duration", "timestamp", "ipaddress")
_EXPRESSIONS = ("a == 1", 'a in ["x", "}"]', "x.all(y, y > 0)", "{'k': 1}['k'] == a", "a // b\n  && c")

plain_names = st.sampled_from(("a", "b", "c", "user", "doc", "viewer", "order", "butter", "x1", "_y", "self_", "Z"))
names = st.one_of(plain_names, st.sampled_from(("a-b", "a.b", "team/doc", "_.a_/_b._", "type", "model", "relation")))
"""Keywords among them: those that may serve as a name."""


@st.composite
def _restrictions(draw: st.DrawFn) -> Restriction:
    kind = draw(st.integers(0, 2))
    relation = draw(names) if kind == 1 else ""
    return Restriction(draw(names), relation, kind == 2, draw(st.one_of(st.just(""), plain_names)))


def _operators(parts: st.SearchStrategy[Rewrite]) -> st.SearchStrategy[Rewrite]:
    several = st.lists(parts, min_size=2, max_size=4).map(tuple)
    return st.one_of(several.map(Union), several.map(Intersection), st.builds(Exclusion, parts, parts))


_leaves: st.SearchStrategy[Rewrite] = st.one_of(st.builds(Computed, names), st.builds(From, names, names))
_rewrites = st.recursive(_leaves, _operators, max_leaves=8)


@st.composite
def _relations(draw: st.DrawFn, name: str) -> RelationDefinition:
    rewrite, restrictions = draw(_rewrites), ()
    if draw(st.booleans()):
        restrictions = tuple(draw(st.lists(_restrictions(), min_size=1, max_size=3)))
        rewrite = _beginning_directly(rewrite)
    return RelationDefinition(name, rewrite, restrictions, 0)


def _beginning_directly(rewrite: Rewrite) -> Rewrite:
    """The same with `[...]` in the place of its first leaf."""
    if isinstance(rewrite, Exclusion):
        return Exclusion(_beginning_directly(rewrite.base), rewrite.but_not)
    if isinstance(rewrite, Union | Intersection):
        first, *others = rewrite.parts
        return type(rewrite)((_beginning_directly(first), *others))
    return Direct()


_parameter_types = st.one_of(
    st.sampled_from(_SIMPLE).map(ParameterType),
    st.builds(ParameterType, st.sampled_from(("list", "map")), st.sampled_from(_SIMPLE)),
)


@st.composite
def _conditions(draw: st.DrawFn, name: str) -> ConditionDefinition:
    parameters = draw(st.dictionaries(plain_names, _parameter_types, min_size=1, max_size=3))
    return ConditionDefinition(name, tuple(sorted(parameters.items())), draw(st.sampled_from(_EXPRESSIONS)), 0)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    types = [
        TypeDefinition(name, tuple(draw(_relations(one)) for one in _distinct(draw, names)), 0)
        for name in _distinct(draw, names)
    ]
    conditions = [draw(_conditions(name)) for name in sorted(_distinct(draw, plain_names))]
    return Document("1.1", tuple(types), tuple(conditions))


def _distinct(draw: st.DrawFn, one: st.SearchStrategy[str]) -> Sequence[str]:
    return draw(st.lists(one, unique=True, max_size=3))
