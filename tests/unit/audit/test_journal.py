from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from mcp_gateway.audit import Journal, Record
from mcp_gateway.errors import (
    AccessDenied,
    AuthorizationUnavailable,
    InvalidArguments,
    LimitExceeded,
    OutcomeUnknown,
    UpstreamTimeout,
)
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.decision import Effect, Reason, deny
from mcp_gateway.model.tool import Risk
from tests.unit.audit.calls import (
    ALLOWED,
    ARGUMENTS,
    DENIED,
    JSONRPC_ERROR,
    MIRA,
    OK,
    TOOL_ERROR,
    answering,
    call,
    failing,
    nobody_listens,
    permit,
    request,
    tool,
    written,
)

pytestmark = pytest.mark.anyio


def whole_audit(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


RISKS = pytest.mark.parametrize("risk", list(Risk))


@RISKS
async def test_an_allowed_call_leaves_an_intent_and_an_outcome(tmp_path: Path, risk: Risk) -> None:
    async with Journal(tmp_path) as journal:
        assert await call(journal, risk=risk) is OK
        intent, outcome = written(tmp_path)
    assert (intent["kind"], intent["tool"], intent["risk"], intent["digest"]) == (
        "intent",
        "tool:tickets/get",
        risk,
        "d" * 64,
    )
    assert (intent["user"], intent["agent"], intent["token"]) == ("user:local/mira", "agent:local/docs", "jti-1")
    assert intent["questions"] == [
        ["user:local/mira", "can_call", "tool:tickets/get", True],
        ["user:local/mira", "can_read", "ticket:tickets/T-391", True],
    ]
    assert (intent["effect"], intent["model"], intent["revision"]) == ("allow", "m-1", 7)
    assert (outcome["kind"], outcome["outcome"], outcome["intent"]) == ("outcome", "ok", intent["seq"])
    assert outcome["latency_us"] >= outcome["upstream_us"] >= 0


async def test_the_intent_is_written_before_the_call_leaves(tmp_path: Path) -> None:
    seen: list[str] = []

    async def forward(permit: Permit, caller: Caller) -> Answer:
        seen.extend(record["kind"] for record in written(tmp_path))
        return OK

    async with Journal(tmp_path) as journal:
        await call(journal, forward)
    assert seen == ["intent"]


async def test_no_argument_value_is_ever_written(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        await call(journal)
        with pytest.raises(InvalidArguments):
            async with journal.entry(request(), "tools/call", MIRA, ARGUMENTS):
                raise InvalidArguments("/note", "maxLength")
    content = whole_audit(tmp_path)
    assert b"hunter2" not in content
    assert b"T-391" in content


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (OK, "ok", None),
        (TOOL_ERROR, "tool_error", "isError"),
        (JSONRPC_ERROR, "tool_error", "-32050"),
        (Answer(None, {"code": "\ud800"}, Era.MODERN), "tool_error", "invalid"),
        (Answer({"structuredContent": {"n": 10**30}}, None, Era.LEGACY), "ok", None),
    ],
)
async def test_the_outcome_says_what_the_upstream_answered(
    tmp_path: Path, answer: Answer, outcome: str, code: str | None
) -> None:
    async with Journal(tmp_path) as journal:
        await call(journal, answering(answer))
    assert (written(tmp_path)[-1]["outcome"], written(tmp_path)[-1]["code"]) == (outcome, code)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(UpstreamTimeout(), "timeout"), (OutcomeUnknown(), "unknown"), (RuntimeError("a fault"), "unknown")],
)
async def test_a_call_that_breaks_has_its_outcome_and_its_error_goes_on(
    tmp_path: Path, error: Exception, outcome: str
) -> None:
    async with Journal(tmp_path) as journal:
        with pytest.raises(type(error)):
            await call(journal, failing(error))
    assert [record.get("outcome") for record in written(tmp_path)] == [None, outcome]


