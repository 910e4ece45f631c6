"""Handles of tasks: sealed for one principal and endpoint, and refused like unknown ones by everybody else."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.ids import agent_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.transport.tasks import EXTENSION, Tasks, renamed, require_extension
from mcp_gateway.verbs import TaskRef

BEGAN = TaskRef("s", "compute", "", {"id": "T-1"})


def principal(user: str = "mira", audience: str = "http://gw/mcp") -> Principal:
    return Principal(user_id("local", user), agent_id("local", "docs"), frozenset(), audience, "t", 0)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.tasks = Tasks(Sealer([b"k" * 32], clock=lambda: self.now))

    def handed_out(self, ref: TaskRef = BEGAN, **more: Any) -> Any:
        result = {"resultType": "task", "taskId": "up-1", "status": "working", **more}
        return self.tasks.handed_out(result, principal(), ref)

    def find(self, handle: object, who: Principal | None = None) -> TaskRef:
        headers = {"mcp-name": handle} if isinstance(handle, str) else {}
        return self.tasks.find({"taskId": handle}, headers, who or principal())[1]

    def refusal(self, handle: object, who: Principal | None = None) -> str:
        with pytest.raises(BadRequest) as refused:
            self.find(handle, who)
        return refused.value.code


def test_a_client_gets_a_handle_and_never_the_upstreams_id() -> None:
    world = World()
    told = world.handed_out(pollIntervalMs=200)
    assert (told["status"], told["pollIntervalMs"]) == ("working", 200)
    assert told["taskId"] != "up-1"
    assert world.find(told["taskId"]) == TaskRef("s", "compute", "up-1", {"id": "T-1"})
    plain: dict[str, Any] = {"content": []}
    assert world.tasks.handed_out(plain, principal(), BEGAN) is plain


def test_a_foreign_altered_or_expired_handle_is_refused_like_an_unknown_one() -> None:
    world = World()
    handle = world.handed_out(ttlMs=60_000)["taskId"]
    assert world.refusal(handle, principal("noor")) == "task.unknown"
    assert world.refusal(handle, principal(audience="http://gw/mcp/s")) == "task.unknown"
    assert world.refusal(handle[:-2] + "AA") == "task.unknown"
    assert world.refusal("up-1") == "task.unknown"
    world.now = 61.0
    assert world.refusal(handle) == "task.unknown"
    assert world.refusal(7) == "request.malformed"


def test_a_header_that_names_another_task_is_refused() -> None:
    world = World()
    handle = world.handed_out()["taskId"]
    with pytest.raises(BadRequest) as refused:
        world.tasks.find({"taskId": handle}, {"mcp-name": "other"}, principal())
    assert refused.value.code == "request.header_mismatch"


def test_arguments_that_are_too_many_for_a_handle_are_left_out_and_not_guessed() -> None:
    world = World()
    handle = world.handed_out(TaskRef("s", "compute", "", {"text": "x" * 5_000}))["taskId"]
    assert world.find(handle).arguments is None


def test_what_an_upstream_says_of_a_task_carries_the_clients_handle() -> None:
    ref = TaskRef("s", "compute", "up-1", {})
    assert renamed({"taskId": "up-1", "status": "working"}, ref, "h") == {"taskId": "h", "status": "working"}
    assert renamed({"resultType": "complete"}, ref, "h") == {"resultType": "complete"}


@pytest.mark.parametrize("said", [{}, {"extensions": {}}, {"extensions": 3}])
def test_a_client_that_did_not_declare_the_extension_is_told_which_it_needs(said: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        require_extension(said)
    assert refused.value.code == "request.missing_capability"
    assert refused.value.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    require_extension({"extensions": {EXTENSION: {}}})
