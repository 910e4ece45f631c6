"""What a move between two places would do to the target, and that doing it makes them alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.administration.moving import difference
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

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
