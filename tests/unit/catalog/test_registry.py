"""registry/*.yaml: read whole or not at all, and a mistake names its file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.catalog.registry import UpstreamEntry, load, load_file, render, upstream_of
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import HttpTransport, Kind, Mode, Risk

GOOD = """\
name: tickets
description: Tickets
owner: platform@example.com
transport: {type: http, url: "http://127.0.0.1:8101/mcp", network: [127.0.0.0/8]}
tools:
  ticket_get:
    risk: read
    resources: [{relation: can_read, type: ticket, pointer: /id}]
"""


def written(directory: Path, text: str, name: str = "tickets.yaml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_becomes_an_upstream(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    (upstream,) = load(tmp_path)
    assert isinstance(upstream.transport, HttpTransport)
    assert upstream.tools["ticket_get"].risk is Risk.READ
    assert upstream.tools["ticket_get"].resources[0].pointer == "/id"
    assert not upstream.trusted, "nothing is trusted unless it says so"
    assert upstream.default_risk is Risk.DESTRUCTIVE


@pytest.mark.parametrize(
    ("broken", "line", "says"),
    [
        (GOOD.replace("risk: read", "risk: harmless"), 7, "tools.ticket_get.risk"),
        (GOOD.replace("owner: platform@example.com\n", ""), 1, "owner"),
        (GOOD.replace("name: tickets", "name: Tick_ets"), 1, "name"),
        (GOOD + "trust: trusted\ntrust: review\n", 10, "stands twice"),
        (GOOD + "colour: blue\n", 9, "colour"),
        (GOOD.replace("pointer: /id", 'pointer: /id, template: "{/id}"'), 8, "exactly one"),
        (GOOD.replace("type: http", "type: carrier-pigeon"), 4, "transport"),
        (GOOD + "  : [\n", 9, ""),
    ],
)
def test_a_mistake_names_file_line_and_field(tmp_path: Path, broken: str, line: int, says: str) -> None:
    path = written(tmp_path, broken)
    with pytest.raises(OperatorError) as refused:
        load(tmp_path)
    assert f"{tmp_path.name}/{path.name}:{line}" in refused.value.where
    assert says in refused.value.problem


def test_two_files_cannot_claim_one_name(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, GOOD, "again.yaml")
    with pytest.raises(OperatorError, match="taken"):
        load(tmp_path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OperatorError, match=r"bad\.yaml"):
        load(tmp_path)


def test_what_is_written_reads_back_to_the_same_upstream(tmp_path: Path) -> None:
    upstream = load_file(written(tmp_path, GOOD))
    import yaml

    entry = UpstreamEntry.model_validate(yaml.safe_load(GOOD))
    assert load_file(written(tmp_path, render(entry), "again.yaml")) == upstream == upstream_of(entry)


def test_what_may_be_asked_for_is_said_by_the_entry_and_by_each_tool(tmp_path: Path) -> None:
    plain = load_file(written(tmp_path, GOOD))
    assert not plain.requestable
    assert not plain.tools["ticket_get"].requestable
    asked = load_file(written(tmp_path, GOOD + "requestable: true\n"))
    assert asked.requestable
    assert asked.tools["ticket_get"].requestable
    but_one = load_file(written(tmp_path, GOOD + "    requestable: false\nrequestable: true\n"))
    assert not but_one.tools["ticket_get"].requestable


NAMED = """\
prompts:
  summarise: {requestable: true}
resources:
  "notes://today": {mode: observe}
  "ticket://{id}{?part}":
    risk: write
    resources: [{type: ticket, pointer: /id}, {type: page, template: "{/uri}"}]
"""


def test_prompts_and_resources_are_named_beside_the_tools_and_read_unless_they_say_otherwise(tmp_path: Path) -> None:
    upstream = load_file(written(tmp_path, GOOD + NAMED))
    assert upstream.policy(Kind.PROMPT, "summarise").requestable
    assert upstream.policy(Kind.RESOURCE, "notes://today").mode is Mode.OBSERVE
    template = upstream.policy(Kind.TEMPLATE, "ticket://{id}{?part}")
    assert template.risk is Risk.WRITE
    assert [rule.pointer or rule.template for rule in template.resources] == ["/id", "{/uri}"]
    assert {upstream.policy(kind, "unnamed").risk for kind in Kind if kind is not Kind.TOOL} == {Risk.READ}
    assert upstream.policy(Kind.TOOL, "unnamed").risk is Risk.DESTRUCTIVE


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ('  "notes/today": {}\n', "not absolute"),
        ('  "notes://me@host/today": {}\n', "user information"),
        ('  "notes://{id:3}": {}\n', "prefix"),
        ('  "notes://{id}": {resources: [{type: note, pointer: /name}]}\n', "there is /id, /uri"),
        ('  "notes://today": {resources: [{type: note, template: "{/day}"}]}\n', "there is /uri"),
        ('  "notes://today": {colour: blue}\n', "colour"),
    ],
)
def test_a_mistake_about_a_resource_says_which(tmp_path: Path, broken: str, says: str) -> None:
    path = written(tmp_path, GOOD + "resources:\n" + broken)
    with pytest.raises(OperatorError, match="notes") as refused:
        load(tmp_path)
    assert says in refused.value.problem
    assert refused.value.where.startswith(f"{tmp_path.name}/{path.name}:")
    assert int(refused.value.where.rpartition(":")[2]) >= 9
