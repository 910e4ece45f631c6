"""Every metric there is, with its labels and what it means: a closed list. Pure.

Labels hold names of the catalog, ids of the store and words of ours, never what a request brought along.
`docs/operations.md` has the same table, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

PREFIX = "mcp_gateway_"
PROCESS = "process"
"""The label every metric of ours has besides its own: which process, by the address it listens at."""

Type: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Described:
    type: Type
    meaning: str
    labels: tuple[str, ...] = ()


def _counter(meaning: str, *labels: str) -> Described:
    return Described("counter", meaning, labels)


def _gauge(meaning: str, *labels: str) -> Described:
    return Described("gauge", meaning, labels)


def _histogram(meaning: str, *labels: str) -> Described:
    return Described("histogram", meaning, labels)


METRICS: dict[str, Described] = {
    # what is asked of the gateway
    "calls_total": _counter(
        "Requests about one tool, prompt or resource, by how they ended; `reason` says why one failed.",
        *("verb", "server", "tool", "risk", "outcome", "reason"),
    ),
    "call_gateway_seconds": _histogram(
        "The gateway's own share of such a request: all but the wait for the upstream.", "server", "tool"
    ),
    "call_upstream_seconds": _histogram(
        "From the request's leaving to the upstream's answer, the client's own answers included.", "server", "tool"
    ),
    "calls_by_risk_total": _counter("Calls that left for an upstream, by the risk of their tool.", "risk"),
    "agent_calls_total": _counter("Calls that left for an upstream, by agent and tool.", "agent", "server", "tool"),
    "first_use_timestamp_seconds": _gauge(
        "When an agent used a tool for the first time; the newest 100 of the last day.",
        *("agent", "server", "tool", "risk"),
    ),
    "decisions_total": _counter(
        "Decisions, one per request; `reason` is the first one, of a denial the first that denied.", "effect", "reason"
    ),
    "lists_total": _counter("Lists that were answered.", "verb"),
    "list_seconds": _histogram("How long a list took.", "verb"),
    "list_entries": _histogram("How many entries a list showed.", "verb"),
    "refused_total": _counter(
        "Requests refused before it was known what they are about; `uncounted_reason` under a flood.", "reason"
    ),
    "requests_in_flight": _gauge("Requests under way, event streams left out."),
    "requests_shed_total": _counter("Requests refused because there was more to do than the process can."),
    "streams_open": _gauge("Event streams to clients."),
    "sessions": _gauge("Sessions of the session era this process was asked about within ten minutes, about."),
    # people and clients
    "sign_ins_total": _counter(
        "Passwords given to the built-in login; `throttled` once for all that were not looked at.", "result"
    ),
    "client_registrations_total": _counter("Clients that registered, by themselves or by their document.", "kind"),
    "grants_total": _counter("Changes of grants, wherever they were made.", "change"),
    # the relationships
    "relationship_seconds": _histogram(
        "How long the relationship backend took to answer; kept answers are not asked again.", "question"
    ),
    "relationship_failures_total": _counter("Questions the relationship backend did not answer.", "question"),
    "relationship_revision": _gauge("The changelog's revision this process decides by."),
    "relationship_staleness_seconds": _gauge("How old what it decides by may be; 0 unless a replica answers."),
    "relationship_refusing": _gauge("1 while everything is denied because the relationships cannot be relied on."),
    # the servers behind
    "upstream_up": _gauge(
        "1 when the upstream answered last time it was looked at, and its circuit is closed.", "server"
    ),
    "upstream_circuit_open": _gauge("1 while calls are refused at once after repeated failures.", "server"),
    "upstream_connections": _gauge("Open connections to the upstream, idle ones included.", "server"),
    "upstream_info": _gauge("Always 1; the era the upstream was last found to speak.", "server", "era"),
    # the audit
    "audit_records_total": _counter("Records written.", "kind"),
    "audit_unread_total": _counter("Records that were written and could not be counted; a mistake of this program."),
    "audit_failures_total": _counter("Records that could not be written, and waits for the disk that failed.", "step"),
    "audit_sync_seconds": _histogram("How long the disk took to have what was written."),
    "audit_unsynced_seconds": _gauge("Age of the oldest record that is not known to be on the disk."),
    "audit_sink_waiting": _gauge("Records a sink has not had yet.", "sink"),
    "audit_sink_oldest_timestamp_seconds": _gauge(
        "When the oldest record was written that a sink has not had; missing when it has had all.", "sink"
    ),
    "audit_sink_failures": _gauge("How often in a row the sink took nothing.", "sink"),
    "audit_checkpoint_timestamp_seconds": _gauge("When the newest signed checkpoint was made; at first the start."),
    "audit_second_place_failing": _gauge("1 while checkpoints do not reach their second place.", "place"),
    "audit_damaged_writers": _gauge("Writers whose files no longer hold what was written."),
    # the process
    "loop_lag_seconds": _histogram("How much later than asked for the event loop came round, four times a second."),
    "process_info": _gauge("Always 1.", "version", "writer"),
}
