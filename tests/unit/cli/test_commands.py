"""Every command on a real data directory: what it answers, in words and in JSON, and its exit code."""

from __future__ import annotations

import io
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mcp_gateway.cli.exits import Exit
from mcp_gateway.cli.main import app, run
from tests.support.processes import free_port

ROOT = Path(__file__).resolve().parents[3]
SWITCH = ("disable", "enable")
PASSWORD = "correct horse battery"
ORIGIN = "http://127.0.0.1:18999"
TIME_SERVER = (
    "name: time\nowner: tester\ndescription: Time\ntransport: {type: stdio, command: [python, -m, mcp_server_time]}\n"
)


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Shell:
    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(["--config", str(self.folder / "gateway.yaml"), *arguments])
        captured = self.capsys.readouterr()
        return Said(code, captured.out, captured.err)

    def done(self, *arguments: str, stdin: str = "") -> Any:
        """The JSON answer of a command that succeeds."""
        said = self("--json", *arguments, stdin=stdin)
        assert said.code == Exit.DONE, said.err
        return said.json


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "registry").mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    settings = {
        "listen": ORIGIN.removeprefix("http://"),
        "data_dir": str(tmp_path / "data"),
        "registry": str(tmp_path / "registry"),
        "policies": str(ROOT / "policies"),
    }
    (tmp_path / "gateway.yaml").write_text(json.dumps(settings))
    return Shell(tmp_path, capsys, monkeypatch)


@pytest.fixture
def with_mira(shell: Shell) -> Shell:
    shell.done("user", "add", "mira", "--password-stdin", stdin=PASSWORD + "\n")
    return shell


@pytest.fixture
def with_time(shell: Shell) -> Shell:
    (shell.folder / "registry" / "time.yaml").write_text(TIME_SERVER)
    return shell


