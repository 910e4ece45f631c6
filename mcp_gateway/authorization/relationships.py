"""What the authorization room asks of a relationship backend, whichever it is.

The embedded engine is one; a remote server is another. A backend answers questions; it
decides nothing. A question it leaves out is unanswered, and an unanswered question denies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mcp_gateway.authorization.tree import Expansion
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Change, Database


class InContext(NamedTuple):
    """What the verified token says of this request, and nothing else may: its contextual tuples."""

    user: str
    agent: str
    memberships: tuple[tuple[str, str], ...] = ()
    """(relation, object) the token's claims give the user, e.g. `("member", "group:okta/eng")`; never stored."""


class Legs(NamedTuple):
    """The relations whose intersection a governed relation is, by side."""

    user: tuple[str, ...]
    agent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of one batch, all read at one revision under one model."""

    answers: Mapping[Check, bool]
    revision: int
    model_id: str
    valid_until: float | None
    """Epoch seconds after which a condition may change an answer; None = until the next revision."""


@dataclass(frozen=True, slots=True)
class Held:
    """The objects, of those asked about, on which the subject has the relation, in the order asked."""

    objects: tuple[str, ...]
    revision: int
    model_id: str
    valid_until: float | None


@dataclass(frozen=True, slots=True)
class Listed:
    """Objects or subjects found by a search, sorted; for people, never to enforce by."""

    found: tuple[str, ...]
    cut: str
    """Why there may be more, as a sentence; empty when the list is whole."""
    revision: int
    model_id: str
    valid_until: float | None


class Relationships(Protocol):
    """One backend. Raises anything on failure; the façade turns that into AuthorizationUnavailable.

    A backend that waits for something sets its own deadline; the embedded one never waits. Decisions
    come from `answer` and `held` alone. `list_objects`, `list_users` and `expand` serve inspection and
    explanation: a backend may cut them short and then says so in `cut`; one that cannot tell whether a
    list is whole says that. What the model does not know is refused with RequestRefused.
    """

    @property
    def revision(self) -> int: ...

    @property
    def model_id(self) -> str: ...

    @property
    def refusal(self) -> str | None:
        """A reason code that denies everything as long as it stands, or None."""
        ...

    def legs(self, object_type: str, relation: str) -> Legs | None:
        """The sides of `object_type#relation`; None unless it intersects a user side with an agent side."""
        ...

    async def load(self, database: Database) -> None: ...

    async def follow(self, changes: Sequence[Change]) -> None: ...

    async def answer(
        self, checks: Sequence[Check], *, in_context: InContext | None, now: float, fresh: bool = False
    ) -> Answers:
        """`fresh`: every write acknowledged anywhere by now must count; a backend with caches goes round them."""
        ...

    async def held(
        self, subject: str, relation: str, objects: Sequence[str], *, in_context: InContext | None, now: float
    ) -> Held:
        """The same questions as `answer`, for one subject and relation on many objects."""
        ...

    async def witness(self, check: Check, *, in_context: InContext | None, now: float) -> tuple[str, ...]:
        """The tuples that make `check` true, for people; empty when it is false or the backend cannot tell."""
        ...

    async def list_objects(
        self, subject: str, relation: str, object_type: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        """At most `limit` objects of the type on which the subject has the relation."""
        ...

    async def list_users(
        self, object_: str, relation: str, kind: str, *, in_context: InContext | None, now: float, limit: int
    ) -> Listed:
        """At most `limit` subjects of a kind, `user` or `group#member`; `user:*` among them is everybody."""
        ...

    async def expand(self, object_: str, relation: str, *, in_context: InContext | None) -> Expansion:
        """The relation as its definition reads for this object, one step deep, conditions not looked at."""
        ...
