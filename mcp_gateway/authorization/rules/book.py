"""Everything that narrows calls beyond the relationships, as it was loaded; and what of it binds one tool. Pure.

A prompt, a resource and a template are bound as a tool is.

A book can only narrow: it turns an allow into a deny and never the other way round. What an operator
marked `observe` is the one exception, and `narrow` says how far it goes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mcp_gateway.authorization.rules.attributes import Origin, Relation, origin_of, read_request
from mcp_gateway.authorization.rules.expression import Expression
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check
from mcp_gateway.model.ids import ServerId, ToolId, server_id
from mcp_gateway.model.tool import Kind, Mode, Risk, Tool

_MAX_BOUND = 200_000


@dataclass(frozen=True, slots=True)
class When:
    """To what a rule applies; an empty member means any, but one of `tools`, `prompts` and `resources` leaves out the others."""

    servers: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    """Of the upstream's own names, with `*` and `?`."""
    prompts: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Of the URIs of resources and the text of templates."""
    risks: frozenset[Risk] = frozenset()
    classifications: frozenset[str] = frozenset()

    def covers(self, tool: Tool, classification: str | None) -> bool:
        return (
            (not self.servers or any(matches(glob, tool.server) for glob in self.servers))
            and self._names(tool)
            and (not self.risks or tool.risk in self.risks)
            and (not self.classifications or classification in self.classifications)
        )

    def _names(self, tool: Tool) -> bool:
        if not (self.tools or self.prompts or self.resources):
            return True
        return any(matches(glob, tool.name) for glob in self.of(tool.kind))

    def of(self, kind: Kind) -> tuple[str, ...]:
        """The patterns for names of a kind."""
        return self.tools if kind is Kind.TOOL else self.prompts if kind is Kind.PROMPT else self.resources


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule is itself and no other."""

    id: str
    description: str
    when: When
    require: Expression
    relations: Mapping[str, Relation]
    """`relations.<name>` -> what is asked of the user."""
    mode: Mode
    audit: tuple[str, ...]
    where: str
    """File and line."""
    of_call: bool = field(init=False)
    """It reads the arguments, so a list cannot know what it will say."""
    of_moment: bool = field(init=False)
    of_tool: bool = field(init=False)
    digest: str = field(init=False)
    """Of what it requires, whatever it is called and applies to; on record, so that a later reader knows which it was."""

    def __post_init__(self) -> None:
        required = repr((self.require.text, sorted(self.relations.items())))
        object.__setattr__(self, "digest", hashlib.sha256(required.encode()).hexdigest())
        origins = {origin_of(name) for name in self.require.reads}
        for name, origin in (("of_call", Origin.CALL), ("of_moment", Origin.MOMENT), ("of_tool", Origin.TOOL)):
            object.__setattr__(self, name, origin in origins)


@dataclass(frozen=True, slots=True)
class ToolRequirements:
    """What `policies/tools.yaml` says of one tool, prompt or resource, or of one server."""

    classification: str | None = None
    scopes: tuple[str, ...] = ()
    roles: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """What of a book binds one tool."""

    classification: str | None
    scopes: tuple[str, ...]
    roles: tuple[Relation, ...]
    rules: tuple[Rule, ...]
    observed: bool
    only_observed: frozenset[str]
    """Ids of rules that observe whatever the tool does."""
    of_call: bool
    of_moment: bool
    of_tool: bool
    """Two tools it binds may differ in what its rules say."""
    relations: tuple[Relation, ...]
    """Everything to be asked of the user: the roles, and what rules read."""

    def checks(self, user: str) -> tuple[Check, ...]:
        return tuple(Check(user, *relation) for relation in self.relations)

    def is_answered(self, user: str, answers: Mapping[Check, bool]) -> bool:
        """`answers` hold everything the rules ask of the user."""
        return not self.relations or all(check in answers for check in self.checks(user))


class RuleBook:
    """Immutable but for the memory of what binds each tool."""

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        policies: Mapping[ServerId | ToolId, ToolRequirements] | None = None,
        *,
        mode: Mode = Mode.ENFORCE,
        book_id: str = "",
    ) -> None:
        """`policies` by what they are about, a whole server or one thing of it; `book_id` is a digest of the files."""
        self.rules = tuple(rules)
        self.policies = dict(policies or {})
        self.mode = mode
        self.book_id = book_id
        self._request_reads = tuple(
            sorted(
                {
                    name
                    for rule in rules
                    if not rule.of_call
                    for name in rule.require.reads
                    if origin_of(name) is Origin.REQUEST
                }
            )
        )
        self._bound: dict[tuple[str, Risk, Mode | None], Bound | None] = {}
        self._alike: dict[Bound, Bound] = {}

    @property
    def says_nothing(self) -> bool:
        return not self.rules and not self.policies and self.mode is Mode.ENFORCE

    def given(self, request: Request | None) -> tuple[str | None, ...]:
        """What of a request decides which tools it lists."""
        return tuple(None if request is None else read_request(name, request) for name in self._request_reads)

    def of(self, tool: Tool) -> Bound | None:
        """None when nothing in the book is about the tool."""
        key = (tool.id, tool.risk, tool.mode)
        try:
            return self._bound[key]
        except KeyError:
            if len(self._bound) >= _MAX_BOUND:
                self._bound.clear()
                self._alike.clear()
            bound = self._bind(tool)
            # Tools that are bound alike share one object, and a list decides them together.
            bound = self._bound[key] = bound and self._alike.setdefault(bound, bound)
            return bound

    def _bind(self, tool: Tool) -> Bound | None:
        empty = ToolRequirements()
        of_server = self.policies.get(server_id(tool.server), empty)
        of_tool = self.policies.get(tool.id, empty)
        classification = of_tool.classification or of_server.classification
        rules = tuple(rule for rule in self.rules if rule.when.covers(tool, classification))
        scopes = tuple(dict.fromkeys(of_server.scopes + of_tool.scopes))
        roles = tuple(dict.fromkeys(of_server.roles + of_tool.roles))
        observed = (tool.mode or self.mode) is Mode.OBSERVE
        if not (classification or rules or scopes or roles or observed):
            return None
        return Bound(
            classification=classification,
            scopes=scopes,
            roles=roles,
            rules=rules,
            observed=observed,
            only_observed=frozenset(rule.id for rule in rules if rule.mode is Mode.OBSERVE),
            of_call=any(rule.of_call for rule in rules),
            of_moment=any(rule.of_moment for rule in rules),
            of_tool=any(rule.of_tool for rule in rules),
            relations=tuple(dict.fromkeys([*roles, *(asked for rule in rules for asked in rule.relations.values())])),
        )


NO_RULES = RuleBook()


def matches(glob: str, name: str) -> bool:
    """`*` is any text, `?` one character; everything else is itself."""
    return _pattern(glob).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character) or re.escape(character) for character in glob), re.DOTALL)
