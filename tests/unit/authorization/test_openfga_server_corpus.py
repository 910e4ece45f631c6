"""OpenFGA's own corpus against the real server of the tests, through the model and the tuples as we write them.

It shows that what `json_model` writes and what the backend sends mean there what they mean here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import pytest

from mcp_gateway.authorization.backends.openfga_batches import answered
from mcp_gateway.authorization.backends.openfga_lists import objects_of, users_of
from mcp_gateway.authorization.engine.codes import FgaCode
from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.support.backends import Servers, publish
from tests.support.openfga import OpenFgaServer
from tests.support.openfga_corpus import CorpusTest, Stage, corpus_parameters, with_more

every_test = pytest.mark.parametrize("test", list(corpus_parameters()))
stored_or_sent_along = pytest.mark.parametrize("contextual", [False, True], ids=["stored", "contextual"])

_PER_WRITE = 40
_NUMBERS = {code.word: int(code) for code in FgaCode}


class Asking:
    """One store of the server, by one model."""

    def __init__(self, server: OpenFgaServer, store: str, model: str, sent: Callable[[Given], Given]) -> None:
        self._server = server
        self._store = store
        self._model = model
        self._sent = sent

    def check(self, check: Check, given: Given) -> bool | int:
        answer = self._ask("check", {"tuple_key": _key(check), **self._about(given)})
        return _number(answer) if "code" in answer else answer["allowed"] is True

    def batch(self, checks: Sequence[tuple[Check, Given]]) -> Mapping[Check, bool | None]:
        asked = {f"q-{number}": check for number, (check, _) in enumerate(checks)}
        items = [
            {"correlation_id": identifier, "tuple_key": _key(check), **self._about(given)}
            for identifier, (check, given) in zip(asked, checks, strict=True)
        ]
        return answered(asked, self._ask("batch-check", {"checks": items}).get("result"))

    def objects(self, subject: str, relation: str, object_type: str, given: Given) -> frozenset[str] | int:
        asked = {"user": subject, "relation": relation, "type": object_type, **self._about(given)}
        answer = self._ask("list-objects", asked)
        return _number(answer) if "code" in answer else frozenset(objects_of(answer))

    def users(self, object_: str, relation: str, kind: str, given: Given) -> frozenset[str] | int:
        object_type, _, identifier = object_.partition(":")
        subject_type, _, subject_relation = kind.partition("#")
        about = self._about(given)
        asked = {
            "object": {"type": object_type, "id": identifier},
            "relation": relation,
            "user_filters": [{"type": subject_type, "relation": subject_relation}],
            "contextual_tuples": about["contextual_tuples"]["tuple_keys"],
            "context": about["context"],
        }
        answer = self._ask("list-users", asked)
        return _number(answer) if "code" in answer else frozenset(users_of(answer))

    def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._server.post(f"/stores/{self._store}/{path}", {**body, "authorization_model_id": self._model})

    def _about(self, given: Given) -> dict[str, Any]:
        given = self._sent(given)
        return {
            "contextual_tuples": {"tuple_keys": [_written(row) for row in given.contextual]},
            "context": dict(given.context),
        }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenFgaServer]:
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers.openfga()


@every_test
@stored_or_sent_along
def test_every_check_means_there_what_it_means_here(test: CorpusTest, contextual: bool, server: OpenFgaServer) -> None:
    for stage, asking in _stages(test, contextual, server):
        for case in stage.checks:
            assert asking.check(case.check, case.given) == case.expected, case
        for start in range(0, len(stage.checks), 50):
            cases = [case for case in stage.checks[start : start + 50] if _is_json(case.given)]
            # One question has one answer in a batch, so of questions that differ only in context the last is asked.
            last = {case.check: case for case in cases}
            if not last:
                continue
            found = asking.batch([(case.check, case.given) for case in last.values()])
            for case in last.values():
                # A refusal of one question leaves that one open.
                wanted = case.expected if isinstance(case.expected, bool) else None
                assert found.get(case.check) == wanted, case


@every_test
@stored_or_sent_along
def test_every_list_of_objects_is_the_corpus(test: CorpusTest, contextual: bool, server: OpenFgaServer) -> None:
    for stage, asking in _stages(test, contextual, server):
        for case in stage.objects:
            answer = asking.objects(case.subject, case.relation, case.object_type, case.given)
            assert answer == case.expected, case


@every_test
@stored_or_sent_along
def test_every_list_of_users_is_the_corpus(test: CorpusTest, contextual: bool, server: OpenFgaServer) -> None:
    for stage, asking in _stages(test, contextual, server):
        for case in stage.users:
            assert asking.users(case.object, case.relation, case.kind, case.given) == case.expected, case


def _stages(test: CorpusTest, contextual: bool, server: OpenFgaServer) -> Iterator[tuple[Stage, Asking]]:
    if contextual and not test.fits_contextually:
        return
    store = server.new_store(test.name[:60])
    for stage in test.stages:
        model = publish(server, store, stage.model)
        if contextual:
            yield stage, Asking(server, store, model, lambda given, rows=stage.tuples: with_more(given, rows))
            return
        for start in range(0, len(stage.tuples), _PER_WRITE):
            keys = [_written(row) for row in stage.tuples[start : start + _PER_WRITE]]
            body = {"writes": {"tuple_keys": keys}, "authorization_model_id": model}
            assert "code" not in server.post(f"/stores/{store}/write", body)
        yield stage, Asking(server, store, model, lambda given: given)


def _written(row: RelationshipTuple) -> dict[str, Any]:
    key: dict[str, Any] = {"user": row.subject, "relation": row.relation, "object": row.object}
    if row.condition is not None:
        key["condition"] = {"name": row.condition.name, "context": dict(row.condition.context)}
    return key


def _key(check: Check) -> dict[str, str]:
    return {"user": check.subject, "relation": check.relation, "object": check.object}


def _is_json(given: Given) -> bool:
    """Infinity has no JSON, so a whole batch would be refused for it."""
    return all(not isinstance(value, float) or math.isfinite(value) for value in given.context.values())


def _number(answer: Mapping[str, Any]) -> int:
    return _NUMBERS.get(str(answer["code"]), 0)
