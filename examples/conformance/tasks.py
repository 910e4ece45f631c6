"""The Tasks extension (io.modelcontextprotocol/tasks) of the fixtures: tools whose answer is fetched later.

No work is done in the background: what a task has become is a function of its age, its answers and
whether it was cancelled. Tasks live in this process until their time to live is over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import decode_header_value
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from examples.conformance import rounds

EXTENSION = "io.modelcontextprotocol/tasks"
_TIME_TO_LIVE = timedelta(minutes=10)
_POLL_MS = 200
_JOB_SECONDS = 1.0
_COMPLETE: dict[str, Any] = {"resultType": "complete"}
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(slots=True)
class Task:
    created: datetime
    due: datetime
    outcome: Mapping[str, Any]
    """`result` or `error`, as it will be told."""
    asks: dict[str, types.InputRequest] = field(default_factory=dict[str, types.InputRequest])
    """What is not answered yet."""
    cancelled: bool = False
    changed: datetime | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def status(self, now: datetime) -> str:
        if self.cancelled:
            return "cancelled"
        if self.asks:
            return "input_required"
        if now < self.due:
            return "working"
        return "failed" if "error" in self.outcome else "completed"

    def envelope(self, now: datetime) -> dict[str, Any]:
        settled = self.due if now >= self.due and not self.cancelled else self.created
        return {
            "taskId": self.id,
            "status": self.status(now),
            "createdAt": self.created.isoformat(),
            "lastUpdatedAt": max(settled, self.changed or settled).isoformat(),
            "ttlMs": _TIME_TO_LIVE // timedelta(milliseconds=1),
            "pollIntervalMs": _POLL_MS,
        }

    def details(self, now: datetime) -> dict[str, Any]:
        told = {**_COMPLETE, **self.envelope(now)}
        if told["status"] in {"completed", "failed"}:
            told |= self.outcome
        elif told["status"] == "input_required":
            told["inputRequests"] = {
                key: ask.model_dump(by_alias=True, mode="json", exclude_none=True) for key, ask in self.asks.items()
            }
        return told


def _said(words: str, *, wrong: bool = False) -> dict[str, Any]:
    answer = {**_COMPLETE, "content": [{"type": "text", "text": words}]}
    return {"result": {**answer, "isError": True} if wrong else answer}


class Tasks:
    """The task tools and `tasks/*` of one server."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    async def call(self, ctx: ServerRequestContext, given: types.CallToolRequestParams) -> Any:
        """One of TASK_TOOLS: a task where the client can follow one, else the answer or a refusal."""
        if given.name == "slow_compute":
            return await self._compute(ctx, given.arguments or {})
        _require(ctx)
        if given.name == "test_tool_with_task":
            return self._after_a_round(given)
        return self._create(_JOBS[given.name]())

    async def _compute(self, ctx: ServerRequestContext, arguments: Mapping[str, Any]) -> Any:
        seconds = float(arguments.get("seconds", 0))
        done = _said(f"Computed {arguments.get('label', 'something')} in {seconds:g} s.")
        if seconds > 0 and _declared(ctx):
            return self._create(_task(seconds, done))
        await anyio.sleep(seconds)
        return done["result"]

    def _after_a_round(self, given: types.CallToolRequestParams) -> Any:
        name = rounds.elicited(given, "user_name", "name")
        if name is None:
            return rounds.ask({"user_name": rounds.elicit("What is your name?", "name")}, state={"asked": "name"})
        rounds.unseal(given.request_state or "")
        return self._create(_task(_JOB_SECONDS, _said(f"Hello, {name}!")))

    def _create(self, task: Task) -> dict[str, Any]:
        now = datetime.now(UTC)
        self._tasks = {key: kept for key, kept in self._tasks.items() if kept.created + _TIME_TO_LIVE > now}
        self._tasks[task.id] = task
        return {"resultType": "task", **task.envelope(now)}

    async def get(self, ctx: ServerRequestContext, params: TaskParams) -> dict[str, Any]:
        return self._find(ctx, params.task_id).details(datetime.now(UTC))

    async def cancel(self, ctx: ServerRequestContext, params: TaskParams) -> dict[str, Any]:
        task, now = self._find(ctx, params.task_id), datetime.now(UTC)
        if task.status(now) in {"working", "input_required"}:
            task.cancelled, task.changed = True, now
        return _COMPLETE

    async def update(self, ctx: ServerRequestContext, params: UpdateParams) -> dict[str, Any]:
        """Answers nobody asked for are ignored; what stays open can be answered later."""
        task = self._find(ctx, params.task_id)
        if answered := task.asks.keys() & params.input_responses.keys():
            task.asks = {key: ask for key, ask in task.asks.items() if key not in answered}
            task.changed = datetime.now(UTC)
        return _COMPLETE

    def _find(self, ctx: ServerRequestContext, task_id: str) -> Task:
        _require(ctx)
        sent = ctx.request.headers.get("mcp-name") if ctx.request is not None else None
        if sent is not None and decode_header_value(sent) != task_id:
            raise MCPError(code=types.HEADER_MISMATCH, message="Mcp-Name is not params.taskId")
        if (task := self._tasks.get(task_id)) is None:
            raise MCPError(code=types.INVALID_PARAMS, message="Unknown task")
        return task


class TaskParams(types.RequestParams):
    task_id: str


class UpdateParams(TaskParams):
    input_responses: dict[str, Any]


def _task(seconds: float, outcome: Mapping[str, Any], *asks: str) -> Task:
    now = datetime.now(UTC)
    wanted: dict[str, types.InputRequest] = {
        f"{field}-{secrets.token_hex(4)}": rounds.elicit(f"Please enter: {field}", field, kind)
        for field, kind in (ask.split(":") for ask in asks)
    }
    return Task(now, now + timedelta(seconds=seconds), outcome, wanted)


_CRASHED = {"error": {"code": types.INTERNAL_ERROR, "message": "The job crashed"}}
_JOBS: dict[str, Callable[[], Task]] = {
    "failing_job": lambda: _task(_JOB_SECONDS, _said("The job failed", wrong=True)),
    "protocol_error_job": lambda: _task(_JOB_SECONDS, _CRASHED),
    "confirm_delete": lambda: _task(0, _said("Deleted"), "confirm:boolean"),
    "multi_input": lambda: _task(0, _said("Both answers arrived"), "name:string", "confirm:boolean"),
}
TASK_TOOLS: dict[str, dict[str, Any]] = {
    **dict.fromkeys((*_JOBS, "test_tool_with_task"), _NOTHING),
    "confirm_delete": {"type": "object", "properties": {"filename": {"type": "string"}}},
    "slow_compute": {
        "type": "object",
        "properties": {"seconds": {"type": "number", "minimum": 0}, "label": {"type": "string"}},
    },
}


def _declared(ctx: ServerRequestContext) -> bool:
    able = ctx.session.client_capabilities
    return (
        ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and able is not None and EXTENSION in (able.extensions or {})
    )


def _require(ctx: ServerRequestContext) -> None:
    if not _declared(ctx):
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This needs the Tasks extension",
            data={"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
        )


def serve(server: Server[Any], tasks: Tasks) -> None:
    """Advertise the extension and answer its methods."""
    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", TaskParams, tasks.get)
    server.add_request_handler("tasks/update", UpdateParams, tasks.update)
    server.add_request_handler("tasks/cancel", TaskParams, tasks.cancel)
