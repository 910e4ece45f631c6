"""The relationship backend in this process: OpenFGA's semantics over the store's tuples, kept by its changelog."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from anyio.lowlevel import checkpoint

from mcp_gateway.authorization.backends.embedded_lists import objects_that_hold
from mcp_gateway.authorization.engine import requests, users
from mcp_gateway.authorization.engine.alike import group_alike, nameless_types
from mcp_gateway.authorization.engine.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.expand import expand
from mcp_gateway.authorization.engine.listing import Listing
from mcp_gateway.authorization.engine.loading import Loader, collector_paused
from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.authorization.engine.overlay import ACTING, CONTEXTUAL, NOTHING, Overlay, overlay_of, reader
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.rows import places_of
from mcp_gateway.authorization.engine.tuples import EMPTY, Key, Renewal, Row, TupleIndex
from mcp_gateway.authorization.engine.witness import witness
from mcp_gateway.authorization.relationships import Answers, Held, InContext, Legs, Listed
from mcp_gateway.authorization.tree import Expansion
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.relationships import RelationshipTuple, read_all, tuple_of

_log = logging.getLogger(__name__)

_CHANGES_AT_ONCE = 500
"""Followed between two turns of the event loop."""
_NO_TYPES: frozenset[str] = frozenset()


class EmbeddedRelationships:
    """A `Relationships`. One event loop reads and follows; nothing here waits between looking and answering."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._program = compile_program(model)
        self._nameless = nameless_types(model)
        self._acting = places_of(model).get("agent", {}).get(CONTEXTUAL, 0)
        self._index = TupleIndex(model, tracked=self._program.tracked)
        self._revision = 0
        self._loaded = False

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def model_id(self) -> str:
        return self._model.model_id

    @property
    def refusal(self) -> str | None:
        if not self._loaded:
            return "relationship.unknown"
        return "relationship.in_context_stored" if self._index.stored_in_context else None

    @property
    def index(self) -> TupleIndex:
        """The tuples themselves, to look at."""
        return self._index

    def legs(self, object_type: str, relation: str) -> Legs | None:
        return self._model.legs(object_type, relation)

    async def load(self, database: Database) -> None:
        loader = Loader(self._model, self._program.tracked)
        with collector_paused(loader):
            revision = await read_all(database, loader.add)
            self._index.adopt(loader)
        self._revision, self._loaded = revision, True
        self._alarm()

    def replace(self, tuples: Iterable[RelationshipTuple], *, revision: int) -> None:
        """Forget everything and hold `tuples`, the store's content at `revision`."""
        self._index.load(tuples)
        self._revision, self._loaded = revision, True
        self._alarm()

    async def follow(self, changes: Sequence[Change]) -> None:
        # What `load` has read already comes again when the feed starts from further back.
        news = [change for change in changes if change.revision > self._revision]
        moved = [c for c in news if c.kind in {"tuple.written", "tuple.deleted"}]
        self._index.commit(await self._renewals(moved))
        self._revision = news[-1].revision if news else self._revision
        self._alarm()

    async def _renewals(self, moved: Sequence[Change]) -> list[Renewal]:
        """What `moved` comes to; while it is many, others decide by what was before."""
        changes: list[tuple[bool, RelationshipTuple]] = []
        for number, change in enumerate(moved, 1):
            changes.append((change.kind == "tuple.written", tuple_of(change.payload)))
            if number % _CHANGES_AT_ONCE == 0:
                await checkpoint()
        found: list[Renewal] = []
        for number, renewal in enumerate(self._index.renewals(changes), 1):
            found.append(renewal)
            if number % _CHANGES_AT_ONCE == 0:
                await checkpoint()
        return found

    def apply(self, changes: Iterable[tuple[bool, RelationshipTuple]]) -> None:
        """Count (written, tuple) changes that the store's changelog does not tell; the revision stays."""
        self._index.apply(changes)
        self._alarm()

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        # What has been followed is all there is, so an answer is always fresh.
        queries: dict[str, Query] = {}
        answers: dict[Check, bool] = {}
        at = Circumstances(now, {})
        overlay = self._overlay(in_context)
        user = in_context.user if in_context else None
        for check in checks:
            subject = check.subject
            query = queries.get(subject)
            try:
                if query is None:
                    kind = "user" if subject == user else None
                    query = Query(self._program, self._index, subject, at, overlay, kind=kind)
                    queries[subject] = query
                answers[check] = query.holds(check.relation, check.object)
            except Undecidable as exc:
                _log.warning("unanswered: %s %s %s: %s", check.subject, check.relation, check.object, exc)
        return Answers(answers, self._revision, self._model.model_id, at.valid_until)

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        at = Circumstances(now, {})
        query = self._query(subject, at, self._overlay(in_context))
        held: set[str] = set()
        # A subject like `ticket:1#viewer` names an object itself, so no other object is like that one.
        nameless = _NO_TYPES if "#" in subject else self._nameless
        for group in group_alike(objects, nameless, query.tables, query.laid):
            if self._certainly(query, relation, group[0]):
                held.update(group)
        in_order = tuple(object_ for object_ in objects if object_ in held)
        return Held(in_order, self._revision, self._model.model_id, at.valid_until)

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        query = self._query(check.subject, Circumstances(now, {}), self._overlay(in_context))
        try:
            return witness(self._model, query, check.object, check.relation)
        except Undecidable:
            return ()

    async def list_objects(
        self, subject: str, relation: str, object_type: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        requests.require_listing(self._model, subject, relation, object_type)
        at = Circumstances(now, {})
        listing = await objects_that_hold(
            lambda: self._query(subject, at, self._overlay(in_context)),
            relation,
            object_type,
            revision=lambda: self._revision,
            nameless=_NO_TYPES if "#" in subject else self._nameless,
            limit=limit,
        )
        return self._listed(listing, at)

    async def list_users(
        self, object_: str, relation: str, kind: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        requests.require_users(self._model, object_, relation, kind)
        at, overlay = Circumstances(now, {}), self._overlay(in_context)
        listing = users.list_users(
            self._model,
            reader(self._index.places, self._index.rows, overlay),
            at,
            object_,
            relation,
            kind,
            holds=lambda subject: self._query(subject, at, overlay).holds(relation, object_),
            limit=limit,
        )
        return self._listed(listing, at)

    async def expand(self, object_: str, relation: str, *, in_context: InContext | None) -> Expansion:
        requests.require_expansion(self._model, object_, relation)
        row = reader(self._index.places, self._index.rows, self._overlay(in_context))
        return expand(self._model, row, object_, relation)

    def _listed(self, listing: Listing, at: Circumstances) -> Listed:
        return Listed(listing.found, listing.cut, self._revision, self._model.model_id, at.valid_until)

    def _query(self, subject: str, at: Circumstances, overlay: Overlay) -> Query:
        return Query(self._program, self._index, subject, at, overlay)

    def _overlay(self, in_context: InContext | None) -> Overlay:
        """The contextual tuples: this request is this user through this agent, and what the token says of the user."""
        if in_context is None:
            return NOTHING
        user, agent, memberships = in_context
        if subject_kind(user) != "user" or subject_kind(agent) != "agent":
            raise Undecidable("a request is bound to one user and one agent")
        acting = Row({user: None}, EMPTY.usersets)
        if memberships:
            return self._claimed(user, memberships, {(agent, CONTEXTUAL): acting})
        stored = self._index.tables["agent"].get(agent)
        if stored is None:
            return self._claimed(user, (), {(agent, CONTEXTUAL): acting})
        place = self._acting
        return Overlay({agent: (*stored[:place], acting, *stored[place + 1 :])}, ACTING, (agent,))

    def _claimed(self, user: str, memberships: Iterable[tuple[str, str]], rows: dict[Key, Row]) -> Overlay:
        for relation, object_ in memberships:
            if self._model.objection(object_, relation, user, "") is not None:
                raise Undecidable("the token claims a membership the model does not know")
            # A row of the overlay hides the stored one, so it holds both.
            stored = self._index.rows.get((object_, relation), EMPTY)
            rows[object_, relation] = Row({**stored.direct, user: None}, stored.usersets)
        return overlay_of(self._index.places, self._index.tables, rows)

    def _certainly(self, query: Query, relation: str, object_: str) -> bool:
        try:
            return query.holds(relation, object_)
        except Undecidable as exc:
            _log.warning("unanswered: %s %s %s: %s", query.subject, relation, object_, exc)
            return False

    def _alarm(self) -> None:
        for user, agent in sorted(self._index.stored_in_context):
            _log.critical("everything is denied: a stored relationship says %s in_context %s; delete it", user, agent)
