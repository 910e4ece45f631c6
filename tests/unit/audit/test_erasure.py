"""Values of people are readable as long as their key is there, and by nothing afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.audit.erasure import MAX_BYTES, Personal
from mcp_gateway.errors import AuditUnavailable, OperatorError

MIRA, ANA = "user:local/mira", "user:local/ana"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return tmp_path / "people"


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_sealed_value_is_read_back_and_stands_nowhere_in_the_clear(people: Path) -> None:
    sealed = Personal(people).sealed_for(MIRA)("Ward 7, bed 2")
    record: dict[str, Any] = {"kind": "intent", "recorded": {"/place": sealed}, "many": [sealed]}
    assert "Ward" not in json.dumps(record)
    opened = Personal(people).opened(record)
    assert opened == {"kind": "intent", "recorded": {"/place": "Ward 7, bed 2"}, "many": ["Ward 7, bed 2"]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(value=JSON_VALUES.filter(lambda value: not (isinstance(value, dict) and set(value) == {"sealed"})))
def test_any_value_that_is_json_comes_back_as_it_was(people: Path, value: object) -> None:
    personal = Personal(people)
    assert personal.opened({"value": personal.sealed_for(MIRA)(value)}) == {"value": value}


def test_an_erased_person_cannot_be_read_and_everybody_else_can(people: Path) -> None:
    personal = Personal(people)
    hers, anas = personal.sealed_for(MIRA)("hers"), personal.sealed_for(ANA)("ana's")
    assert personal.erase(MIRA)
    for reader in (personal, Personal(people)):
        opened = reader.opened({"a": hers, "b": anas})
        assert set(opened["a"]) == {"erased"}
        assert opened["b"] == "ana's"
    assert not personal.erase(MIRA)


def test_an_older_copy_of_the_keys_file_opens_nothing_after_an_erasure(people: Path) -> None:
    personal = Personal(people)
    hers = personal.sealed_for(MIRA)("hers")
    personal.sealed_for(ANA)
    copy = (people / "people.jsonl").read_bytes()
    personal.erase(MIRA)
    (people / "people.jsonl").write_bytes(copy)
    with pytest.raises(OperatorError, match="a person's key cannot be read"):
        Personal(people).opened({"a": hers})


def test_who_acts_again_after_an_erasure_gets_a_key_that_opens_nothing_of_before(people: Path) -> None:
    personal = Personal(people)
    before = personal.sealed_for(MIRA)("before")
    personal.erase(MIRA)
    after = personal.sealed_for(MIRA)("after")
    opened = Personal(people).opened({"before": before, "after": after})
    assert (set(opened["before"]), opened["after"]) == ({"erased"}, "after")


def test_another_process_stops_using_a_destroyed_key_within_a_second(people: Path) -> None:
    now = 0.0
    server = Personal(people, clock=lambda: now)
    first = server.sealed_for(MIRA)("one")["sealed"].partition(".")[0]
    Personal(people).erase(MIRA)
    now = 1.1
    second = server.sealed_for(MIRA)("two")
    assert second["sealed"].partition(".")[0] != first
    assert Personal(people).opened({"a": second}) == {"a": "two"}


def test_two_processes_make_one_key_for_a_person(people: Path) -> None:
    first, second = Personal(people), Personal(people)
    first.sealed_for(ANA)
    second.sealed_for(ANA)
    ids = {one.sealed_for(MIRA)("x")["sealed"].partition(".")[0] for one in (first, second)}
    assert len(ids) == 1


def test_readers_beside_erasures_find_every_key_that_is_left(people: Path) -> None:
    writer = Personal(people)
    anas = writer.sealed_for(ANA)("ana's")
    problems: list[object] = []
    done = Event()

    def read() -> None:
        while not done.is_set():
            try:
                opened = Personal(people).opened({"a": anas})["a"]
            except OperatorError as exc:
                opened = str(exc)
            if opened != "ana's":
                problems.append(opened)

    readers = [Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(100):
            writer.sealed_for(MIRA)
            writer.erase(MIRA)
    finally:
        done.set()
    for reader in readers:
        reader.join(30)
    assert problems == []


def test_an_erasure_that_was_cut_off_before_the_old_wrapping_went_is_finished_by_the_next(people: Path) -> None:
    personal = Personal(people)
    personal.sealed_for(MIRA)
    anas = personal.sealed_for(ANA)("ana's")
    (people / "installation-00000000.key").write_bytes(b"x" * 32)
    assert personal.erase(MIRA)
    assert len(list(people.glob("installation-*.key"))) == 1
    assert Personal(people).opened({"a": anas}) == {"a": "ana's"}


def test_a_key_that_cannot_be_kept_refuses_the_call(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("not a folder")
    with pytest.raises(AuditUnavailable):
        Personal(tmp_path / "people").sealed_for(MIRA)


def test_what_was_sealed_by_nobody_or_for_somebody_else_is_not_opened(people: Path) -> None:
    personal = Personal(people)
    hers, anas = personal.sealed_for(MIRA)("hers")["sealed"], personal.sealed_for(ANA)("ana's")["sealed"]
    mixed = hers.partition(".")[0] + "." + anas.partition(".")[2]
    opened = personal.opened(
        {"a": {"sealed": mixed}, "b": {"sealed": "??"}, "c": {"sealed": f"{hers[:16]}.not base64"}}
    )
    assert [next(iter(opened[name])) for name in "abc"] == ["unreadable", "erased", "unreadable"]


def test_a_long_value_is_cut(people: Path) -> None:
    personal = Personal(people)
    opened = personal.opened({"value": personal.sealed_for(MIRA)("ä" * MAX_BYTES)})
    assert opened["value"].endswith("…")
    assert len(opened["value"].encode()) <= MAX_BYTES + 3


def test_only_what_is_personal_in_an_event_is_sealed(people: Path) -> None:
    personal = Personal(people)
    named = personal.of_event(MIRA, {"address": "192.0.2.7", "reason": "user.disabled"})
    assert (set(named["address"]), named["reason"]) == ({"sealed"}, "user.disabled")
    assert personal.of_event(MIRA, {"object": "server:a"}) == {"object": "server:a"}
    assert b"192.0.2.7" not in everything(people)
