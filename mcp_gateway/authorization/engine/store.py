"""An OpenFGA store without a server: tuples written under a model, and every question of its API with its codes.

For policy tests, comparison and whoever wants OpenFGA's answers offline. The gateway's own
decisions come from `backends`; nothing here waits, persists or logs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from anyio.lowlevel import checkpoint

from mcp_gateway.authorization.engine import listing, requests, users, writes
from mcp_gateway.authorization.engine.codes import FgaCode, RequestRefused
from mcp_gateway.authorization.engine.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.engine.contextual import NOTHING_GIVEN, Given, held_by, laid_over
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.expand import expand
from mcp_gateway.authorization.engine.listing import Listing
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.engine.outcome import TooComplex
from mcp_gateway.authorization.engine.overlay import reader
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import EMPTY, Key, Row, TupleIndex, accepted_rule
from mcp_gateway.authorization.tree import Expansion
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import RelationshipTuple

_NOTHING: Set[Key] = frozenset()
_STREAMED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class BatchItem:
    correlation_id: str
    check: Check
    given: Given = NOTHING_GIVEN


class Store:
    """Mutated by one owner. Every refusal is a RequestRefused; a refused write changed nothing."""

    def __init__(self, model: Model, tuples: Iterable[RelationshipTuple] = ()) -> None:
        self._tuples = {writes.key_of(one): one for one in tuples}
        self.use(model)

    def use(self, model: Model) -> None:
        """Answer under `model` from now on; tuples it does not accept stay, and count for nothing."""
        self._model = model
        self._program = compile_program(model)
        self._ways = listing.ways_back(model)
        self._index = TupleIndex(model, tracked=self._program.tracked)
        self._index.load(self._tuples.values())
        self._held: dict[str, set[Key]] = {}
        for one in self._tuples.values():
            self._note(True, one)

    @property
    def tuples(self) -> tuple[RelationshipTuple, ...]:
        return tuple(self._tuples.values())

    def write(
        self,
        new: Sequence[RelationshipTuple] = (),
        *,
        delete: Sequence[RelationshipTuple] = (),
        on_duplicate: writes.Otherwise = "error",
        on_missing: writes.Otherwise = "error",
    ) -> None:
        changes = writes.changes_of(
            self._model, self._tuples, new, delete, on_duplicate=on_duplicate, on_missing=on_missing
        )
        for written, one in changes:
            if written:
                self._tuples[writes.key_of(one)] = one
            else:
                del self._tuples[writes.key_of(one)]
            self._note(written, one)
        self._index.apply(changes)

    def check(self, check: Check, given: Given = NOTHING_GIVEN) -> bool:
        requests.require_check(self._model, check)
        requests.require_contextual(self._model, given.contextual, conditions=FgaCode.INVALID_TUPLE)
        with _in_their_words():
            return self._query(check.subject, given).holds(check.relation, check.object)

    def leans(self, check: Check, given: Given = NOTHING_GIVEN) -> bool:
        """Whether a ring under a `but not` is why `check` is denied; OpenFGA's own answer then hangs on its timing."""
        requests.require_check(self._model, check)
        with _in_their_words():
            query = self._query(check.subject, given)
            return not query.holds(check.relation, check.object) and query.leaned

    def batch_check(self, items: Sequence[BatchItem]) -> dict[str, bool | RequestRefused]:
        """Correlation id -> an answer, or why this one has none."""
        requests.require_batch([item.correlation_id for item in items])
        return {item.correlation_id: self._answer(item) for item in items}

    def list_objects(
        self,
        subject: str,
        relation: str,
        object_type: str,
        given: Given = NOTHING_GIVEN,
        *,
        limit: int = listing.MAX_RESULTS,
    ) -> Listing:
        query, objects = self._candidates(subject, relation, object_type, given)
        with _in_their_words():
            return listing.those_that_hold(query, relation, objects, limit=limit)

    async def streamed_list_objects(
        self, subject: str, relation: str, object_type: str, given: Given = NOTHING_GIVEN
    ) -> AsyncIterator[str]:
        """The same one by one and without a limit; a refusal may come after the first objects."""
        query, objects = self._candidates(subject, relation, object_type, given)
        for number, object_ in enumerate(objects, 1):
            with _in_their_words():
                held = query.holds(relation, object_)
            if held:
                yield object_
            if number % _STREAMED_AT_ONCE == 0:
                await checkpoint()
                # What was written meanwhile counts from here on.
                query = self._query(subject, given)

    def list_users(
        self, object_: str, relation: str, kind: str, given: Given = NOTHING_GIVEN, *, limit: int = listing.MAX_RESULTS
    ) -> Listing:
        """`kind` is `user` or `group#member`; a `user:*` in the answer is everybody."""
        requests.require_contextual(self._model, given.contextual)
        requests.require_users(self._model, object_, relation, kind)
        requests.require_context(given.context)
        overlay = laid_over(self._model, self._index, given.contextual)
        at = Circumstances(None, given.context)
        with _in_their_words():
            return users.list_users(
                self._model,
                reader(self._index.places, self._index.rows, overlay),
                at,
                object_,
                relation,
                kind,
                holds=lambda subject: self._query(subject, given).holds(relation, object_),
                limit=limit,
            )

    def expand(self, object_: str, relation: str, contextual: Sequence[RelationshipTuple] = ()) -> Expansion:
        requests.require_expansion(self._model, object_, relation)
        requests.require_contextual(self._model, contextual)
        overlay = laid_over(self._model, self._index, contextual)
        return expand(self._model, reader(self._index.places, self._index.rows, overlay), object_, relation)

    def _answer(self, item: BatchItem) -> bool | RequestRefused:
        try:
            return self.check(item.check, item.given)
        except RequestRefused as exc:
            return exc

    def _candidates(self, subject: str, relation: str, object_type: str, given: Given) -> tuple[Query, list[str]]:
        requests.require_contextual(self._model, given.contextual)
        requests.require_listing(self._model, subject, relation, object_type)
        with _in_their_words():
            query = self._query(subject, given)
            written = _Written(self._held, held_by(given.contextual), query)
            return query, listing.candidates(self._ways, query, relation, object_type, written)

    def _note(self, written: bool, one: RelationshipTuple) -> None:
        """Keep the way from a subject to what is written for it."""
        keys = self._held.setdefault(one.subject, set())
        if not written:
            keys.discard((one.object, one.relation))
        elif not isinstance(accepted_rule(self._model, one), str):
            keys.add((one.object, one.relation))

    def _query(self, subject: str, given: Given) -> Query:
        requests.require_context(given.context)
        overlay = laid_over(self._model, self._index, given.contextual)
        return Query(self._program, self._index, subject, Circumstances(None, given.context), overlay)


class _Written(NamedTuple):
    """What is stored and what the request brought, seen from the subject."""

    stored: Mapping[str, Set[Key]]
    contextual: Mapping[str, Set[Key]]
    query: Query

    def held(self, subject: str) -> Set[Key]:
        return self.stored.get(subject, _NOTHING) | self.contextual.get(subject, _NOTHING)

    def row(self, key: Key) -> Row:
        return self.query.row(key) or EMPTY


@contextmanager
def _in_their_words() -> Generator[None]:
    try:
        yield
    except TooComplex as exc:
        raise RequestRefused(FgaCode.AUTHORIZATION_MODEL_RESOLUTION_TOO_COMPLEX, str(exc)) from exc
    except Undecidable as exc:
        raise RequestRefused(FgaCode.VALIDATION_ERROR, str(exc)) from exc
