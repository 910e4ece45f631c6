"""Random stores: the gateway's model with random tuples, and small random models. One seed, one world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from mcp_gateway.authorization.engine.model import Model, compile_model
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import Condition, RelationshipTuple
from tests.support.openfga_evaluator import Asked, World

NOW = "2027-01-15T08:00:00Z"
_MOMENTS = ("2026-12-01T00:00:00Z", "2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z", "2027-02-01T00:00:00+02:00")
_MOST_TUPLES = 90
"""The evaluator repeats all tuples beside every answer, so a larger world is mostly output."""


_FEW_OF_EACH = {
    "user": "abc",
    "agent": "xy",
    "server": "st",
    "tool": "123",
    "group": "gh",
    "role": "rq",
    "grant": "mn",
    "tenant": "k",
    "project": "p",
    "ticket": "56",
}
_MANY_GRANTS = {"user": "abc", "agent": "x", "group": "gh", "grant": "abcdefghijkl"}
"""More than a few usersets in one row, so that they are narrowed."""


@dataclass(frozen=True, slots=True)
class Size:
    """Questions per world."""

    groups: int = 3
    checks: int = 60
    objects: int = 12
    users: int = 4


def gateway_world(text: str, seed: str, size: Size) -> World:
    """Random tuples of the gateway's model; every group of questions is one user through one agent."""
    random = Random(seed)
    model = compile_model(text)
    wide = random.random() < 0.25
    ids = _MANY_GRANTS if wide else _FEW_OF_EACH
    pool = {kind: [f"{kind}:{letter}" for letter in ids.get(kind, "1")] for kind in model.relations}
    share = 0.45 if wide else random.choice((0.15, 0.3, 0.5))
    found = (one for one in _tuples(random, model, pool, share) if one.relation != "in_context")
    tuples = tuple(found)[: _MOST_TUPLES * (2 if wide else 1)]
    asked: list[Asked] = []
    for _ in range(size.groups):
        user, agent = random.choice(pool["user"]), random.choice(pool["agent"])
        binding = RelationshipTuple(agent, "in_context", user)
        questions = _questions(random, model, pool, size, favourite=user)
        asked.append(Asked((binding,), {"current_time": NOW}, *questions))
    return World(text, tuples, tuple(asked), seed)


def small_world(seed: str, size: Size, *, lacking: float = 0.0) -> World:
    """A random model of a few types with unions, intersections, exclusions, usersets, parents and conditions.

    `lacking` is the share of the context values that are not sent.
    """
    random = Random(seed)
    text = _model_text(random)
    model = compile_model(text)
    pool = {kind: [f"{kind}:{number}" for number in range(random.randint(2, 3))] for kind in model.relations}
    tuples = list(_tuples(random, model, pool, random.choice((0.05, 0.1, 0.2))))[:_MOST_TUPLES]
    asked: list[Asked] = []
    for _ in range(size.groups):
        more = [one for one in _tuples(random, model, pool, 0.1) if _key(one) not in set(map(_key, tuples))]
        context = {name: value for name, value in _context(random).items() if random.random() >= lacking}
        questions = _questions(random, model, pool, size, favourite=random.choice(pool["user"]))
        asked.append(Asked(tuple(more[: random.randint(0, 3)]), context, *questions))
    return World(text, tuple(tuples), tuple(asked), seed)


def _key(one: RelationshipTuple) -> tuple[str, str, str]:
    return one.object, one.relation, one.subject


def _tuples(
    random: Random, model: Model, pool: Mapping[str, Sequence[str]], share: float
) -> Iterator[RelationshipTuple]:
    """A share of all tuples the model takes, in random order, each key once."""
    possible: dict[tuple[str, str, str], set[str]] = {}
    for relation, kinds in model.accepted.items():
        object_type, _, name = relation.partition("#")
        for kind, conditions in kinds.items():
            for subject in _subjects(kind, pool):
                for object_ in pool[object_type]:
                    if f"{object_}#{name}" != subject:
                        possible.setdefault((object_, name, subject), set()).update(conditions)
    keys = sorted(possible)
    for key in random.sample(keys, round(len(keys) * share)):
        condition = random.choice(sorted(possible[key]))
        rule = Condition(condition, _stored(random, condition)) if condition else None
        yield RelationshipTuple(*key, rule)


def _subjects(kind: str, pool: Mapping[str, Sequence[str]]) -> list[str]:
    subject_type, hash_, relation = kind.partition("#")
    if kind.endswith(":*"):
        return [kind]
    return [f"{object_}{hash_}{relation}" for object_ in pool[subject_type]]


