"""OpenFGA's own conformance corpus on our engine: every check, list of objects, list of users, and every refusal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import pytest

from mcp_gateway.authorization.engine.codes import RequestRefused
from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.engine.store import Store
from mcp_gateway.model.decision import Check
from tests.support.openfga_corpus import REASON, CorpusTest, Stage, corpus, corpus_parameters, with_more

P = ParamSpec("P")
T = TypeVar("T")

every_test = pytest.mark.parametrize("test", list(corpus_parameters()))
stored_or_sent_along = pytest.mark.parametrize("contextual", [False, True], ids=["stored", "contextual"])


@pytest.mark.skipif("OPENFGA_TESTS" not in os.environ, reason=REASON)
def test_the_corpus_is_whole() -> None:
    stages = [stage for test in corpus() for stage in test.stages]
    asked = [sum(len(getattr(stage, kind)) for stage in stages) for kind in ("checks", "objects", "users")]
    assert (len(stages), asked) == (186, [485, 345, 386])


@every_test
@stored_or_sent_along
def test_every_check_is_answered_as_openfga_answers_it(test: CorpusTest, contextual: bool) -> None:
    for stage, store, sent in _stages(test, contextual):
        for case in stage.checks:
            answer = _answer(store.check, case.check, sent(case.given))
            assert answer == case.expected, case


@every_test
@stored_or_sent_along
def test_every_list_of_objects_is_openfgas(test: CorpusTest, contextual: bool) -> None:
    for stage, store, sent in _stages(test, contextual):
        for case in stage.objects:
            given = sent(case.given)
            answer = _answer(store.list_objects, case.subject, case.relation, case.object_type, given)
            if isinstance(answer, int):
                assert answer == case.expected, case
                continue
            assert frozenset(answer.found) == case.expected, case
            assert not answer.cut
            for object_ in answer.found:
                assert store.check(Check(case.subject, case.relation, object_), given)


@every_test
@pytest.mark.anyio
async def test_a_streamed_list_is_the_list(test: CorpusTest) -> None:
    for stage, store, sent in _stages(test, contextual=False):
        for case in stage.objects:
            stream = store.streamed_list_objects(case.subject, case.relation, case.object_type, sent(case.given))
            try:
                answer: object = frozenset([object_ async for object_ in stream])
            except RequestRefused as exc:
                answer = int(exc.number)
            assert answer == case.expected, case


@every_test
@stored_or_sent_along
def test_every_list_of_users_is_openfgas(test: CorpusTest, contextual: bool) -> None:
    for stage, store, sent in _stages(test, contextual):
        for case in stage.users:
            given = sent(case.given)
            answer = _answer(store.list_users, case.object, case.relation, case.kind, given)
            if isinstance(answer, int):
                assert answer == case.expected, case
                continue
            assert frozenset(answer.found) == case.expected, case
            for subject in answer.found:
                assert store.check(Check(subject, case.relation, case.object), given)


def _stages(test: CorpusTest, contextual: bool) -> Iterator[tuple[Stage, Store, Callable[[Given], Given]]]:
    """Each stage with a store that holds its tuples, or with what sends them along instead."""
    if contextual:
        if test.fits_contextually:
            (stage,) = test.stages
            yield stage, Store(compile_model(stage.model)), lambda given: with_more(given, stage.tuples)
        return
    store: Store | None = None
    for stage in test.stages:
        model = compile_model(stage.model)
        store = store or Store(model)
        store.use(model)
        for start in range(0, len(stage.tuples), 40):
            store.write(stage.tuples[start : start + 40])
        yield stage, store, lambda given: given


def _answer(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | int:
    try:
        return ask(*args, **kwargs)
    except RequestRefused as exc:
        return int(exc.number)
