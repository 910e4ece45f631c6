"""One world, answered twice: by our engine and by the real evaluator.

Four differences are no mismatch, and are counted apart:

- *leaning*: we deny because a ring of relations lies under a `but not`. There the evaluator's answer
  depends on which of its workers is first, and on the strategy it picks.
- *stricter*: a condition lacks a parameter, and we say so where the evaluator passes over it because
  another tuple of the same relation counts. Neither allows.
- *not_their_check*: the evaluator lists a user its own Check denies, or leaves one out that it allows.
- *unanswered*: the evaluator does not take the model, or does not come to an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import ParamSpec, TypeVar

import anyio

from mcp_gateway.authorization import EmbeddedRelationships, InContext
from mcp_gateway.authorization.engine.codes import RequestRefused
from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.authorization.engine.listing import Listing
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.engine.parameters import epoch_seconds
from mcp_gateway.authorization.engine.store import Store
from mcp_gateway.model.decision import Check
from tests.support.openfga_evaluator import REFUSED, Answered, Asked, Found, Unanswered, World, evaluate

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Tally:
    checks: int = 0
    allowed: int = 0
    list_objects: int = 0
    objects: int = 0
    list_users: int = 0
    refused: int = 0
    backend_checks: int = 0
    """Of the checks, those the gateway's own backend was asked as well."""
    stricter: int = 0
    not_their_check: int = 0
    leaning: int = 0
    unanswered: int = 0
    mismatches: list[str] = field(default_factory=list[str])

    def add(self, other: Tally) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


def compare(world: World) -> Tally:
    """Every question of a world, by the engine alone."""
    return _compared(world, lambda asked, theirs: iter(()))


def compare_gateway(world: World) -> Tally:
    """The same, and the gateway's backend asked as the gateway asks it: agent from the token, our clock."""
    backend = EmbeddedRelationships(compile_model(world.model))
    backend.replace(world.tuples, revision=1)
    tally = _compared(world, lambda asked, theirs: _backend_differences(backend, asked, theirs))
    tally.backend_checks = tally.checks
    return tally


def _compared(world: World, also: Callable[[Asked, Answered], Iterator[str]]) -> Tally:
    tally = Tally()
    try:
        answered = evaluate(world)
    except Unanswered:
        tally.unanswered = 1
        return tally
    store = Store(compile_model(world.model), world.tuples)
    for asked, theirs in zip(world.asked, answered, strict=True):
        ours = _ours(store, asked)
        tally.checks += len(ours.checks)
        tally.allowed += sum(answer is True for answer in theirs.checks)
        tally.list_objects += len(ours.objects)
        tally.objects += sum(len(found) for found in theirs.objects if found != REFUSED)
        tally.list_users += len(ours.users)
        tally.refused += sum(answer == REFUSED for answer in (*theirs.checks, *theirs.objects, *theirs.users))
        differences = [*_differences(tally, world, store, asked, ours, theirs), *also(asked, theirs)]
        tally.mismatches += [f"seed {world.seed}: {line}, {asked.contextual} {asked.context}" for line in differences]
    return tally


def _ours(store: Store, asked: Asked) -> Answered:
    given = Given(asked.contextual, asked.context)
    return Answered(
        tuple(_or_refused(store.check, check, given) for check in asked.checks),
        tuple(_names(_or_refused(store.list_objects, *question, given)) for question in asked.objects),
        tuple(_names(_or_refused(store.list_users, *question, given)) for question in asked.users),
    )


def _names(listing: Listing | str) -> Found:
    return listing if isinstance(listing, str) else frozenset(listing.found)


def _or_refused(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | str:
    try:
        return ask(*args, **kwargs)
    except RequestRefused:
        return REFUSED


def _differences(
    tally: Tally, world: World, store: Store, asked: Asked, ours: Answered, theirs: Answered
) -> Iterator[str]:
    given = Given(asked.contextual, asked.context)
    for check, our, their in zip(asked.checks, ours.checks, theirs.checks, strict=True):
        if our == REFUSED and (their is False or (their is True and _excluding(world))):
            # A condition it cannot judge is a no to them when another tuple beside it counts; under a `but not`
            # that no becomes a yes.
            tally.stricter += 1
        elif our is False and their is True and store.leans(check, given):
            tally.leaning += 1
        elif our != their:
            yield f"{check}: ours {our}, theirs {their}"
    for question, our, their in zip(asked.objects, ours.objects, theirs.objects, strict=True):
        subject, relation, _ = question
        if our == REFUSED and their != REFUSED:
            tally.stricter += 1
        elif isinstance(our, frozenset) and isinstance(their, frozenset) and our < their:
            if all(store.leans(Check(subject, relation, object_), given) for object_ in their - our):
                tally.leaning += 1
            else:
                yield f"{question}: ours {our}, theirs {their}"
        elif our != their:
            yield f"{question}: ours {our}, theirs {their}"
    for question, our, their in zip(asked.users, ours.users, theirs.users, strict=True):
        if our == their:
            continue
        if isinstance(our, str):
            tally.stricter += 1
        elif isinstance(their, str):
            yield f"{question}: ours {our}, theirs {their}"
        else:
            yield from _users_difference(tally, world, store, asked, question, our, their)


def _excluding(world: World) -> bool:
    return " but not " in world.model


def _users_difference(
    tally: Tally,
    world: World,
    store: Store,
    asked: Asked,
    question: tuple[str, str, str],
    our: frozenset[str],
    their: frozenset[str],
) -> Iterator[str]:
    object_, relation, _ = question
    given = Given(asked.contextual, asked.context)
    allowed = _their_checks(world, asked, question, our ^ their)
    open_ = {one for one in their - our if store.leans(Check(one, relation, object_), given)}
    if allowed - open_ != our - their:
        yield f"{question}: ours {our}, theirs {their}, and their Check allows {allowed}"
    elif open_ & allowed:
        tally.leaning += 1
    else:
        tally.not_their_check += 1


def _their_checks(
    world: World, asked: Asked, question: tuple[str, str, str], subjects: frozenset[str]
) -> frozenset[str]:
    """Those of `subjects` the evaluator's Check allows."""
    object_, relation, _ = question
    checks = tuple(Check(subject, relation, object_) for subject in sorted(subjects))
    (answered,) = evaluate(replace(world, asked=(replace(asked, checks=checks, objects=(), users=()),)))
    return frozenset(check.subject for check, held in zip(checks, answered.checks, strict=True) if held is True)


def _backend_differences(backend: EmbeddedRelationships, asked: Asked, theirs: Answered) -> Iterator[str]:
    (binding,) = asked.contextual
    in_context, now = InContext(binding.subject, binding.object), epoch_seconds(asked.context["current_time"])

    async def ask() -> tuple[list[bool | None], list[frozenset[str]]]:
        answers = await backend.answer(asked.checks, in_context=in_context, now=now)
        listed = [
            await backend.list_objects(*question, in_context=in_context, now=now, limit=1000)
            for question in asked.objects
        ]
        return [answers.answers.get(check) for check in asked.checks], [frozenset(one.found) for one in listed]

    checks, objects = anyio.run(ask)
    for question, our, their in (
        *zip(asked.checks, checks, theirs.checks, strict=True),
        *zip(asked.objects, objects, theirs.objects, strict=True),
    ):
        if our != their:
            yield f"{question}: the backend {our}, theirs {their}"
