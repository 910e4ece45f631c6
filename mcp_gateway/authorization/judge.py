"""The rule: user AND agent AND tool AND each resource, under the token's scope. Pure.

A prompt and a resource are judged as a tool is; `kinds` names their sides.

questions(...)  what must all be true                       first batch; enough for an allow
sides(...)      after a denial: which side was missing      second batch; names, never admits
judge(...)      what was asked and answered -> Decision
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from mcp_gateway.authorization.kinds import GOVERNED, LegsOf, is_modelled
from mcp_gateway.authorization.relationships import Answers, Legs
from mcp_gateway.authorization.resources import Identified, Resource, Unidentified
from mcp_gateway.model.decision import Check, Decision, Effect, Reason
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind, ReviewState, Risk, Tool

_ALLOWED = (Reason("access.allowed"),)
_UNKNOWN = "relationship.unknown"


def needed_scope(risk: Risk) -> str:
    return "mcp:read" if risk is Risk.READ else "mcp:write"


def within_scope(scopes: frozenset[str], risk: Risk) -> bool:
    """`mcp:write` implies `mcp:read`."""
    return "mcp:write" in scopes or (risk is Risk.READ and "mcp:read" in scopes)


def questions(principal: Principal, tool: Tool, resources: Identified) -> tuple[Check, ...]:
    """All that must hold for an allow."""
    return (_tool_check(principal, tool), *_resource_checks(principal, resources))


def sides(
    principal: Principal, tool: Tool, resources: Identified, *, answers: Mapping[Check, bool], legs: LegsOf
) -> tuple[Check, ...]:
    """What to ask after a denial to say which side is missing; nothing when the relationships all held."""
    asked: dict[Check, None] = {}
    if answers.get(_tool_check(principal, tool)) is not True:
        asked |= dict.fromkeys((*_tool_sides(principal, tool), *_further_sides(principal, tool, legs)))
    for resource in _resources(resources):
        if answers.get(_check(principal, resource)) is not True:
            asked |= dict.fromkeys(_resource_sides(principal, resource, legs))
    return tuple(asked)


def ungoverned(tool: Tool, legs: LegsOf) -> Reason | None:
    """Why nothing of this kind is ever allowed, and nothing need be asked: the model does not keep its rule."""
    return None if is_modelled(legs, tool.kind) else Reason("kind.not_modelled", str(GOVERNED[tool.kind]))


def judge(principal: Principal, tool: Tool, resources: Identified, *, answers: Answers, legs: LegsOf) -> Decision:
    """Allow exactly when the tool is approved, the scope reaches, and every question was answered yes."""
    reasons = tuple(dict.fromkeys(_objections(principal, tool, resources, answers.answers, legs)))
    return Decision(
        effect=Effect.DENY if reasons else Effect.ALLOW,
        reasons=reasons or _ALLOWED,
        answers=answers.answers,
        revision=answers.revision,
        model_id=answers.model_id,
        valid_until=answers.valid_until,
    )


def resource_questions(principal: Principal, resource: Resource, legs: LegsOf) -> tuple[Check, ...]:
    """The relation itself and its sides, for a resource nobody calls a tool on."""
    return (_check(principal, resource), *_resource_sides(principal, resource, legs))


def judge_resource(principal: Principal, resource: Resource, *, answers: Answers, legs: LegsOf) -> Decision:
    """The part of `judge` that is about one resource; it admits to nothing."""
    reasons: tuple[Reason, ...] = ()
    if legs(_type(resource), resource[0]) is None:
        reasons = (Reason(_UNKNOWN, f"{_type(resource)}#{resource[0]} has no user and agent side"),)
    elif answers.answers.get(_check(principal, resource)) is not True:
        reasons = tuple(_resource_objections(principal, resource, answers.answers, legs))
    return Decision(
        effect=Effect.DENY if reasons else Effect.ALLOW,
        reasons=reasons or _ALLOWED,
        answers=answers.answers,
        revision=answers.revision,
        model_id=answers.model_id,
        valid_until=answers.valid_until,
    )


def public_code(decision: Decision, kind: Kind = Kind.TOOL) -> str:
    """The code the caller of a denied call sees; the true reasons stay with operators and the audit.

    `kind` is of what was asked for: nobody learns more of a prompt that is hidden than that there is no such prompt.
    """
    unavailable = kind.unavailable
    codes = {reason.code for reason in decision.reasons}
    of_call = {finding.id for finding in decision.rules if finding.of_call}
    hiding = {reason.code for reason in decision.reasons if not _is_of_call(reason, of_call)}
    open_ = {code for code in hiding if code.startswith(("relationship.", "decision."))}
    if open_:
        # What else stayed open must not tell a tool that is hidden for certain from one that does not exist.
        return "authorization.unavailable" if hiding - open_ <= {"scope.insufficient"} else unavailable
    if hiding == {"scope.insufficient"}:
        # Before the resource: without the scope nobody learns whether there is such a resource.
        return "scope.insufficient"
    if codes and not hiding:
        return "resource.denied" if any(map(_is_of_resource, codes)) else "rule.denied"
    return unavailable


def _is_of_call(reason: Reason, rules: Collection[str]) -> bool:
    """It is about what this call names: the tool itself is listed."""
    return _is_of_resource(reason.code) or (reason.code.startswith("rule.") and reason.evidence in rules)


def _is_of_resource(code: str) -> bool:
    return code.startswith("resource.")


def _objections(
    principal: Principal, tool: Tool, resources: Identified, answers: Mapping[Check, bool], legs: LegsOf
) -> Iterator[Reason]:
    if tool.state is not ReviewState.APPROVED:
        yield Reason("tool.not_available", f"{tool.id} is {tool.state}")
    if not within_scope(principal.scopes, tool.risk):
        yield Reason("scope.insufficient", needed_scope(tool.risk))
    lacking = ungoverned(tool, legs)
    if lacking is not None:
        yield lacking
    elif answers.get(_tool_check(principal, tool)) is not True:
        yield from _tool_objections(principal, tool, answers, legs)
    if isinstance(resources, Unidentified):
        yield Reason("resource.unidentified", resources.rule)
    for resource in _resources(resources):
        # Asked of the model, not only of the tuples: a relation without an agent side would let any agent in.
        if legs(_type(resource), resource[0]) is None:
            yield Reason(_UNKNOWN, f"{_type(resource)}#{resource[0]} has no user and agent side")
        elif answers.get(_check(principal, resource)) is not True:
            yield from _resource_objections(principal, resource, answers, legs)


def _tool_objections(principal: Principal, tool: Tool, answers: Mapping[Check, bool], legs: LegsOf) -> Iterator[Reason]:
    user_side, agent_side, available, acting_for = checks = _tool_sides(principal, tool)
    further = _further_sides(principal, tool, legs)
    unknown = [check for check in (*checks, *further) if check not in answers]
    if not answers.get(user_side, True):
        yield Reason("user.not_allowed", _evidence(user_side))
    if not answers.get(acting_for, True):
        yield Reason("agent.not_delegated", _evidence(acting_for))
    elif not answers.get(agent_side, True):
        yield Reason("agent.not_granted", _evidence(agent_side))
    if not answers.get(available, True):
        yield Reason("tool.not_available", _evidence(available))
    # What a model asks besides the three is no right that observing could let through.
    yield from (Reason("tool.not_available", _evidence(check)) for check in further if not answers.get(check, True))
    if unknown:
        yield Reason(_UNKNOWN, ", ".join(map(_evidence, unknown)))
    elif all(answers[check] for check in (*checks, *further)):
        # Every side holds and the whole does not: unanswered, or it changed between two looks.
        yield Reason(_UNKNOWN, _evidence(_tool_check(principal, tool)))


def _resource_objections(
    principal: Principal, resource: Resource, answers: Mapping[Check, bool], legs: LegsOf
) -> Iterator[Reason]:
    checks = _resource_sides(principal, resource, legs)
    sides = legs(_type(resource), resource[0]) or Legs((), ())
    of_user, of_agent = _on(principal, resource, sides.user), _on(principal, resource, sides.agent)
    unknown = [check for check in checks if check not in answers]
    yield from (Reason("resource.user_not_allowed", _evidence(c)) for c in of_user if not answers.get(c, True))
    if not answers.get(_acting_for(principal), True):
        yield Reason("agent.not_delegated", _evidence(_acting_for(principal)))
    else:
        yield from (Reason("resource.agent_not_granted", _evidence(c)) for c in of_agent if not answers.get(c, True))
    if unknown or all(answers[check] for check in checks):
        yield Reason(_UNKNOWN, ", ".join(map(_evidence, unknown)) or _evidence(_check(principal, resource)))


def _tool_check(principal: Principal, tool: Tool) -> Check:
    return Check(principal.user, GOVERNED[tool.kind].whole, tool.id)


def _tool_sides(principal: Principal, tool: Tool) -> tuple[Check, Check, Check, Check]:
    user, tool_id = principal.user, tool.id
    of_user, of_agent, available = GOVERNED[tool.kind].sides
    return (
        Check(user, of_user, tool_id),
        Check(user, of_agent, tool_id),
        Check(user, available, tool_id),
        _acting_for(principal),
    )


def _further_sides(principal: Principal, tool: Tool, legs: LegsOf) -> tuple[Check, ...]:
    """What else the model's own rule asks for by name; nothing in most models."""
    rule = GOVERNED[tool.kind]
    found = legs(rule.type, rule.whole)
    names = (*found.user, *found.agent) if found else ()
    return tuple(Check(principal.user, name, tool.id) for name in names if name not in rule.sides)


def _acting_for(principal: Principal) -> Check:
    return Check(principal.user, "acting_for", principal.agent)


def _resource_checks(principal: Principal, resources: Identified) -> Iterator[Check]:
    return (_check(principal, resource) for resource in _resources(resources))


def _resource_sides(principal: Principal, resource: Resource, legs: LegsOf) -> tuple[Check, ...]:
    sides = legs(_type(resource), resource[0])
    if sides is None:
        return ()
    return (*_on(principal, resource, sides.user + sides.agent), _acting_for(principal))


def _on(principal: Principal, resource: Resource, relations: tuple[str, ...]) -> tuple[Check, ...]:
    return tuple(Check(principal.user, relation, resource[1]) for relation in relations)


def _check(principal: Principal, resource: Resource) -> Check:
    return Check(principal.user, resource[0], resource[1])


def _resources(resources: Identified) -> tuple[Resource, ...]:
    return () if isinstance(resources, Unidentified) else resources


def _type(resource: Resource) -> str:
    return resource[1].partition(":")[0]


def _evidence(check: Check) -> str:
    return f"{check.subject} {check.relation} {check.object}"
