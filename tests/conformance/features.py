"""Which of the suite's scenarios show that a feature works between a client and an upstream. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.conformance.cells import TASKS
from tests.conformance.verdict import Check

_CONTENTS = ("simple-text", "image", "audio", "embedded-resource", "mixed-content", "error")
_SUBSCRIPTION = "server-stateless:sep-2575-server-"


@dataclass(frozen=True, slots=True)
class Feature:
    name: str
    legacy: tuple[str, ...] = ()
    """Scenarios, or single checks, of the set of 2025-11-25; none means the suite has none."""
    modern: tuple[str, ...] = ()
    """The same of 2026-07-28."""


def _both(name: str, *scenarios: str) -> Feature:
    return Feature(name, scenarios, scenarios)


FEATURES = (
    _both(
        "Tools, listed and called, with every kind of content", "tools-list", *(f"tools-call-{c}" for c in _CONTENTS)
    ),
    _both("JSON Schema 2020-12 as it was sent", "json-schema-2020-12"),
    _both("Progress", "tools-call-with-progress"),
    Feature("Log messages", ("logging-set-level", "tools-call-with-logging")),
    _both("Resources, text and binary", "resources-list", "resources-read-text", "resources-read-binary"),
    _both("Resource templates", "resources-templates-read"),
    Feature("The URI in the error of a missing resource", (), ("sep-2164-resource-not-found:sep-2164-data-uri",)),
    Feature(
        "Subscriptions",
        ("resources-subscribe", "resources-unsubscribe"),
        tuple(f"{_SUBSCRIPTION}{check}" for check in ("sends-subscription-ack", "tags-subscription-id")),
    ),
    Feature(
        "Changed lists, announced",
        (),
        tuple(f"{_SUBSCRIPTION}sends-{kind}-list-changed-on-subscription" for kind in ("tools", "prompts")),
    ),
    _both(
        "Prompts, with arguments, resources and images",
        "prompts-list",
        *(f"prompts-get-{kind}" for kind in ("simple", "with-args", "embedded-resource", "with-image")),
    ),
    _both("Completion", "completion-complete"),
    Feature(
        "Elicitation",
        ("tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums"),
        ("input-required-result-request-state", "input-required-result-multi-round"),
    ),
    Feature("Elicitation by a prompt", (), ("input-required-result-non-tool-request",)),
    Feature("Sampling", ("tools-call-sampling",), ("input-required-result-basic-sampling",)),
    Feature("Roots", (), ("input-required-result-basic-list-roots",)),
    Feature("Several questions at once", (), ("input-required-result-multiple-input-requests",)),
    Feature("The upstream's own keys of its questions", (), ("input-required-result-basic-elicitation",)),
    Feature("A changed state is refused", (), ("input-required-result-tampered-state",)),
    Feature(
        "A client that lacks a capability is told which",
        (),
        ("server-stateless:sep-2575-server-rejects-undeclared-capability",),
    ),
    Feature("Streams that are left and come back to", ("server-sse-polling",)),
)
TASKS_FEATURE = Feature("Tasks", (), TASKS)


def not_shown(legacy: Iterable[Check], modern: Iterable[Check]) -> tuple[str, ...]:
    """What FEATURES names and the control of its revision does not pass: a page that counts on it would lie."""
    passed = [
        {name for check in checks if check.status == "SUCCESS" for name in check.names} for checks in (legacy, modern)
    ]
    named = [
        {name for feature in FEATURES for name in feature.legacy},
        {name for feature in FEATURES for name in feature.modern},
    ]
    return tuple(sorted(name for names, known in zip(named, passed, strict=True) for name in names - known))
