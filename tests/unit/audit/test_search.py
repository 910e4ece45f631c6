"""Records are found by words and fields, newest first, and every answer comes from the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.audit import Record, Trail, Wanted
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.audit.index import Index
from mcp_gateway.audit.search import search
from mcp_gateway.errors import OperatorError
from tests.unit.audit.own_trails import Written, decided, nobody

USERS = ("user:local/mira", "user:local/ana")


@pytest.fixture
def trail(tmp_path: Path) -> Written:
    return Written(tmp_path / "audit")


def index_of(trail: Written) -> Path:
    return trail.directory.parent / "index" / "audit.db"


def found(trail: Written, *words: str, wanted: Wanted | None = None) -> list[Record]:
    return list(search(trail.directory, index_of(trail), wanted or Wanted(), words=words, progress=nobody))


def moments(records: Sequence[Record]) -> list[float]:
    return [record["at"] for record in records]


def test_a_word_finds_what_holds_it_of_all_writers_newest_first(trail: Written) -> None:
    trail.put("a", decided(1), decided(4, tool="tool:wiki/page_get"))
    trail.put("b", decided(2, tool="tool:wiki/page_get"), decided(3))
    assert moments(found(trail, "wiki")) == [4, 2]
    assert moments(found(trail, "page_get")) == [4, 2]
    assert moments(found(trail, "pag*", "MIRA")) == [4, 2]
    assert moments(found(trail, "pag")) == []
    assert moments(found(trail, "T-391")) == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(user="user:local/ana"), [3, 2]),
        (Wanted(agent="agent:local/other"), [2]),
        (Wanted(tool="tool:wiki/get"), [1]),
        (Wanted(kind="login.failed"), [3]),
        (Wanted(effect="deny", since=1, until=2), [1]),
        (Wanted(code="agent.not_granted"), [2, 1]),
        (Wanted(resource="ticket:tickets/T-391"), [2, 1]),
        (Wanted(request="r-1"), [1]),
        (Wanted(since=2.5), [3]),
        (Wanted(), [3, 2, 1]),
    ],
)
def test_each_field_finds_what_has_it(trail: Written, wanted: Wanted, expected: list[float]) -> None:
    trail.put("a", decided(1, tool="tool:wiki/get"), decided(2, user="user:local/ana", agent="agent:local/other"))
    trail.put("a", {"kind": "login.failed", "at": 3, "actor": "user:local/ana", "named": {}})
    assert moments(found(trail, wanted=wanted)) == expected


def test_what_is_written_later_is_found_and_nothing_twice(trail: Written) -> None:
    trail.put("a", decided(1))
    assert moments(found(trail, "mira")) == [1]
    trail.put("a", decided(2))
    trail.put("a", decided(3), number=2)
    assert moments(found(trail, "mira")) == [3, 2, 1]
    assert moments(found(trail, "mira")) == [3, 2, 1]


def test_a_line_that_is_being_written_is_found_once_it_is_whole(trail: Written) -> None:
    path = trail.put("a", decided(1), decided(2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert moments(found(trail, "mira")) == [1]
    path.write_bytes(whole)
    assert moments(found(trail, "mira")) == [2, 1]


def test_records_of_one_moment_are_all_found(trail: Written) -> None:
    for number in range(5):
        trail.put(f"w{number}", *(decided(7) for _ in range(20)))
    assert len(found(trail, "mira")) == 100


def test_an_index_of_files_that_are_gone_or_that_broke_is_made_again(trail: Written) -> None:
    trail.put("a", decided(1))
    gone = trail.put("b", decided(2))
    assert len(found(trail, "mira")) == 2
    gone.unlink()
    assert moments(found(trail, "mira")) == [1]
    index_of(trail).write_bytes(b"no database" * 1000)
    assert moments(found(trail, "mira")) == [1]
    index_of(trail).unlink()
    assert moments(found(trail, "mira")) == [1]


def test_what_was_pruned_leaves_no_word_in_the_index(trail: Written) -> None:
    trail.put("a", decided(1))
    trail.put("b", decided(2, tool="tool:secretive/get")).unlink()
    trail.put("b", decided(2, tool="tool:secretive/get"))
    found(trail, "mira")
    assert b"secretive" in index_of(trail).read_bytes()
    (trail.directory / "b-000001.jsonl").unlink()
    found(trail, "mira")
    assert b"secretive" not in index_of(trail).read_bytes()


def test_a_line_that_is_not_what_was_indexed_is_no_answer(trail: Written) -> None:
    path = trail.put("a", decided(1))
    Index(trail.directory, index_of(trail)).refresh(nobody)
    path.write_bytes(path.read_bytes().replace(b"user:local/mira", b"user:local/evil"))
    assert found(trail, wanted=Wanted(user="user:local/mira")) == []
    path.write_bytes(b"x" * path.stat().st_size)
    assert found(trail, wanted=Wanted(user="user:local/mira")) == []


def test_no_sealed_value_is_in_the_index(trail: Written) -> None:
    sealed = Personal(trail.directory.parent / "people").sealed_for(USERS[0])("192.0.2.7")
    trail.put("a", {"kind": "login.failed", "at": 1, "actor": USERS[0], "named": {"address": sealed}})
    assert found(trail, sealed["sealed"].partition(".")[0]) == []
    assert moments(found(trail, "login.failed")) == [1]


def test_what_is_no_word_is_refused_and_the_language_of_the_index_means_nothing(trail: Written) -> None:
    trail.put("a", decided(1))
    with pytest.raises(OperatorError, match="no letter or digit"):
        found(trail, "***")
    assert found(trail, 'x" OR "mira') == []
    assert found(trail, "NEAR", "mira") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(data=st.data())
def test_the_index_finds_what_reading_everything_finds(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trail = Written(tmp_path_factory.mktemp("trail") / "audit")
    moment = st.integers(0, 5).map(float)
    for _ in range(data.draw(st.integers(1, 12))):
        record = decided(
            data.draw(moment), user=data.draw(st.sampled_from(USERS)), code=data.draw(st.sampled_from("ab"))
        )
        trail.put(data.draw(st.sampled_from(["v", "w"])), record)
    wanted = Wanted(
        user=data.draw(st.none() | st.sampled_from(USERS)),
        code=data.draw(st.none() | st.sampled_from("ab")),
        since=data.draw(st.none() | moment),
        until=data.draw(st.none() | moment),
    )
    told = {(record["writer"], record["seq"]) for record in found(trail, wanted=wanted)}
    assert told == {(record["writer"], record["seq"]) for record in Trail(trail.directory).newest(wanted)}
