"""Everything that is wrong with the declared files: the model, the rules, the registry, their fit, the tests. Reads only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from mcp_gateway import yaml_lines
from mcp_gateway.authorization import Model
from mcp_gateway.authorization.rules import rule_problems
from mcp_gateway.catalog import registry
from mcp_gateway.catalog.registry import UpstreamEntry
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import ToolPolicy, Upstream
from mcp_gateway.policy import suite
from mcp_gateway.policy.models import load_any, model_advice, model_problems
from mcp_gateway.policy.problems import Invalid, Problem, of_error, of_validation


@dataclass(frozen=True, slots=True)
class Found:
    problems: tuple[Problem, ...]
    """In the order of files and lines."""
    warnings: tuple[Problem, ...]
    """What is taken all the same."""
    files: int
    """How many were looked at."""

    def as_dict(self) -> dict[str, object]:
        return {
            "files": self.files,
            "problems": [problem.as_dict() for problem in self.problems],
            "warnings": [warning.as_dict() for warning in self.warnings],
        }


def registry_problems(directory: Path) -> tuple[list[Problem], dict[str, Upstream], int]:
    """Each problem of each file, the entries that are right, and how many files there are."""
    if not directory.is_dir():
        return [Problem(str(directory), 0, 0, "the registry directory does not exist")], {}, 0
    problems: list[Problem] = []
    upstreams: dict[str, Upstream] = {}
    paths = sorted(directory.glob("*.yaml"))
    for path in paths:
        try:
            upstream = _entry(path)
        except Invalid as exc:
            problems += exc.problems
            continue
        if upstream.name in upstreams:
            problems.append(Problem(str(path), 1, 1, f"the name {upstream.name!r} is taken by another file"))
        upstreams[upstream.name] = upstream
    return problems, upstreams, len(paths)


def _entry(path: Path) -> Upstream:
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise Invalid([Problem(name, 0, 0, "cannot be read as UTF-8 text")]) from exc
    try:
        value, node = yaml_lines.parse(text, where=name)
    except OperatorError as exc:
        raise Invalid([of_error(exc, name)]) from exc
    try:
        return registry.upstream_of(UpstreamEntry.model_validate(value))
    except ValidationError as exc:
        raise Invalid(of_validation(exc, node, name)) from exc


def fit_problems(model: Model, upstreams: Mapping[str, Upstream], directory: Path) -> Iterator[Problem]:
    """Mapped resource relations the model does not have, or does not govern."""
    for path in sorted(directory.glob("*.yaml")):
        try:
            upstream, (value, node) = _entry(path), yaml_lines.parse(path.read_text(encoding="utf-8"), where=str(path))
        except OperatorError:
            continue  # said already
        for member, name, policy in _entries(upstream):
            for position, rule in enumerate(policy.resources):
                try:
                    model.require_governed(rule.type, rule.relation)
                except OperatorError as exc:
                    location = (member, name, "resources", position)
                    line, column = yaml_lines.place_of(node, location) if value else (0, 0)
                    yield Problem(str(path), line, column, exc.problem)


def _entries(upstream: Upstream) -> Iterator[tuple[str, str, ToolPolicy]]:
    """(member, name, policy) of everything a registry entry names."""
    of_kinds = {"tools": upstream.tools, "prompts": upstream.prompts, "resources": upstream.resources}
    for member, named in of_kinds.items():
        yield from ((member, name, policy) for name, policy in named.items())


def test_problems(paths: Sequence[Path]) -> Iterator[Problem]:
    """Test files that could not be run."""
    for path in paths:
        try:
            read = suite.read(path)
            if read.model_path is not None:
                load_any(read.model_path)
        except Invalid as exc:
            yield from exc.problems
        except OperatorError as exc:
            yield of_error(exc, str(path))


def validate(policies: Path, registry_dir: Path, *, model_path: Path) -> Found:
    """All of it; `model_path` is the file or folder the model in force is read from."""
    problems, upstreams, files = registry_problems(registry_dir)
    wrong = model_problems(model_path, gateway=True)
    problems += wrong
    if not wrong:
        model = load_any(model_path)
        problems += fit_problems(model, upstreams, registry_dir)
        found = rule_problems(policies, model=model, upstreams=tuple(upstreams.values()))
        problems += [_beside(of_error(one, str(policies)), policies) for one in found]
    tests = suite.found_in([policies]) if policies.is_dir() else []
    problems += test_problems(tests)
    advice = [] if wrong else model_advice(model_path)
    return Found(
        tuple(sorted({_straight(one) for one in problems})),
        tuple(sorted(map(_straight, advice))),
        files + len(tests) + len(_read_by_rules(policies)) + 1,
    )


def _straight(problem: Problem) -> Problem:
    """A test names its model as `../fga.mod`: the same file has one name, and its problem is said once."""
    straight = os.path.normpath(problem.file)
    same = Path(straight).resolve() == Path(problem.file).resolve()  # not so behind a symbolic link
    return replace(problem, file=straight) if same else problem


def _read_by_rules(policies: Path) -> list[Path]:
    return [path for pattern in ("tools.yaml", "rules.yaml", "rules/*.yaml") for path in policies.glob(pattern)]


def _beside(problem: Problem, policies: Path) -> Problem:
    """The readers of rules name files from the folder around `policies`; people open them from here."""
    path = policies.parent / problem.file
    return replace(problem, file=str(path)) if path.exists() else problem
