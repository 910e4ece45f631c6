"""Everything `make bench` measures, started once: servers, gateways, the floor, peers. Idle, they cost next to nothing."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import targets
from bench.peers import PEERS, Peer
from bench.targets import ADMITS_ALL, Target
from tests.support.environments import Unavailable

DIRECT_SDK = "direct, SDK server"
DIRECT_BARE = "direct, bare server"
FLOOR = "same server and client, no checks"
OPEN = "gateway, no authorization -> bare server"
FULL = "gateway -> bare server"
FULL_SDK = "gateway -> SDK server"
FULL_EVENTS = "gateway -> bare server, event stream"
LEGACY = "gateway -> legacy server"
LEGACY_EVENTS = "gateway -> legacy server, event stream"
HOST = "gateway, durability host -> bare server"


class Stage:
    def __init__(self, stack: contextlib.ExitStack, server: str, *, peers: bool = True) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-")))
        start = stack.enter_context
        sdk, bare, many = (
            start(targets.upstream("sdk")),
            start(targets.upstream("bare")),
            start(targets.upstream("bare", tools=1000)),
        )
        kinds = ("bare-events", "legacy", "legacy-events")
        servers = {"sdk": sdk, "bare": bare, **{kind: start(targets.upstream(kind)) for kind in kinds}}
        full = start(
            targets.gateway(
                folder / "full",
                {name: (target, 10) for name, target in servers.items()},
                server=server,
                overload=ADMITS_ALL,
            )
        )
        one = {"bare": (bare, 10)}
        host = start(
            targets.gateway(folder / "host", one, server=server, overload=ADMITS_ALL, audit={"durability": "host"})
        )
        ungoverned = start(
            targets.gateway(folder / "open", one, module="bench.ungoverned", server=server, overload=ADMITS_ALL)
        )
        large = start(
            targets.gateway(folder / "large", {**one, "many": (many, 1000)}, server=server, overload=ADMITS_ALL)
        )
        self.few, self.many = full["bare"], large["bare"]
        self.list_few, self.list_many = full["bare"], large["many"]
        self.ours: Mapping[str, Target] = {
            DIRECT_SDK: sdk,
            DIRECT_BARE: bare,
            FLOOR: start(targets.floor(bare)),
            OPEN: ungoverned["bare"],
            FULL: full["bare"],
            FULL_SDK: full["sdk"],
            FULL_EVENTS: full["bare-events"],
            LEGACY: full["legacy"],
            LEGACY_EVENTS: full["legacy-events"],
            HOST: host["bare"],
        }
        self.peers: Mapping[str, tuple[Peer, Target]] = {
            row_of(peer): (peer, target) for peer in (PEERS if peers else ()) if (target := _started(stack, peer, sdk))
        }

    def calls(self) -> dict[str, Target]:
        """Every row, signed in anew: a token lives five minutes at most."""
        rows = {row: target.signed_in() for row, target in self.ours.items()}
        return rows | {row: target for row, (_, target) in self.peers.items()}


def row_of(peer: Peer) -> str:
    return f"{peer.name} {peer.version}"


def _started(stack: contextlib.ExitStack, peer: Peer, before: Target) -> Target | None:
    try:
        return stack.enter_context(peer.running(before))
    except Unavailable as exc:
        print(f"SKIPPED {row_of(peer)} ({peer.install}): {exc}", file=sys.stderr, flush=True)
        return None
