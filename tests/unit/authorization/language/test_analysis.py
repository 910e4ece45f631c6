"""What is known of a model without tuples, against the plainest way to find it out: go round until nothing changes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.language import analysis
from mcp_gateway.authorization.language.analysis import IN_CONTEXT, Relations, relations_of
from mcp_gateway.authorization.language.dsl import parse
from mcp_gateway.authorization.language.graph import components
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    Intersection,
    RelationDefinition,
    Restriction,
    Rewrite,
    Union,
    parts_of,
)
from mcp_gateway.authorization.language.validation import problems_of

TYPES = ("agent", "doc")
NAMES = ("in_context", "a", "b", "c")

_direct = st.sampled_from(["[user]", "[doc]", "[user, doc#a]", "[agent#in_context]", "[doc#b, agent#a]", "[doc#c]"])
_leaf = st.one_of(st.sampled_from(NAMES), st.sampled_from([f"{one} from {other}" for one in NAMES for other in "abc"]))
_definition = st.one_of(
    _direct,
    _leaf,
    st.builds("{} {} {}".format, st.one_of(_direct, _leaf), st.sampled_from(["or", "and", "but not"]), _leaf),
    st.builds("{} and ({} or {})".format, _direct, _leaf, _leaf),
)
_models = st.fixed_dictionaries({(one, name): _definition for one in TYPES for name in NAMES})


def relations(model: dict[tuple[str, str], str]) -> Relations:
    text = "model\n  schema 1.1\ntype user\n"
    for one in TYPES:
        text += f"type {one}\n  relations\n" + "".join(f"    define {n}: {model[one, n]}\n" for n in NAMES)
    return relations_of(parse(text))


@given(_models)
def test_reach_is_the_smallest_that_holds_everything_a_relation_takes_on(model: dict[tuple[str, str], str]) -> None:
    known = relations(model)
    reach = {key: {key} for key in _keys(known)}
    for _ in range(len(reach) + 1):
        for key, object_type, definition in _each(known):
            for leaf in _leaves(definition.rewrite):
                for one in _leads(known, object_type, definition, leaf):
                    reach[key] |= reach.get(one, {one})
    assert analysis.reachable(known) == {key: frozenset(kinds) for key, kinds in reach.items()}


@given(_models)
def test_the_other_answers_are_the_fixed_points_they_claim_to_be(model: dict[tuple[str, str], str]) -> None:
    known = relations(model)
    every = frozenset(_keys(known))
    assert analysis.grounded(known) == _settled(known, frozenset(), _grounded)
    assert analysis.touching(known) == _settled(known, frozenset(), _touching)
    assert analysis.bound(known) == _settled(known, every, _bound)


@given(_models)
def test_a_relation_is_looped_when_a_way_by_names_leads_back_to_it(model: dict[tuple[str, str], str]) -> None:
    known = relations(model)
    names = {
        key: {f"{object_type}#{leaf.relation}" for leaf in _leaves(one.rewrite) if isinstance(leaf, Computed)}
        for key, object_type, one in _each(known)
    }
    further = {key: set(following) for key, following in names.items()}
    for _ in names:
        for key in names:
            for one in tuple(further[key]):
                further[key] |= further.get(one, set())
    assert analysis.looped(known) == {key for key in names if key in further[key]}


@given(st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdefg"))))
def test_a_group_of_a_graph_comes_behind_all_it_leads_to(graph: dict[str, frozenset[str]]) -> None:
    placed: set[str] = set()
    for group in components(graph):
        assert not group & placed
        placed |= group
        assert all(set(graph.get(name, ())) <= placed for name in group)
    assert placed == {*graph, *(one for following in graph.values() for one in following)}


def test_a_long_chain_is_no_burden() -> None:
    chain = "".join(f"    define r{n}: r{n + 1}\n" for n in range(1998))
    document = parse(f"model\n  schema 1.1\ntype user\ntype doc\n  relations\n{chain}    define r1998: [user]\n")
    assert problems_of(document, where="m.fga") == []
    assert "user" in analysis.reachable(relations_of(document))["doc#r0"]
    more = parse(
        f"model\n  schema 1.1\ntype doc\n  relations\n{chain}{''.join(f'    define s{n}: [doc]{chr(10)}' for n in range(3))}"
    )
    assert [one.sentence for one in problems_of(more, where="m.fga")] == ["a model has at most 2000 relations"]


_Rule = Callable[[Relations, str, RelationDefinition, Rewrite, frozenset[str]], bool]


def _settled(known: Relations, found: frozenset[str], rule: _Rule) -> frozenset[str]:
    while True:
        following = frozenset(key for key, kind, one in _each(known) if rule(known, kind, one, one.rewrite, found))
        if following == found:
            return found
        found = following


def _grounded(known: Relations, kind: str, one: RelationDefinition, rewrite: Rewrite, found: frozenset[str]) -> bool:
    inner = [_grounded(known, kind, one, part, found) for part in parts_of(rewrite)]
    if inner:
        return any(inner) if isinstance(rewrite, Union) else all(inner)
    leads = list(_leads(known, kind, one, rewrite))
    return any("#" not in lead or lead in found for lead in leads)


def _touching(known: Relations, kind: str, one: RelationDefinition, rewrite: Rewrite, found: frozenset[str]) -> bool:
    if f"{kind}#{one.name}" == IN_CONTEXT or any(
        _touching(known, kind, one, part, found) for part in parts_of(rewrite)
    ):
        return True
    leads = [*_leads(known, kind, one, rewrite)]
    return any(lead in found for lead in leads) or (isinstance(rewrite, From) and f"{kind}#{rewrite.tupleset}" in found)


def _bound(known: Relations, kind: str, one: RelationDefinition, rewrite: Rewrite, found: frozenset[str]) -> bool:
    if f"{kind}#{one.name}" == IN_CONTEXT:
        return True
    inner = [_bound(known, kind, one, part, found) for part in parts_of(rewrite)]
    if isinstance(rewrite, Union):
        return all(inner)
    if isinstance(rewrite, Intersection):
        return any(inner)
    if isinstance(rewrite, Exclusion):
        return inner[0]
    return all(lead in found for lead in _leads(known, kind, one, rewrite))


def _leads(known: Relations, kind: str, definition: RelationDefinition, leaf: Rewrite) -> list[str]:
    def named(one: Restriction) -> str:
        return f"{one.type}#{one.relation}" if one.relation else one.type

    if isinstance(leaf, Direct):
        return [named(one) for one in definition.restrictions]
    if isinstance(leaf, Computed):
        return [f"{kind}#{leaf.relation}"]
    return list(analysis.parents(known, kind, leaf)) if isinstance(leaf, From) else []


def _leaves(rewrite: Rewrite) -> list[Rewrite]:
    return [leaf for part in parts_of(rewrite) for leaf in _leaves(part)] or [rewrite]


def _each(known: Relations) -> list[tuple[str, str, RelationDefinition]]:
    return [(f"{kind}#{name}", kind, one) for kind, defined in known.items() for name, one in defined.items()]


def _keys(known: Relations) -> list[str]:
    return [key for key, _, _ in _each(known)]
