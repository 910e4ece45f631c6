"""Lists against checks, over random models and tuples: a list holds exactly what a check of each would allow."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization.engine.codes import RequestRefused
from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.engine.store import Store
from mcp_gateway.model.decision import Check
from tests.fuzz.worlds import Size, small_world
from tests.support.openfga_evaluator import World

FEW = Size(groups=1, checks=1, objects=4, users=4)

worlds = st.integers(min_value=0, max_value=10**9).map(lambda seed: small_world(str(seed), FEW))


def _objects(world: World) -> set[str]:
    return {one.object for one in world.tuples} | {one.subject.partition("#")[0] for one in world.tuples}


@settings(max_examples=20)
@given(worlds)
def test_a_list_of_objects_is_every_object_whose_check_holds(world: World) -> None:
    store = Store(compile_model(world.model), world.tuples)
    (asked,) = world.asked
    for subject, relation, object_type in asked.objects:
        context = Given(context=asked.context)
        listed = set(store.list_objects(subject, relation, object_type, context).found)
        possible = {one for one in _objects(world) if one.startswith(f"{object_type}:") and not one.endswith(":*")}
        held = {one for one in possible if store.check(Check(subject, relation, one), context)}
        assert listed - {subject.partition("#")[0]} == held - {subject.partition("#")[0]}


@settings(max_examples=20)
@given(worlds)
def test_a_list_of_users_holds_nobody_too_many_and_leaves_nobody_out(world: World) -> None:
    store = Store(compile_model(world.model), world.tuples)
    (asked,) = world.asked
    for object_, relation, kind in asked.users:
        context = Given(context=asked.context)
        listed = set(store.list_users(object_, relation, kind, context).found)
        assert all(store.check(Check(one, relation, object_), context) for one in listed)
        if f"{kind}:*" in listed:
            continue
        subject_type, hash_, name = kind.partition("#")
        possible = {f"{one}{hash_}{name}" for one in _objects(world) if one.startswith(f"{subject_type}:")}
        held = {one for one in possible if "*" not in one and store.check(Check(one, relation, object_), context)}
        assert listed - {f"{kind}:*"} >= held


@settings(max_examples=20)
@given(worlds, st.integers(min_value=0, max_value=50))
def test_a_tuple_sent_along_counts_as_if_it_were_written(world: World, number: int) -> None:
    model, (asked,) = compile_model(world.model), world.asked
    if not world.tuples:
        return
    sent = world.tuples[number % len(world.tuples)]
    whole = Store(model, world.tuples)
    less = Store(model, [one for one in world.tuples if one is not sent])
    for check in asked.checks:
        written = Given(context=asked.context)
        assert _answer(whole, check, written) == _answer(less, check, Given((sent,), asked.context))


def _answer(store: Store, check: Check, given: Given) -> bool | int:
    try:
        return store.check(check, given)
    except RequestRefused as exc:
        return int(exc.number)
