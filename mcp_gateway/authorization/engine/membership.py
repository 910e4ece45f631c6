"""Membership in what is only written: groups in groups, roles of groups. A plain search, linear however tangled.

A relation belongs here when it is nothing but tuples, and so is every relation its tuples lead to.
Then each (object, relation) need be looked at once. What remains of `evaluate`'s rules: an
undecided branch does not hide a true one, and a no that leans on itself is a CYCLE.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcp_gateway.authorization.engine.closures import Closure
from mcp_gateway.authorization.engine.conditions import Undecidable
from mcp_gateway.authorization.engine.outcome import CYCLE, MAX_DEPTH, NO, YES, TooComplex
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.rows import Key, Row


def search(
    query: Query,
    start: Key,
    kind: str,
    depth: int,
    reach: Mapping[str, frozenset[str]],
    rings: frozenset[str],
) -> int:
    """By the way back from the subject where there is one, else level by level from `start` to the subject.

    A ring of one of `rings` is just a ring; any other leans on itself.
    """
    closure = query.closure()
    if closure is not None:
        known = _known(query, closure, f"{start[0]}#{start[1]}", kind, depth)
        if known is not None:
            return known
    seen, level, edges = {start}, [start], list[tuple[Key, Key]]()
    failure: Undecidable | None = None
    while level:
        if depth == MAX_DEPTH or query.left < len(level):
            raise failure or TooComplex()
        query.left -= len(level)
        depth += 1
        following: list[Key] = []
        for key in level:
            row = query.row(key)
            if row is None:
                continue
            if query.subject in row.direct or query.wildcard in row.direct:
                try:
                    if is_member(query, row):
                        return YES
                except Undecidable as exc:
                    failure = failure or exc
            if not row.usersets:
                continue
            for userset in query.usersets(row):
                try:
                    if userset.condition is not None and not userset.condition.holds(query.at):
                        continue
                except Undecidable as exc:
                    failure = failure or exc
                    continue
                if query.kind not in reach[userset.kind]:
                    continue
                if userset.key == query.self_key:
                    return YES
                if closure is not None:
                    known = _known(query, closure, userset.name, userset.kind, depth)
                    if known == YES:
                        return YES
                    if known == NO:
                        continue
                if userset.kind not in rings:
                    edges.append((key, userset.key))
                if userset.key not in seen:
                    seen.add(userset.key)
                    following.append(userset.key)
        level = following
    if failure is not None:
        raise failure
    return CYCLE if edges and _circular(seen, edges) else NO


def _known(query: Query, closure: Closure, name: str, kind: str, depth: int) -> int | None:
    """What the way back tells of a userset, None when it has to be looked at."""
    if closure.sure(name, MAX_DEPTH - depth):
        return YES
    return NO if kind in query.plain and name not in closure.possible else None


def is_member(query: Query, row: Row) -> bool:
    """The subject or everybody of its type stands in the row itself."""
    direct = row.direct
    failure: Undecidable | None = None
    for subject in (query.subject, query.wildcard):
        if subject in direct:
            rule = direct[subject]
            try:
                if rule is None or rule.holds(query.at):
                    return True
            except Undecidable as exc:
                failure = exc
    if failure is not None:
        raise failure
    return False


def _circular(nodes: Iterable[Key], edges: list[tuple[Key, Key]]) -> bool:
    """Whatever remains after taking away, again and again, what nothing leads to, goes round."""
    leading = dict.fromkeys(nodes, 0)
    out: dict[Key, list[Key]] = {}
    for source, target in edges:
        leading[target] += 1
        out.setdefault(source, []).append(target)
    free = [node for node, count in leading.items() if not count]
    removed = 0
    while free:
        removed += 1
        for target in out.get(free.pop(), ()):
            leading[target] -= 1
            if not leading[target]:
                free.append(target)
    return removed < len(leading)
