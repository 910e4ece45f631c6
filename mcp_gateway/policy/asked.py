"""Run the `tests:` of a file: check, list_objects and list_users on the embedded engine, as OpenFGA answers them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.errors import GatewayError
from mcp_gateway.policy.entries import CheckEntry, ListObjectsEntry, ListUsersEntry
from mcp_gateway.policy.store import Store
from mcp_gateway.policy.suite import Suite, Test
from mcp_gateway.policy.verdict import Verdict


def verdicts(suite: Suite, model: Model) -> Iterator[Verdict]:
    """One for each assertion, in the order of the file."""
    for test in suite.tests:
        yield from _Runner(suite.path, test, model, suite.tuples).run()


class _Runner:
    """One test over one store."""

    def __init__(self, file: Path, test: Test, model: Model, stored: Sequence[Any]) -> None:
        self._file = file
        self._test = test
        self._model = model
        self._stored = stored

    def run(self) -> Iterator[Verdict]:
        try:
            store = Store(self._model, self._stored, contextual=self._test.tuples)
        except GatewayError as exc:
            yield self._verdict("file", "tuples", "", str(exc), error=True)
            return
        for check in self._test.entry.check:
            yield from self._check(store, check)
        for listing in self._test.entry.list_objects:
            yield from self._objects(store, listing)
        for listing in self._test.entry.list_users:
            yield from self._users(store, listing)

    def _check(self, store: Store, entry: CheckEntry) -> Iterator[Verdict]:
        for user in entry.every_user:
            for object_ in entry.every_object:
                for relation, expected in entry.assertions.items():
                    asked = f"{user} {relation} {object_}"
                    yield self._answer("check", asked, _word(expected), store.check, (user, relation, object_), entry)

    def _objects(self, store: Store, entry: ListObjectsEntry) -> Iterator[Verdict]:
        for relation, expected in entry.assertions.items():
            asked = f"{entry.user} {relation} {entry.type}"
            question = (entry.user, relation, entry.type)
            yield self._answer("list_objects", asked, _names(expected), store.list_objects, question, entry)

    def _users(self, store: Store, entry: ListUsersEntry) -> Iterator[Verdict]:
        (wanted,) = entry.user_filter
        kind = f"{wanted.type}#{wanted.relation}" if wanted.relation else wanted.type
        for relation, expected in entry.assertions.items():
            asked = f"{kind} {relation} {entry.object}"
            question = (entry.object, relation, kind)
            yield self._answer("list_users", asked, _names(expected.users), store.list_users, question, entry)

    def _answer(
        self, kind: str, asked: str, expected: str, ask: Any, question: tuple[str, str, str], entry: Any
    ) -> Verdict:
        context: Mapping[str, Any] = entry.context
        try:
            answer: bool | Sequence[str] = ask(*question, context=context)
        except GatewayError as exc:
            return self._verdict(kind, asked, expected, str(exc), error=True)
        return self._verdict(kind, asked, expected, _word(answer) if isinstance(answer, bool) else _names(answer))

    def _verdict(self, kind: str, asked: str, expected: str, found: str, *, error: bool = False) -> Verdict:
        name = self._test.entry.name or "test"
        return Verdict(self._file, self._test.line, name, kind, asked, expected, found, error)


def _word(answer: bool) -> str:
    return "true" if answer else "false"


def _names(names: Sequence[str]) -> str:
    """Lists have no order."""
    return json.dumps(sorted(set(names)), ensure_ascii=False)
