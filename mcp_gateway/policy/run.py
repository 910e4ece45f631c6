"""Run test files against a policy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.errors import OperatorError
from mcp_gateway.policy import asked, cases
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.models import load_any
from mcp_gateway.policy.problems import Invalid
from mcp_gateway.policy.suite import Suite, found_in, read
from mcp_gateway.policy.verdict import Run, Verdict


async def run(
    paths: Sequence[Path],
    candidate: Candidate,
    *,
    now: float,
) -> Run:
    """Every assertion of every file; a file that cannot be run is an error among the others.

    `candidate` judges the cases;
    """
    began = time.perf_counter()
    verdicts: list[Verdict] = []
    for path in found_in(paths):
        try:
            verdicts += await _file(read(path), candidate, now)
        except Invalid as exc:
            verdicts += [_broken(path, one.line, one.sentence) for one in exc.problems]
        except OperatorError as exc:
            verdicts.append(_broken(path, 1, str(exc)))
    return Run(tuple(verdicts), time.perf_counter() - began)


async def _file(suite: Suite, candidate: Candidate, now: float) -> list[Verdict]:
    found: list[Verdict] = []
    model = candidate.model
    if suite.model_text is not None:
        model = compile_model(suite.model_text, where=str(suite.path))
    elif suite.model_path is not None:
        model = load_any(suite.model_path)
    if suite.tests:
        found += asked.verdicts(suite, model)
    if suite.cases:
        judged = candidate if model is candidate.model else replace(candidate, model=model)
        found += [one async for one in cases.verdicts(suite, judged, now=now)]
    return found


def _broken(path: Path, line: int, sentence: str) -> Verdict:
    return Verdict(path, line, path.name, "file", "", "", sentence, error=True)
