"""The pieces a relation's function is made of: what stands between the brackets, other relations, and / or / but not.

Each is `step(query, object, depth)` and keeps OpenFGA's rules: a true branch hides what is
undecided beside it, a false one hides it in an intersection, and elsewhere it is raised.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.membership import is_member
from mcp_gateway.authorization.engine.outcome import CYCLE, NO, YES
from mcp_gateway.authorization.engine.query import Query, Step
from mcp_gateway.authorization.engine.rows import Row
from mcp_gateway.authorization.language.syntax import From


def direct(kind: str, steps: Mapping[str, Step]) -> Step:
    """What is written for the relation itself."""
    relation = kind.partition("#")[2]

    def part(query: Query, object_: str, depth: int) -> int:
        row = query.overlay.get((object_, relation)) if kind in query.overlaid else None
        if row is None:
            row = query.tables[kind].get(object_)
            if row is None:
                return NO
        failure: Undecidable | None = None
        if query.subject in row.direct or query.wildcard in row.direct:
            try:
                if is_member(query, row):
                    return YES
            except Undecidable as exc:
                failure = exc
        if row.usersets:
            return _hop(query, row, steps, depth, failure)
        if failure is not None:
            raise failure
        return NO

    return part


def _hop(query: Query, row: Row, steps: Mapping[str, Step], depth: int, failure: Undecidable | None) -> int:
    answer, plain = NO, query.plain
    for key, kind, rule, name in query.usersets(row):
        query.left -= 1
        try:
            if rule is not None and not rule.holds(query.at):
                continue
            known = query.known(name, depth + 1) if kind in plain else None
            found = steps[kind](query, key[0], depth + 1) if known is None else known
        except Undecidable as exc:
            failure = failure or exc
            continue
        if found == YES:
            return YES
        answer = found or answer
    if failure is not None:
        raise failure
    return answer


def from_parents(rewrite: From, kind: str, only: Step | None, steps: Mapping[str, Step]) -> Step:
    """`relation from tupleset`; `kind` is the tupleset's, `only` the one step it can lead to, if it is one."""
    tupleset, suffix = rewrite.tupleset, f"#{rewrite.relation}"

    def part(query: Query, object_: str, depth: int) -> int:
        row = query.overlay.get((object_, tupleset)) if kind in query.overlaid else None
        if row is None:
            row = query.tables[kind].get(object_)
            if row is None:
                return NO
        parents = row.direct
        query.left -= len(parents)
        if only is not None and len(parents) == 1:
            for parent, rule in parents.items():
                if rule is None:
                    return only(query, parent, depth + 1)
        answer, failure = NO, None
        for parent, rule in parents.items():
            step = only or steps.get(parent.partition(":")[0] + suffix)
            try:
                if step is None or (rule is not None and not rule.holds(query.at)):
                    continue
                found = step(query, parent, depth + 1)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        if failure is not None:
            raise failure
        return answer

    return part


def union(parts: tuple[Step, ...]) -> Step:
    def part(query: Query, object_: str, depth: int) -> int:
        answer, failure = NO, None
        for one in parts:
            try:
                found = one(query, object_, depth)
            except Undecidable as exc:
                failure = failure or exc
                continue
            if found == YES:
                return YES
            answer = found or answer
        if failure is not None:
            raise failure
        return answer

    return part


def intersection(parts: tuple[Step, ...]) -> Step:
    def part(query: Query, object_: str, depth: int) -> int:
        failure: Undecidable | None = None
        for one in parts:
            try:
                found = one(query, object_, depth)
                if found != YES:
                    return found
            except Undecidable as exc:
                failure = failure or exc
        if failure is not None:
            raise failure
        return YES

    return part


def leaning_intersection(parts: tuple[Step, ...]) -> Step:
    """Where a CYCLE would deny: it is one when any part is, however plain the no of another."""

    def part(query: Query, object_: str, depth: int) -> int:
        answer, failure = YES, None
        for one in parts:
            try:
                found = one(query, object_, depth)
                if found == CYCLE or answer == YES:
                    answer = found
            except Undecidable as exc:
                failure = failure or exc
        if failure is not None and answer == YES:
            raise failure
        return answer

    return part


def exclusion(base: Step, but_not: Step) -> Step:
    def part(query: Query, object_: str, depth: int) -> int:
        failure: Undecidable | None = None
        try:
            if base(query, object_, depth) != YES:
                return NO
        except Undecidable as exc:
            failure = exc
        try:
            if but_not(query, object_, depth) != NO:
                return NO
        except Undecidable as exc:
            failure = failure or exc
        if failure is not None:
            raise failure
        return YES

    return part


def leaning_exclusion(base: Step, but_not: Step) -> Step:
    """Where either side can lean on itself: then nobody knows, so nobody remains."""

    def part(query: Query, object_: str, depth: int) -> int:
        found, taken, failure = YES, NO, None
        try:
            found = base(query, object_, depth)
        except Undecidable as exc:
            failure = exc
        try:
            taken = but_not(query, object_, depth)
        except Undecidable as exc:
            failure = failure or exc
        if CYCLE in (found, taken):
            query.leaned = True
            return CYCLE
        if found == NO or taken == YES:
            return NO
        if failure is not None:
            raise failure
        return YES

    return part
