"""Read `policies/tools.yaml`, `policies/rules.yaml` and `policies/rules/*.yaml` into a RuleBook: whole or not at all.

What names something that does not exist is refused: a rule that silently applied to nothing would
allow what it was written to deny. For the same reason a file that would not be read is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mcp_gateway import yaml_lines
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.rules.attributes import NEVER_AUDITED
from mcp_gateway.authorization.rules.book import Rule, RuleBook, ToolRequirements, When, matches
from mcp_gateway.authorization.rules.entries import (
    RuleEntry,
    RulesFile,
    ToolPoliciesFile,
    ToolPolicyEntry,
    related,
)
from mcp_gateway.authorization.rules.expression import compile_expression
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import ServerId, ToolId, item_id, server_id
from mcp_gateway.model.tool import Kind, Mode, Upstream

TOOLS_FILE = "tools.yaml"
RULES_FILE = "rules.yaml"
RULES_FOLDER = "rules"

_MAX_FILE_BYTES = 1_048_576
_REMEDY = "correct the line, then mcp-gateway reload"

Shape = TypeVar("Shape", bound=BaseModel)


def load_rules(
    directory: Path, *, model: Model, upstreams: Sequence[Upstream] = (), mode: Mode = Mode.ENFORCE
) -> RuleBook:
    """The book in `directory`, empty when there are no such files; raises OperatorError for the first mistake.

    Without `upstreams` the names of servers and tools are not looked up.
    """
    reader = _Reader(directory, model, upstreams)
    book = reader.book(mode)
    if reader.problems:
        raise reader.problems[0]
    return book


def rule_problems(directory: Path, *, model: Model, upstreams: Sequence[Upstream] = ()) -> Sequence[OperatorError]:
    """Every mistake, each naming its file and line."""
    reader = _Reader(directory, model, upstreams)
    reader.book(Mode.ENFORCE)
    return reader.problems


class _Reader:
    def __init__(self, directory: Path, model: Model, upstreams: Sequence[Upstream]) -> None:
        self.problems: list[OperatorError] = []
        self._directory = directory
        self._model = model
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        self._digest = hashlib.sha256()
        self._rules: dict[str, Rule] = {}
        self._policies: dict[ServerId | ToolId, ToolRequirements] = {}

    def book(self, mode: Mode) -> RuleBook:
        self._refuse_strays()
        path = self._directory / TOOLS_FILE
        if path.is_file():
            self._read_policies(path)
        for path in self._rule_files():
            self._read_rules(path)
        return RuleBook(tuple(self._rules.values()), self._policies, mode=mode, book_id=self._digest.hexdigest())

    def _rule_files(self) -> Iterator[Path]:
        path = self._directory / RULES_FILE
        if path.is_file():
            yield path
        yield from sorted((self._directory / RULES_FOLDER).glob("*.yaml"))

    def _refuse_strays(self) -> None:
        strays = [self._directory / f"{name}.yml" for name in ("tools", "rules")]
        strays = [path for path in strays if path.exists()]
        strays += [
            path
            for path in sorted((self._directory / RULES_FOLDER).glob("*"))
            if not path.name.startswith(".") and (path.suffix != ".yaml" or not path.is_file())
        ]
        for path in strays:
            self._problem("nothing reads this; rules are files named *.yaml", self._name(path))

    def _read_policies(self, path: Path) -> None:
        read = self._file(path, ToolPoliciesFile)
        if read is None:
            return
        file, node, where = read
        for server, policy in file.root.items():
            line = f"{where}:{yaml_lines.line_of(node, (server,))}"
            if self._upstreams and server not in self._upstreams:
                self._problem(f"the registry has no server `{server}`", line)
            self._policy(server_id(server), policy, line)
            for member, kind, name, entry in policy.items():
                line = f"{where}:{yaml_lines.line_of(node, (server, member, name))}"
                self._check_name(server, kind, name, line)
                self._policy(item_id(kind, server, name), entry, line)

    def _policy(self, about: ServerId | ToolId, entry: ToolPolicyEntry, where: str) -> None:
        roles = tuple(related(text) for text in entry.roles)
        for relation, object_ in roles:
            self._check_relation(relation, object_, where)
        self._policies[about] = ToolRequirements(entry.classification, tuple(entry.scopes), roles)

    def _check_name(self, server: str, kind: Kind, name: str, where: str) -> None:
        upstream = self._upstreams.get(server)
        if upstream is not None and name not in _names(upstream, kind):
            self._problem(f"registry/{server}.yaml names no {kind} `{name}`", where)

    def _read_rules(self, path: Path) -> None:
        read = self._file(path, RulesFile)
        if read is None:
            return
        file, node, where = read
        for position, entry in enumerate(file.rules):
            lines = {
                field: f"{where}:{yaml_lines.line_of(node, ('rules', position, field))}"
                for field in ("id", "when", "require", "relations", "audit")
            }
            try:
                self._rule(entry, lines)
            except OperatorError as exc:
                self.problems.append(exc)

    def _rule(self, entry: RuleEntry, lines: Mapping[str, str]) -> None:
        if entry.id in self._rules:
            known = self._rules[entry.id].where
            raise OperatorError(f"the id `{entry.id}` is taken at {known}", where=lines["id"], remedy=_REMEDY)
        self._check_when(entry, lines["when"])
        relations = {f"relations.{name}": related(text) for name, text in entry.relations.items()}
        for relation, object_ in relations.values():
            self._check_relation(relation, object_, lines["relations"])
        require = compile_expression(entry.require, relations=frozenset(relations), where=lines["require"])
        for name in relations.keys() - require.reads:
            raise OperatorError(f"the expression does not read `{name}`", where=lines["relations"], remedy=_REMEDY)
        for name in entry.audit:
            if name not in require.reads or name in NEVER_AUDITED:
                problem = f"`{name}` cannot go on record: the expression does not read it, or it may be secret"
                raise OperatorError(problem, where=lines["audit"], remedy=_REMEDY)
        when = When(
            tuple(entry.when.servers),
            tuple(entry.when.tools),
            tuple(entry.when.prompts),
            tuple(entry.when.resources),
            frozenset(entry.when.risks),
            frozenset(entry.when.classifications),
        )
        self._rules[entry.id] = Rule(
            entry.id, entry.description, when, require, relations, entry.mode, tuple(entry.audit), lines["id"]
        )

    def _check_when(self, entry: RuleEntry, where: str) -> None:
        given = {policy.classification for policy in self._policies.values()}
        for label in entry.when.classifications:
            if label not in given:
                raise OperatorError(f"{TOOLS_FILE} classifies nothing as `{label}`", where=where, remedy=_REMEDY)
        if not self._upstreams:
            return
        servers = list(self._upstreams.values())
        for glob in entry.when.servers:
            if not any(matches(glob, server.name) for server in servers):
                raise OperatorError(f"the registry has no server `{glob}`", where=where, remedy=_REMEDY)
        if entry.when.servers:
            servers = [s for s in servers if any(matches(glob, s.name) for glob in entry.when.servers)]
        for kind, globs in (
            (Kind.TOOL, entry.when.tools),
            (Kind.PROMPT, entry.when.prompts),
            (Kind.RESOURCE, entry.when.resources),
        ):
            known = {name for server in servers for name in _names(server, kind)}
            for glob in globs:
                # What a pattern matches may be discovered later; a plain name must be known.
                if not any(matches(glob, name) for name in known) and not {*"*?"} & {*glob}:
                    raise OperatorError(f"the registry names no {kind} `{glob}` there", where=where, remedy=_REMEDY)

    def _check_relation(self, relation: str, object_: str, where: str) -> None:
        kind = object_.partition(":")[0]
        if relation == "in_context" or relation not in self._model.relations.get(kind, {}):
            self._problem(f"the model has no relation `{kind}#{relation}` to ask for", where)

    def _file(self, path: Path, shape: type[Shape]) -> tuple[Shape, yaml.Node | None, str] | None:
        """What a file says and where it stands; None when that is already a problem."""
        where = self._name(path)
        try:
            text = _text(path, where)
            self._digest.update(f"{where}\0{len(text)}\0{text}".encode())
            value, node = yaml_lines.parse(text, where=where)
        except OperatorError as exc:
            self.problems.append(exc)
            return None
        try:
            return shape.model_validate({} if value is None and shape is ToolPoliciesFile else value), node, where
        except ValidationError as exc:
            self.problems += [_of_field(error, node, where) for error in exc.errors(include_url=False)]
            return None

    def _problem(self, sentence: str, where: str) -> None:
        self.problems.append(OperatorError(sentence, where=where, remedy=_REMEDY))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._directory.parent))


def _names(upstream: Upstream, kind: Kind) -> Collection[str]:
    """What the registry names of a kind."""
    return {Kind.TOOL: upstream.tools, Kind.PROMPT: upstream.prompts}.get(kind, upstream.resources)


def _text(path: Path, where: str) -> str:
    try:
        data = path.read_bytes()
        if len(data) > _MAX_FILE_BYTES:
            raise OperatorError(f"is larger than {_MAX_FILE_BYTES} bytes", where=where)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as UTF-8 text", where=where) from exc


def _of_field(error: Any, node: yaml.Node | None, where: str) -> OperatorError:
    field = ".".join(str(step) for step in error["loc"]) or "file"
    said = str(error["msg"]).removeprefix("Value error, ")
    return OperatorError(f"{field}: {said}", where=f"{where}:{yaml_lines.line_of(node, error['loc'])}", remedy=_REMEDY)
