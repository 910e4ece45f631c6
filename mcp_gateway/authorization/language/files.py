"""A model from files: a single .fga, or a fga.mod with its modules. The only place here that opens one.

A fga.mod reaches no file but those below its own folder: no absolute path, no `..`, no symbolic
link on the way. Every refusal names the file, the line and the column.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mcp_gateway.authorization.language.dsl import MAX_BYTES, read
from mcp_gateway.authorization.language.modules import MOD_FILE, Listed, flatten, read_contents
from mcp_gateway.authorization.language.problems import Problem, Reading
from mcp_gateway.authorization.language.syntax import Document
from mcp_gateway.authorization.language.validation import misnamed, problems_of

MODEL_FILE = "model.fga"


def find_model(path: Path) -> Path:
    """The file a model begins in: `path` itself, or what a folder holds, fga.mod before model.fga."""
    if not path.is_dir():
        return path
    return path / MOD_FILE if (path / MOD_FILE).exists() else path / MODEL_FILE


def read_model(path: Path) -> Reading:
    """The whole model, with every problem of grammar and sense that any of its files has."""
    file = find_model(path)
    if path.is_dir() and all((path / name).exists() for name in (MOD_FILE, MODEL_FILE)):
        sentence = f"{MOD_FILE} and {MODEL_FILE} both stand here, and only one can be the model; remove the other"
        return Reading(None, (Problem("file", sentence, str(file)),))
    text, problem = _text(file, str(file))
    if problem:
        return Reading(None, (problem,))
    return _modular(file, text) if file.name == MOD_FILE else _single(text, str(file))


def _single(text: str, where: str) -> Reading:
    reading = read(text, where=where)
    if reading.document is None:
        return reading
    return _judged(reading.document, problems_of(reading.document, where=where))


def _judged(document: Document, problems: Sequence[Problem]) -> Reading:
    sound = all(one.is_advice for one in problems)
    return Reading(document if sound else None, tuple(problems))


def _modular(file: Path, text: str) -> Reading:
    contents = read_contents(text, where=str(file))
    problems = list(contents.problems)
    documents: list[tuple[str, Document]] = []
    left = MAX_BYTES
    for listed in contents.files:
        module, wrong = _module(file, listed, left)
        left -= len(module)
        if not wrong:
            reading = read(module, where=listed.path)
            wrong = [_from_here(one, file) for one in reading.problems]
            documents += [(listed.path, reading.document)] if reading.document else []
        problems += wrong
    return _joined(file, documents, problems)


def _joined(file: Path, documents: Sequence[tuple[str, Document]], problems: Sequence[Problem]) -> Reading:
    """The modules as one model; while they have problems of their own, no more is asked of it than good names."""
    if problems and not documents:
        return Reading(None, tuple(problems))
    document, clashes = flatten(documents)
    at = str(file)
    more = [*clashes, *misnamed(document, where=at)] if problems or clashes else problems_of(document, where=at)
    return _judged(document, [*problems, *(_from_here(one, file) for one in more)])


def _module(file: Path, listed: Listed, left: int) -> tuple[str, list[Problem]]:
    """What a listed file says, when it may be read and all modules together are not too large."""
    where = str(file)
    problem = next(_objections(file.parent, listed, where), None)
    if problem:
        return "", [problem]
    text, problem = _text(file.parent / listed.path, where, listed)
    if problem is None and len(text) > left:
        problem = _unreadable(f"with `{listed.path}` the model is larger than {MAX_BYTES} bytes", where, listed)
    return ("", [problem]) if problem else (text, [])


def _objections(folder: Path, listed: Listed, where: str) -> Iterator[Problem]:
    at = folder
    for part in PurePosixPath(listed.path).parts:
        at = at / part
        if at.is_symlink():
            yield Problem("module.contents", f"`{listed.path}` goes through a symbolic link", where, listed.place)


def _text(path: Path, where: str, listed: Listed | None = None) -> tuple[str, Problem | None]:
    """What a file says; the problem names the file itself, or the line that lists it."""
    subject = f"`{listed.path}`" if listed else "the model"
    try:
        information = path.stat()
        if not stat.S_ISREG(information.st_mode):
            return "", _unreadable(f"{subject} is not a file", where, listed)
        if information.st_size > MAX_BYTES:
            return "", _unreadable(f"{subject} is larger than {MAX_BYTES} bytes", where, listed)
        # Line ends as they are: a lone carriage return is refused, not taken for a new line.
        return path.read_bytes().decode("utf-8"), None
    except (OSError, UnicodeDecodeError) as exc:
        return "", _unreadable(f"{subject} cannot be read: {type(exc).__name__}", where, listed)


def _unreadable(sentence: str, where: str, listed: Listed | None) -> Problem:
    problem = Problem("file", sentence, where)
    return replace(problem, place=listed.place) if listed else problem


def _from_here(problem: Problem, file: Path) -> Problem:
    """The same with the path of the module as people would open it."""
    return problem if problem.file == str(file) else replace(problem, file=str(file.parent / problem.file))
