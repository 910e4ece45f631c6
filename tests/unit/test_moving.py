"""What a move between two places would do to the target, and that doing it makes them alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.administration.moving import Moving, difference
from mcp_gateway.audit import Journal
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.relationships import Condition, RelationshipTuple, delete_tuple, write_tuple
from tests.support.backends import store
from tests.unit.authorization.world import MODEL, row

_rows = st.builds(
    RelationshipTuple,
    st.sampled_from(["group:a", "group:b"]),
    st.just("member"),
    st.sampled_from(["user:local/x", "user:local/y"]),
    st.sampled_from([None, Condition("grant_expiry", {"expires_at": "2030-01-01T00:00:00Z"})]),
)
_contents = st.lists(_rows, unique_by=lambda row: (row.object, row.subject))


@given(_contents, _contents)
def test_doing_what_it_says_makes_the_target_like_the_source(
    source: list[RelationshipTuple], target: list[RelationshipTuple]
) -> None:
    found = difference(source=source, target=target)
    after = set(target) - set(found.extra) - {before for before, _ in found.changed}
    after |= {*found.added, *(new for _, new in found.changed)}
    assert after == set(source)
    assert found.alike == len(set(source) & set(target))
    assert found.nothing == (set(source) <= set(target))


@given(_contents)
def test_what_is_alike_needs_nothing(rows: list[RelationshipTuple]) -> None:
    found = difference(source=rows, target=reversed(rows))
    assert (found.nothing, found.extra, found.alike) == (True, (), len(rows))


class Elsewhere:
    """A server's content; `meanwhile` happens while it is first read."""

    name = "elsewhere"

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self.held: set[RelationshipTuple] = set()
        self.told: list[int] = []
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def tuples(self) -> AsyncIterator[RelationshipTuple]:
        for one in sorted(self.held, key=repr):
            yield one
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        self.held = (self.held - set(deletes)) | set(writes)

    async def has_everything(self, revision: int) -> None:
        self.told.append(revision)


def _unseen(_done: int, _of: int) -> None:
    return


@pytest.mark.anyio
async def test_what_ends_while_it_is_moved_is_not_taken_for_moved(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    stays, ends = row("user:local/mira member group:eng"), row("user:local/omar member group:eng")
    async with store(tmp_path / "store") as (database, _), Journal(tmp_path / "audit") as journal:

        async def end() -> None:
            async with database.write("os:test") as transaction:
                await delete_tuple(transaction, ends)

        async with database.write("os:test") as transaction:
            for one in (stays, ends):
                await write_tuple(transaction, one)
        before = transaction.tuples_changed[-1]
        server, moving = Elsewhere(end), Moving(database, journal, MODEL)

        async def move() -> None:
            await moving.relationships_to_server(server, extra=None, actor="os:test", progress=_unseen)

        with pytest.raises(OperatorError, match="1 relationships differ"):
            await move()
        assert server.told == [], "the relay tells the server of the end"
        server.held.discard(ends)
        await move()
        assert server.held == {stays}
        assert server.told[-1] > before