def commands() -> Iterator[tuple[str, ...]]:
    for name, command in getattr(get_command(app), "commands", {}).items():
        inner: dict[str, Any] = getattr(command, "commands", {})
        yield from ((name, sub) for sub in inner) if inner else [(name,)]


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_explains_itself_and_takes_the_shared_options(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == Exit.DONE
    out = capsys.readouterr().out
    for option in ("--config", "--data-dir", "--json"):
        assert option in out
    assert re.search(r"\n\n  [A-Z][^\n]{10,}", out), "it says what it does"


def test_the_commands_are_these() -> None:
    assert {" ".join(command) for command in commands()} == {
        "serve",
        "doctor",
        "setup",
        "reload",
        "explain",
        "token",
        *(f"server {verb}" for verb in ("add", "list", "show", "remove", "refresh", "approve", *SWITCH)),
        *(f"user {verb}" for verb in ("add", "list", "password", "remove", *SWITCH)),
        *(f"agent {verb}" for verb in ("add", "list", *SWITCH)),
        *(f"{kind} {verb}" for kind in ("tool", "prompt", "resource", "gateway") for verb in SWITCH),
        "disabled",
        *(f"{kind} {verb}" for kind in ("group", "role", "tenant") for verb in ("add-member", "remove-member", "list")),
        *(f"access {verb}" for verb in ("add", "remove", "list", "import")),
        *(f"grant {verb}" for verb in ("add", "list", "show", "extend", "revoke")),
        *(f"delegation {verb}" for verb in ("add", "list", "end")),
        *(f"policy {verb}" for verb in ("validate", "test", "diff", "plan", "observed")),
        *(f"relationships {verb}" for verb in ("status", "migrate", "publish")),
        *(f"audit {verb}" for verb in ("tail", "show", "verify", "prove", "key", "checkpoint")),
        *(
            f"audit {verb}"
            for verb in (
                "sinks",
                "export",
                "erase",
                "search",
                "replay",
                "prune",
            )
        ),
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nonsense",), Exit.USAGE, "No such command"),
        (("user", "add"), Exit.USAGE, "Missing argument"),
        (("audit", "tail", "-n", "x"), Exit.USAGE, "Invalid value"),
        (
            ("token", "--user", "mira", "--agent", "a", "--resource", f"{ORIGIN}/mcp", "--ttl", "301"),
            Exit.USAGE,
            "300",
        ),
        (("user", "add", "mira"), Exit.REFUSED, "--password-stdin"),
        (("user", "password", "nobody", "--password-stdin"), Exit.REFUSED, "no such user"),
        (("user", "remove", "nobody"), Exit.REFUSED, "no such user"),
        (("user", "password", "nobody"), Exit.REFUSED, "no such user"),
        (("user", "remove", "nobody", "--yes"), Exit.REFUSED, "no such user"),
        (("access", "add", "mira", "reader", "tickets"), Exit.REFUSED, "TYPE:NAME"),
        (("access", "add", "mira", "delegator", "agent:docs"), Exit.REFUSED, "delegation"),
        (("access", "add", "mira", "reader", "server:x", "--until", "soon"), Exit.REFUSED, "30d"),
        (("access", "import", "absent.yaml"), Exit.REFUSED, "absent.yaml: there is no such file"),
        (("grant", "add", "--agent", "a", "--on", "server:x"), Exit.USAGE, "--reason"),
        (
            ("grant", "add", "--agent", "a", "--on", "tool:x/y", "--access", "read", "--reason", "r"),
            Exit.REFUSED,
            "whole",
        ),
        (("grant", "add", "--agent", "", "--on", "server:x", "--reason", "r"), Exit.REFUSED, "no name"),
        (("grant", "revoke", "grant:none"), Exit.REFUSED, "no such grant"),
        (("agent", "add", "x", "--redirect-uri", "javascript:alert(1)"), Exit.REFUSED, "redirect URI"),
        (("server", "show", "absent"), Exit.REFUSED, "no registry file"),
        (("server", "remove", "absent", "--yes"), Exit.REFUSED, "no registry file"),
        (("server", "add", "x"), Exit.REFUSED, "--url"),
        (("server", "add", "X", "--url", "https://example.com/mcp"), Exit.REFUSED, "name"),
        (("server", "add", "x", "--url", "ftp://example.com"), Exit.REFUSED, "url"),
        (("server", "add", "x", "--url", "https://e.com/mcp", "--risk", "y=mild"), Exit.REFUSED, "mild"),
        (("server", "approve", "absent"), Exit.REFUSED, "nothing was discovered"),
        (("explain", "--user", "mira", "--agent", "a", "--tool", "x/y"), Exit.REFUSED, "no server has this tool"),
        (
            ("explain", "--user", "m", "--agent", "a", "--tool", "x/y", "--arguments", "[1]"),
            Exit.REFUSED,
            "JSON object",
        ),
        (("token", "--user", "nobody", "--agent", "a", "--resource", f"{ORIGIN}/mcp"), Exit.REFUSED, "no such user"),
        (("audit", "show", "none"), Exit.REFUSED, "mcp-gateway setup"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    shell: Shell, arguments: tuple[str, ...], code: Exit, said: str
) -> None:
    answer = shell(*arguments)
    assert answer.code == code
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_removing_a_user_without_anybody_to_ask_is_declined(shell: Shell) -> None:
    shell.done("user", "add", "mira", "--password-stdin", stdin=PASSWORD)
    said = shell("user", "remove", "mira")
    assert said.code == Exit.DECLINED
    assert "--yes" in said.err


def test_a_private_address_without_a_range_says_what_the_entry_needs(shell: Shell) -> None:
    said = shell("server", "add", "here", "--url", "http://127.0.0.1:9/mcp")
    assert said.code == Exit.UNAVAILABLE
    assert "needs a `network` range" in said.err


def test_access_of_a_stranger_is_given_and_said_to_be_a_stranger(shell: Shell) -> None:
    said = shell("access", "add", "mria", "reader", "server:absent")
    assert said.code == Exit.DONE
    assert "there is no user:local/mria yet" in said.err
    assert "no server absent was discovered yet" in said.err


def test_a_mistyped_data_directory_is_not_made(shell: Shell) -> None:
    said = shell("--data-dir", str(shell.folder / "typo"), "grant", "list")
    assert said.code == Exit.REFUSED
    assert "there is no data directory" in said.err
    assert not (shell.folder / "typo").exists()


def test_setup_shows_the_first_password_once(shell: Shell) -> None:
    first, second = shell.done("setup"), shell.done("setup")
    assert first["created"]
    assert len(first["password"]) >= 20
    assert (second["created"], second["password"]) == (False, None)
    assert oct((shell.folder / "data").stat().st_mode & 0o777) == "0o700"


def test_the_shared_options_mean_the_same_before_and_after_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    data = ["--data-dir", str(tmp_path / "data")]
    assert run([*data, "--json", "user", "list"]) == Exit.DONE
    before = capsys.readouterr().out
    assert run(["user", "list", *data, "--json"]) == Exit.DONE
    assert capsys.readouterr().out == before == "[]\n"


def test_the_operating_system_user_is_on_record(with_mira: Shell) -> None:
    record = with_mira.done("audit", "tail")[-1]
    assert (record["kind"], record["actor"]) == ("user.added", f"os:{pwd.getpwuid(os.getuid()).pw_name}")


def test_users_come_and_go(with_mira: Shell) -> None:
    shell = with_mira
    assert [row["id"] for row in shell.done("user", "list")] == ["user:local/mira"]
    shell.done("user", "password", "mira", "--password-stdin", stdin=PASSWORD + "2\n")
    shell.done("user", "remove", "mira", "--yes")
    assert shell.done("user", "list") == []
    assert PASSWORD not in json.dumps(shell.done("audit", "tail"))


def test_access_comes_and_goes(shell: Shell) -> None:
    triple = ("group:support", "reader", "server:tickets")
    assert shell.done("access", "add", *triple)["changed"]
    assert not shell.done("access", "add", *triple)["changed"]
    rows = shell.done("access", "list", "group:support")
    assert [(row["subject"], row["condition"]) for row in rows] == [("group:support#member", None)]
    assert shell.done("access", "remove", *triple)["changed"]
    assert shell.done("access", "list", "--on", "server:tickets") == []


def test_an_import_says_how_many(shell: Shell) -> None:
    file = str(ROOT / "examples" / "tickets" / "relationships.yaml")
    answer = shell.done("access", "import", file)
    assert answer["relationships"] == answer["new"] > 10
    assert shell.done("access", "import", file)["new"] == 0


def test_grants_come_and_go_and_ended_ones_are_listed_on_demand(with_mira: Shell) -> None:
    shell = with_mira
    reach = ("--on", "server:tickets", "--access", "write", "--for", "mira", "--until", "30d")
    grant = shell.done("grant", "add", "--agent", "docs", *reach, "--reason", "triage")["id"]
    [row] = shell.done("grant", "list", "--agent", "docs")
    assert row["id"] == grant
    assert row["targets"] == [{"relation": "agent_writer", "object": "server:tickets"}]
    assert (row["audience"], row["state"], row["reason"]) == ("user:local/mira", "active", "triage")
    assert shell.done("grant", "revoke", grant.removeprefix("grant:"))["changed"]
    assert shell.done("grant", "list") == []
    assert [row["state"] for row in shell.done("grant", "list", "--all")] == ["revoked"]


def test_a_grant_to_a_stranger_is_made_and_noted(shell: Shell) -> None:
    said = shell("grant", "add", "--agent", "dcos", "--on", "server:tikets", "--for", "mria", "--reason", "r")
    assert said.code == Exit.DONE
    for name in ("dcos", "tikets", "mria"):
        assert f"{name} " in said.err


def test_a_group_without_members_is_noted_where_it_is_named(shell: Shell) -> None:
    give = ("access", "add", "group:suport", "caller", "server:tickets")
    assert "nobody belongs to group:suport yet" in shell(*give).err
    assert "nobody" not in shell("access", "add", "group:okta/support", "caller", "server:tickets").err
    shell.done("group", "add-member", "suport", "mira")
    assert "nobody" not in shell(*give).err


def test_delegations_come_and_go(with_mira: Shell) -> None:
    pair = ("--user", "mira", "--agent", "docs")
    assert with_mira.done("delegation", "add", *pair)["changed"]
    assert [row["agent"] for row in with_mira.done("delegation", "list", "--user", "mira")] == ["agent:local/docs"]
    assert with_mira.done("delegation", "end", *pair)["changed"]
    assert with_mira.done("delegation", "list") == []


def test_an_agent_is_added_and_listed(shell: Shell) -> None:
    shell.done("agent", "add", "docs", "--redirect-uri", "http://127.0.0.1/callback", "--name", "Docs")
    [row] = shell.done("agent", "list")
    assert (row["id"], row["name"], row["kind"], row["state"]) == ("agent:local/docs", "Docs", "added", "active")


def test_a_server_is_added_reviewed_and_removed(shell: Shell) -> None:
    added = shell.done("server", "add", "time", "--risk", "convert_time=write", "--", "python", "-m", "mcp_server_time")
    assert added["approved"] == []
    assert {tool["name"]: (tool["state"], tool["risk"]) for tool in added["tools"]} == {
        "convert_time": ("pending", "write"),
        "get_current_time": ("pending", "destructive"),
    }
    assert shell.done("server", "approve", "time", "convert_time", "--yes")["approved"] == ["convert_time"]
    assert [(row["tools"], row["waiting"]) for row in shell.done("server", "list")] == [(2, 1)]
    assert set(shell.done("server", "refresh", "time")["unchanged"]) == {"convert_time", "get_current_time"}
    shown = shell.done("server", "show", "time")["tools"]
    assert [tool["state"] for tool in shown] == ["approved", "pending"]
    file = Path(shell.done("server", "remove", "time", "--yes")["file"])
    assert not file.exists()
    assert shell.done("server", "list") == []


def test_a_server_may_be_approved_at_once_with_its_own_hints(shell: Shell) -> None:
    added = shell.done("server", "add", "time", "--use-hints", "--yes", "--", "python", "-m", "mcp_server_time")
    assert set(added["approved"]) == {"convert_time", "get_current_time"}
    assert {(tool["state"], tool["risk"]) for tool in added["tools"]} == {("approved", "read")}
    assert "risk: read" in Path(added["file"]).read_text()


def test_approval_without_anybody_to_ask_is_declined(with_time: Shell) -> None:
    with_time.done("server", "refresh", "time")
    said = with_time("server", "approve", "time")
    assert said.code == Exit.DECLINED
    assert {tool["state"] for tool in with_time.done("server", "show", "time")["tools"]} == {"pending"}


def test_approving_a_tool_the_server_does_not_offer_names_the_tool(with_time: Shell) -> None:
    with_time.done("server", "refresh", "time")
    said = with_time("server", "approve", "time", "conver_time", "--yes")
    assert said.code == Exit.REFUSED
    assert "time does not offer conver_time" in said.err


def test_a_server_that_is_down_is_declared_and_unavailable(shell: Shell) -> None:
    said = shell("server", "add", "down", "--url", "http://127.0.0.1:9/mcp", "--network", "127.0.0.0/8")
    assert said.code == Exit.UNAVAILABLE
    assert "no connection to the upstream" in said.err
    assert (shell.folder / "registry" / "down.yaml").exists()
    assert shell.done("server", "show", "down")["last_error"] == "upstream.unavailable"


def test_explain_names_every_missing_side(with_time: Shell) -> None:
    with_time.done("server", "refresh", "time")
    with_time.done("server", "approve", "time", "--yes")
    question = ("explain", "--user", "mira", "--agent", "docs", "--tool", "time__get_current_time")
    denied = with_time.done(*question)
    assert not denied["allowed"]
    assert {reason["code"] for reason in denied["reasons"]} >= {"user.not_allowed"}
    with_time.done("access", "add", "mira", "caller", "server:time")
    with_time.done("delegation", "add", "--user", "mira", "--agent", "docs")
    with_time.done("grant", "add", "--agent", "docs", "--on", "tool:time/get_current_time", "--reason", "r")
    assert with_time.done(*question)["allowed"]
    assert with_time(*question).out.startswith("ALLOWED")
    scoped = with_time.done(*question, "--scope", "mcp:read")
    assert [reason["code"] for reason in scoped["reasons"]] == ["scope.insufficient"]


def test_policy_commands_refuse_what_is_not_there(shell: Shell) -> None:
    gone = str(shell.folder / "gone")
    (shell.folder / "empty").mkdir()
    for arguments, says in (
        (("policy", "validate", "--policy", gone), "there is no such folder"),
        (("policy", "test", gone), "no such file or folder"),
        (("policy", "test", str(shell.folder / "empty")), "there are no tests here"),
        (("policy", "diff"), "--policy FOLDER, --registry FOLDER, or both"),
        (("policy", "plan", "--policy", gone), "there is no such folder"),
        (("policy", "observed", "--since", "tomorrow"), "must be a duration"),
    ):
        said = shell(*arguments)
        assert said.code == Exit.REFUSED
        assert says in said.err


def test_policy_tests_end_with_a_summary_and_fail_with_the_exit_code(shell: Shell) -> None:
    told = shell.done("policy", "test", str(ROOT / "policies"), "--registry", str(ROOT / "registry"))
    assert (told["failures"], told["errors"]) == (0, 0)
    wrong = shell.folder / "wrong.fga.yaml"
    text = (ROOT / "policies/tests/gateway.fga.yaml").read_text()
    text = text.replace("../fga.mod", str(ROOT / "policies/fga.mod")).replace("can_call: true}", "can_call: false}", 1)
    wrong.write_text(text)
    said = shell("policy", "test", str(wrong))
    assert said.code == Exit.REFUSED
    *_, failed, summary = said.out.splitlines()
    assert "expected false, found true" in failed
    assert summary.startswith("Tests run: ") and "Failures: 1, Errors: 0" in summary


def test_explain_never_repeats_an_argument(with_time: Shell) -> None:
    said = with_time("explain", "--user", "m", "--agent", "a", "--tool", "x", "--arguments", '{"secret-value"')
    assert said.code == Exit.REFUSED
    assert "secret-value" not in said.err


@pytest.mark.parametrize("folder", ["registry", "policies"])
def test_reload_names_file_and_line_of_what_is_wrong(with_time: Shell, folder: str) -> None:
    assert with_time.done("reload") == {"valid": True, "servers": ["time"]}
    if folder == "registry":
        (with_time.folder / "registry" / "bad.yaml").write_text("name: bad\nowner: me\ncolour: red\n")
        expected = "registry/bad.yaml:"
    else:
        policies = with_time.folder / "policies"
        policies.mkdir()
        for name in ("fga.mod", "gateway.fga", "tickets.fga"):
            text = (ROOT / "policies" / name).read_text()
            (policies / name).write_text(text.replace("and available", "or available"))
        config = with_time.folder / "gateway.yaml"
        config.write_text(json.dumps({**json.loads(config.read_text()), "policies": str(policies)}))
        expected = "policies/gateway.fga:"
    said = with_time("reload")
    assert said.code == Exit.REFUSED
    assert expected in said.err


def test_a_token_carries_the_claims_of_a_sign_in_and_is_on_record(with_mira: Shell) -> None:
    resource = f"{ORIGIN}/mcp"
    said = with_mira("token", "--user", "mira", "--agent", "docs", "--resource", resource, "--ttl", "60")
    assert said.code == Exit.DONE
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", said.out)
    record = with_mira.done("audit", "tail", "--kind", "token.made")[-1]
    assert record["named"]["audience"] == resource
    assert record["named"]["user"] == "user:local/mira"
    assert said.out.strip() not in json.dumps(record)


@pytest.mark.parametrize("resource", ["https://elsewhere.example/mcp", f"{ORIGIN}/", f"{ORIGIN}/mcp/absent"])
def test_a_token_is_only_for_an_endpoint_of_ours(with_mira: Shell, resource: str) -> None:
    said = with_mira("token", "--user", "mira", "--agent", "docs", "--resource", resource)
    assert said.code == Exit.REFUSED
    assert said.out == ""


def test_the_audit_is_shown_and_verified_and_a_changed_one_is_noticed(with_mira: Shell) -> None:
    with_mira.done("access", "add", "mira", "reader", "server:x")
    assert "gave user:local/mira the relation reader on server:x" in with_mira("audit", "tail", "-n", "1").out
    checked = with_mira.done("audit", "verify")
    assert (checked["whole"], len(checked["writers"]), checked["findings"]) == (True, 2, [])
    file = sorted((with_mira.folder / "data" / "audit").iterdir())[0]
    file.write_bytes(
        file.read_bytes().replace(b'"user:local/mira"', b'"user:local/none"').replace(b'"mira"', b'"none"')
    )
    said = with_mira("audit", "verify")
    assert said.code == Exit.ALTERED
    assert "edited: writer" in said.out


def test_a_request_nobody_made_is_not_in_the_audit(with_mira: Shell) -> None:
    said = with_mira("audit", "show", "none")
    assert said.code == Exit.REFUSED
    assert "no record" in said.err


def test_the_audit_can_be_read_when_the_store_cannot(with_mira: Shell) -> None:
    (with_mira.folder / "data" / "gateway.db").write_bytes(b"not a database")
    assert [record["kind"] for record in with_mira.done("audit", "tail")] == ["user.added"]


def test_a_data_directory_open_to_others_is_refused(shell: Shell) -> None:
    shell.done("setup")
    (shell.folder / "data").chmod(0o755)
    said = shell("user", "list")
    assert said.code == Exit.REFUSED
    assert "chmod 700" in said.err


def test_a_wrong_setting_names_its_file_and_field(shell: Shell) -> None:
    (shell.folder / "gateway.yaml").write_text("listen: nowhere\n")
    said = shell("user", "list")
    assert said.code == Exit.REFUSED
    assert "gateway.yaml: listen" in said.err


def test_a_gateway_with_a_wrong_file_does_not_start_and_says_where(shell: Shell) -> None:
    (shell.folder / "registry" / "bad.yaml").write_text("name: bad\n")
    said = shell("serve", "--listen", f"127.0.0.1:{free_port()}")
    assert said.code == Exit.REFUSED
    assert "registry/bad.yaml:1" in said.err


def test_interrupting_a_command_is_no_failure(shell: Shell) -> None:
    shell.done("setup")
    command = [sys.executable, "-m", "mcp_gateway", "--config", str(shell.folder / "gateway.yaml")]
    with subprocess.Popen(
        [*command, "audit", "tail", "-f"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_interruptible,  # nothing runs beside it here
    ) as tail:
        try:
            assert tail.stdout is not None
            assert "set the gateway up" in tail.stdout.readline()
            tail.send_signal(signal.SIGINT)
            assert tail.wait(timeout=30) == Exit.INTERRUPTED
        finally:
            tail.kill()


def _interruptible() -> None:
    """What a shell starts in the background ignores the interrupt, and so does all that is started from there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_second_gateway_does_not_share_the_port(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        said = shell("serve", "--listen", listen)
    assert said.code == Exit.REFUSED
    assert listen in said.err


def test_as_a_process_it_answers_on_stdout_and_fails_on_stderr(shell: Shell) -> None:
    def process(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mcp_gateway", "--config", str(shell.folder / "gateway.yaml"), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    added = process("user", "add", "mira", "--password-stdin", "--json", stdin=PASSWORD + "\n")
    assert (added.returncode, json.loads(added.stdout)["id"], added.stderr) == (Exit.DONE, "user:local/mira", "")
    again = process("user", "add", "mira", "--password-stdin", stdin=PASSWORD + "\n")
    assert (again.returncode, again.stdout) == (Exit.REFUSED, "")
    assert again.stderr.splitlines() == [
        "error: mira: this user exists",
        "  try: mcp-gateway user password mira sets a new password",
    ]
