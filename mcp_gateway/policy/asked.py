"""Run the `tests:` of a file: check, list_objects and list_users as OpenFGA answers them, on our engine.

A test's own tuples go along with each question; only there may `in_context` stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.authorization.engine.listing import Listing
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.store import Store
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.model.decision import Check
from mcp_gateway.policy.entries import CheckEntry, ListObjectsEntry, ListUsersEntry
from mcp_gateway.policy.suite import Suite, Test
from mcp_gateway.policy.verdict import Verdict
from mcp_gateway.storage.relationships import RelationshipTuple


def verdicts(suite: Suite, model: Model) -> Iterator[Verdict]:
    """One for each assertion, in the order of the file. Raises OperatorError for a tuple that does not fit."""
    refuse_misfits(model, suite.tuples)
    for test in suite.tests:
        refuse_misfits(model, (row for row in test.tuples if row.relation != "in_context"))
    store = Store(model, suite.tuples)
    for test in suite.tests:
        yield from _Runner(suite.path, test, store).run()


def refuse_misfits(model: Model, rows: Iterable[RelationshipTuple]) -> None:
    """Raises OperatorError for a tuple the model has no place for."""
    for row in rows:
        condition = row.condition
        model.validate_tuple(
            row.object,
            row.relation,
            row.subject,
            condition.name if condition else None,
            context=condition.context if condition else None,
        )


class _Runner:
    """One test over the file's store."""

    def __init__(self, file: Path, test: Test, store: Store) -> None:
        self._file = file
        self._test = test
        self._store = store

    def run(self) -> Iterator[Verdict]:
        for check in self._test.entry.check:
            yield from self._check(check)
        for listing in self._test.entry.list_objects:
            yield from self._objects(listing)
        for listing in self._test.entry.list_users:
            yield from self._users(listing)

    def _check(self, entry: CheckEntry) -> Iterator[Verdict]:
        given = Given(self._test.tuples, entry.context)
        for user in entry.every_user:
            for object_ in entry.every_object:
                for relation, expected in entry.assertions.items():
                    check = Check(user, relation, object_)
                    found = self._found(lambda check=check: _word(self._store.check(check, given)))
                    yield self._verdict("check", f"{user} {relation} {object_}", _word(expected), found)

    def _objects(self, entry: ListObjectsEntry) -> Iterator[Verdict]:
        given = Given(self._test.tuples, entry.context)
        for relation, expected in entry.assertions.items():
            found = self._found(
                lambda relation=relation: _whole(self._store.list_objects(entry.user, relation, entry.type, given))
            )
            yield self._verdict("list_objects", f"{entry.user} {relation} {entry.type}", _names(expected), found)

    def _users(self, entry: ListUsersEntry) -> Iterator[Verdict]:
        given = Given(self._test.tuples, entry.context)
        (wanted,) = entry.user_filter
        kind = f"{wanted.type}#{wanted.relation}" if wanted.relation else wanted.type
        for relation, expected in entry.assertions.items():
            found = self._found(
                lambda relation=relation: _whole(self._store.list_users(entry.object, relation, kind, given))
            )
            yield self._verdict("list_users", f"{kind} {relation} {entry.object}", _names(expected.users), found)

    def _found(self, answer: Callable[[], str]) -> str | GatewayError:
        try:
            return answer()
        except GatewayError as exc:
            return exc

    def _verdict(self, kind: str, asked: str, expected: str, found: str | GatewayError) -> Verdict:
        name, error = self._test.entry.name or "test", isinstance(found, GatewayError)
        return Verdict(self._file, self._test.line, name, kind, asked, expected, str(found), error)


def _whole(listing: Listing) -> str:
    if listing.cut:
        raise OperatorError(listing.cut)
    return _names(listing.found)


def _word(answer: bool) -> str:
    return "true" if answer else "false"


def _names(names: Sequence[str]) -> str:
    """Lists have no order."""
    return json.dumps(sorted(set(names)), ensure_ascii=False)