async def test_a_denial_is_one_record_with_every_question(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        with pytest.raises(AccessDenied):
            async with journal.entry(request(), "tools/call", MIRA, ARGUMENTS) as entry:
                entry.tool, entry.decision = tool(), DENIED
                raise AccessDenied(DENIED, code="tool.unavailable")
    (record,) = written(tmp_path)
    assert (record["kind"], record["effect"], record["outcome"], record["code"]) == (
        "decision",
        "deny",
        "denied",
        "tool.unavailable",
    )
    assert record["reasons"] == [{"code": "agent.not_granted", "evidence": "agent:local/docs"}]
    assert record["questions"] == [["user:local/mira", "can_call", "tool:tickets/get", False]]
    assert record["arguments_bytes"] > 0


async def test_a_tool_that_does_not_exist_is_recorded_with_the_reason_it_was_refused_for(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        with pytest.raises(AccessDenied):
            async with journal.entry(request(), "tools/call", MIRA, {}) as entry:
                entry.note(name="no_such_tool")
                raise AccessDenied(deny(Reason("tool.unknown")), code="tool.unavailable")
    (record,) = written(tmp_path)
    assert (record["effect"], record["reasons"][0]["code"]) == ("deny", "tool.unknown")
    assert record["named"] == {"name": "no_such_tool"}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (LimitExceeded(), "refused"),
        (AuthorizationUnavailable(), "unavailable"),
        (RuntimeError("a fault"), "error"),
    ],
)
async def test_a_request_that_stops_before_it_leaves_is_recorded_as_not_allowed(
    tmp_path: Path, error: Exception, outcome: str
) -> None:
    async with Journal(tmp_path) as journal:
        with pytest.raises(type(error)):
            async with journal.entry(request(), "tools/call", MIRA, {}) as entry:
                entry.tool, entry.decision = tool(), ALLOWED
                raise error
    (record,) = written(tmp_path)
    assert (record["kind"], record["effect"], record["outcome"]) == ("decision", "deny", outcome)


@pytest.mark.parametrize(("risk", "outcome"), [(Risk.READ, "cancelled"), (Risk.WRITE, "unknown")])
async def test_a_cancelled_call_is_recorded_and_stays_cancelled(tmp_path: Path, risk: Risk, outcome: str) -> None:
    left = anyio.Event()

    async def forward(permit: Permit, caller: Caller) -> Answer:
        left.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with Journal(tmp_path) as journal:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:

                async def cancelled_call() -> None:
                    await call(journal, forward, risk=risk)
                    raise AssertionError("the cancellation was swallowed")

                tasks.start_soon(cancelled_call)
                await left.wait()
                tasks.cancel_scope.cancel()
        assert [record.get("outcome") for record in written(tmp_path)] == [None, outcome]


async def test_a_request_cancelled_before_it_leaves_is_recorded_once(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        with anyio.move_on_after(0) as scope:
            async with journal.entry(request(), "tools/call", MIRA, {}):
                await anyio.sleep_forever()
    assert scope.cancelled_caught
    (record,) = written(tmp_path)
    assert (record["kind"], record["outcome"]) == ("decision", "cancelled")


async def test_a_guard_that_refuses_the_answer_does_not_hide_that_the_call_was_made(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        with pytest.raises(RuntimeError):
            async with journal.entry(request(), "tools/call", MIRA, ARGUMENTS) as entry:
                await entry.recorded(answering(OK))(permit(), nobody_listens)
                raise RuntimeError("a guard with a fault")
    assert [record.get("outcome") for record in written(tmp_path)] == [None, "ok"]


async def test_a_list_is_one_record_with_count_and_digest(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        for names in ({"tool:a/1", "tool:a/2"}, {"tool:a/2", "tool:a/1"}, {"tool:a/1"}):
            async with journal.entry(request(), "tools/list", MIRA) as entry:
                entry.listed(tuple(names))
    first, second, third = written(tmp_path)
    assert (first["kind"], first["count"], third["count"]) == ("list", 2, 1)
    assert first["names"] == second["names"] != third["names"]


async def test_an_event_says_who_did_what(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        await journal.event("grant.added", "user:local/admin", grant="grant:1", servers=["tickets"])
        with pytest.raises(ValueError, match="not a kind of event"):
            await journal.event("outcome", "user:local/admin")
    (record,) = written(tmp_path)
    assert (record["kind"], record["actor"]) == ("grant.added", "user:local/admin")
    assert record["named"] == {"grant": "grant:1", "servers": ["tickets"]}


async def test_a_flood_of_strangers_is_summed_up(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal:
        for number in range(500):
            journal.refused(f"r-{number}", "token.invalid", audience="http://gw/mcp")
    records = written(tmp_path)
    assert len(records) < 100
    assert records[0]["code"] == "token.invalid"
    assert len(records) - 1 + records[-1]["named"]["dropped"] == 500


async def test_whoever_observes_sees_each_record_with_plain_values(tmp_path: Path) -> None:
    seen: list[Record] = []
    async with Journal(tmp_path, observe=seen.append) as journal:
        await call(journal)
    assert seen == [{name: value for name, value in record.items() if name != "hash"} for record in written(tmp_path)]
    assert seen[0]["effect"] == Effect.ALLOW.value


async def test_two_journals_share_a_directory(tmp_path: Path) -> None:
    async with Journal(tmp_path) as one, Journal(tmp_path) as other:
        await call(one, identifier="r-one")
        await call(other, identifier="r-other")
    assert one.writer_id != other.writer_id
    assert {record["writer"] for record in written(tmp_path)} == {one.writer_id, other.writer_id}
