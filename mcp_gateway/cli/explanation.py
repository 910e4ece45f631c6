"""An explanation as lines for people. Pure."""

from __future__ import annotations

from mcp_gateway.authorization import Access, Explanation

_IN_LISTS = {
    Access.CALLABLE: "is listed",
    Access.DEPENDS: "is listed, its use depends on what it names",
    Access.REQUESTABLE: "is not listed, and can be asked for",
    Access.HIDDEN: "is hidden from them",
}
_DOES = {"tool": "calls", "prompt": "gets", "resource": "reads"}


def lines_of(explanation: Explanation) -> list[str]:
    lines = [_verdict(explanation)]
    for finding in explanation.findings:
        after = " (hidden until the one above is put right)" if finding.after else ""
        lines.append(f"  {finding.code}{f': {finding.evidence}' if finding.evidence else ''}{after}")
        if finding.remedy and not explanation.allowed:
            lines.append(f"    try: {finding.remedy}")
    lines += [f"  would be denied: {finding.code}: {finding.evidence}" for finding in explanation.observed]
    lines.append("because")
    for asked in explanation.asked:
        lines.append(f"  {'yes' if asked.answer else 'no '}  {asked.subject} {asked.relation} {asked.object}")
        lines += [f"         {fact}" for fact in asked.because]
    lines += [f"  rule {rule.id}: {rule.result}" for rule in explanation.rules]
    if explanation.classification is not None:
        lines.append(f"  its data is {explanation.classification}")
    if not explanation.allowed:
        lines.append(f"the caller is told {explanation.public_code}")
    return lines


def _verdict(explanation: Explanation) -> str:
    who = f"{explanation.user} through {explanation.agent}"
    if not explanation.tool:
        relation = f"{explanation.asked[0].relation} on " if explanation.asked else ""
        said = "ALLOWED" if explanation.allowed else "DENIED"
        return f"{said}: {who}: {relation}{', '.join(explanation.resources)}"
    kind = explanation.tool.partition(":")[0]
    does = f"{who} {_DOES[kind]} {explanation.tool}"
    if not explanation.allowed:
        state = f"; the {kind} {_IN_LISTS[explanation.access]}" if explanation.access else ""
        return f"DENIED: {does}{state}"
    asked = bool(explanation.resources) or any(rule.of_call for rule in explanation.rules)
    if explanation.access is Access.DEPENDS and not asked:
        return f"DEPENDS: {does}: on what it names; --arguments asks about one call"
    return f"ALLOWED: {does}"