def _questions(
    random: Random, model: Model, pool: Mapping[str, Sequence[str]], size: Size, *, favourite: str
) -> tuple[tuple[Check, ...], tuple[tuple[str, str, str], ...], tuple[tuple[str, str, str], ...]]:
    relations = sorted(model.accepted)
    kinds = sorted({kind for accepted in model.accepted.values() for kind in accepted})
    subjects = sorted({subject for kind in kinds for subject in _subjects(kind, pool)})

    def subject() -> str:
        return favourite if random.random() < 0.6 else random.choice(subjects)

    def target() -> tuple[str, str]:
        object_type, _, name = random.choice(relations).partition("#")
        return random.choice(pool[object_type]), name

    checks: dict[Check, None] = {}
    for _ in range(size.checks):
        object_, name = target()
        checks[Check(subject(), name, object_)] = None
    objects = {(subject(), *random.choice(relations).split("#")[::-1]): None for _ in range(size.objects)}
    filters = [kind for kind in kinds if not kind.endswith(":*")]
    users = {(*target(), random.choice(filters)): None for _ in range(size.users)}
    return tuple(checks), tuple((s, r, t) for s, r, t in objects), tuple((o, r, k) for o, r, k in users)


def _stored(random: Random, condition: str) -> Mapping[str, Any]:
    if condition == "grant_expiry":
        return {"expires_at": random.choice(_MOMENTS)}
    name = {"below": "limit", "named": "names"}[condition]
    value: Any = random.choice((5, 10)) if condition == "below" else random.choice((["a"], ["a", "b"], []))
    context = {name: value} if random.random() < 0.8 else {}
    # Stored beside what is asked with: the stored value must win.
    if condition == "below" and random.random() < 0.2:
        context["x"] = random.choice((1, 20))
    return context


def _context(random: Random) -> Mapping[str, Any]:
    return {"x": random.choice((1, 7, "12")), "limit": 9, "name": random.choice("abc"), "names": ["c"]}


_CONDITIONS = """
condition below(x: int, limit: int) {
  x < limit
}

condition named(name: string, names: list<string>) {
  name in names
}
"""


def _model_text(random: Random) -> str:
    """Until one is valid: what refers only to itself is not."""
    while True:
        text = _candidate(random)
        try:
            compile_model(text)
        except Exception:
            continue
        return text


def _candidate(random: Random) -> str:
    lines = ["model", "  schema 1.1", "type user", "type robot"]
    types = {"group": ["member", "guest"], "folder": ["owner", "viewer"], "doc": ["owner", "viewer", "reader", "judge"]}
    for kind, names in types.items():
        lines += [f"type {kind}", "  relations"]
        if kind != "group":
            parents = random.choice(("[folder]", "[folder, group]", "[folder, folder with below]"))
            lines.append(f"    define parent: {parents}")
        for name in names:
            lines.append(f"    define {name}: {_definition(random, kind, name, types)}")
    return "\n".join(lines) + "\n" + _CONDITIONS


def _definition(random: Random, kind: str, name: str, types: Mapping[str, Sequence[str]]) -> str:
    """The language takes `[...]` only as the very first operand, and no relation that leads back to itself."""
    earlier = types[kind][: types[kind].index(name)]

    def leaf(first: bool) -> str:
        if first and (not earlier or random.random() < 0.7):
            return _restrictions(random)
        if earlier and (kind == "group" or random.random() < 0.5):
            return random.choice(earlier)
        return f"{random.choice(('owner', 'viewer', 'member'))} from parent"

    def term(depth: int, first: bool) -> str:
        return f"({expression(depth - 1, first)})" if depth and random.random() < 0.35 else leaf(first)

    def expression(depth: int, first: bool) -> str:
        operator = random.choice(("", " or ", " or ", " and ", " but not ")) if earlier or kind != "group" else ""
        more = 0 if not operator else 1 if operator == " but not " else random.randint(1, 2)
        return operator.join([term(depth, first), *(term(depth, False) for _ in range(more))])

    return expression(2, True)


def _restrictions(random: Random) -> str:
    possible = [
        "user",
        "user:*",
        "robot",
        "robot:*",
        "group#member",
        "group#guest",
        "folder#viewer",
        "doc#owner",
        "user with below",
        "user:* with named",
        "group#member with below",
    ]
    chosen = random.sample(possible, random.randint(1, 4))
    return f"[{', '.join(['user', *chosen] if random.random() < 0.6 and 'user' not in chosen else chosen)}]"
