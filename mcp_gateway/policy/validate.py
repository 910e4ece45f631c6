"""Everything that is wrong with the declared files: the model, the registry, their fit, the tests. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mcp_gateway.authorization import Model
from mcp_gateway.catalog import registry, yaml_lines
from mcp_gateway.catalog.registry import UpstreamEntry
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Upstream
from mcp_gateway.policy import suite
from mcp_gateway.policy.models import load_any
from mcp_gateway.policy.problems import Invalid, Problem, of_error, of_validation


@dataclass(frozen=True, slots=True)
class Found:
    problems: tuple[Problem, ...]
    """In the order of files and lines."""
    files: int
    """How many were looked at."""
    model: Model | None
    upstreams: Mapping[str, Upstream]

    def as_dict(self) -> dict[str, object]:
        return {"files": self.files, "problems": [problem.as_dict() for problem in self.problems]}


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
        for tool, policy in upstream.tools.items():
            for position, rule in enumerate(policy.resources):
                try:
                    model.require_governed(rule.type, rule.relation)
                except OperatorError as exc:
                    location = ("tools", tool, "resources", position)
                    line, column = yaml_lines.place_of(node, location) if value else (0, 0)
                    yield Problem(str(path), line, column, exc.problem)


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


def validate(
    policies: Path,
    registry_dir: Path,
    *,
    load: Callable[[], Model],
) -> Found:
    """All of it. `load` reads the model in force from `policies`."""
    problems, upstreams, files = registry_problems(registry_dir)
    model: Model | None = None
    try:
        model = load()
    except Invalid as exc:
        problems += exc.problems
    except OperatorError as exc:
        problems.append(of_error(exc, str(policies)))
    else:
        problems += fit_problems(model, upstreams, registry_dir)
    tests = suite.found_in([policies]) if policies.is_dir() else []
    problems += test_problems(tests)
    return Found(tuple(sorted(set(problems))), files + len(tests) + 1, model, upstreams)
