"""What the fixtures ask the client: a result that says what is missing, a retry that brings it.

State travels through the client, so it is signed; a changed one is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from examples.conformance import forms
from examples.conformance.contents import text

Given: TypeAlias = types.CallToolRequestParams | types.GetPromptRequestParams

_KEY = secrets.token_bytes(32)


def seal(state: Mapping[str, Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(state).encode()).decode()
    return f"{body}.{_signature(body)}"


def unseal(sealed: str) -> dict[str, Any]:
    """Raises the protocol's invalid-parameters error for a state that is not ours."""
    body, _, signature = sealed.partition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(body).encode()):
        raise MCPError(code=types.INVALID_PARAMS, message="requestState was changed")
    return json.loads(base64.urlsafe_b64decode(body))


def _signature(body: str) -> str:
    return hmac.new(_KEY, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def elicit(message: str, field: str, kind: str = "string") -> types.ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(question: str, *, max_tokens: int = 100) -> types.CreateMessageRequest:
    asked = types.SamplingMessage(role="user", content=text(question))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[asked], max_tokens=max_tokens))


def ask(
    wanted: Mapping[str, types.InputRequest], *, state: Mapping[str, Any] | None = None
) -> types.InputRequiredResult:
    """The first half of a round: what is wanted, and what to remember until it comes."""
    sealed = None if state is None else seal(state)
    return types.InputRequiredResult(input_requests=dict(wanted), request_state=sealed)


def done(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[text(words)])


def elicited(given: Given, key: str, field: str) -> Any | None:
    """What the user entered for `key`, None if the answer is absent, refused or incomplete."""
    answer = (given.input_responses or {}).get(key)
    if not isinstance(answer, types.ElicitResult) or answer.action != "accept":
        return None
    return (answer.content or {}).get(field)


def by_elicitation(given: Given) -> types.CallToolResult | types.InputRequiredResult:
    name = elicited(given, "user_name", "name")
    return ask({"user_name": elicit("What is your name?", "name")}) if name is None else done(f"Hello, {name}!")


def by_sampling(given: Given) -> types.CallToolResult | types.InputRequiredResult:
    answer = (given.input_responses or {}).get("capital_question")
    if isinstance(answer, types.CreateMessageResult) and isinstance(answer.content, types.TextContent):
        return done(f"The model says: {answer.content.text}")
    return ask({"capital_question": sample("What is the capital of France?")})


def by_roots(given: Given) -> types.CallToolResult | types.InputRequiredResult:
    answer = (given.input_responses or {}).get("client_roots")
    if isinstance(answer, types.ListRootsResult):
        return done("Roots: " + ", ".join(str(root.uri) for root in answer.roots))
    return ask({"client_roots": types.ListRootsRequest()})


def with_state(given: Given) -> types.CallToolResult | types.InputRequiredResult:
    if given.request_state is not None:
        unseal(given.request_state)
        if elicited(given, "confirm", "ok") is not None:
            return done("state-ok")
    return ask({"confirm": elicit("Please confirm", "ok", "boolean")}, state={"asked": "confirm"})


def several(given: Given) -> types.CallToolResult | types.InputRequiredResult:
    wanted: dict[str, types.InputRequest] = {
        "user_name": elicit("What is your name?", "name"),
        "greeting": sample("Generate a greeting", max_tokens=50),
        "client_roots": types.ListRootsRequest(),
    }
    if given.request_state is not None:
        unseal(given.request_state)
        if wanted.keys() <= (given.input_responses or {}).keys():
            return done("All three answers arrived.")
    return ask(wanted, state={"asked": sorted(wanted)})


def in_two_steps(given: Given) -> types.CallToolResult | types.InputRequiredResult:
    state = unseal(given.request_state) if given.request_state is not None else {}
    if (color := elicited(given, "step2", "color")) is not None and "name" in state:
        return done(f"{state['name']} likes {color}.")
    if (name := elicited(given, "step1", "name")) is not None:
        return ask({"step2": elicit("Step 2: What is your favorite color?", "color")}, state={"name": name})
    return ask({"step1": elicit("Step 1: What is your name?", "name")}, state={})


def by_question(given: types.CallToolRequestParams) -> types.CallToolResult | types.InputRequiredResult:
    answer = (given.input_responses or {}).get("answer")
    if isinstance(answer, types.CreateMessageResult) and isinstance(answer.content, types.TextContent):
        return done(f"LLM response: {answer.content.text}")
    return ask({"answer": sample(str((given.arguments or {}).get("prompt", "")))})


def by_form(given: Given, message: str, schema: dict[str, Any]) -> types.CallToolResult | types.InputRequiredResult:
    """Any action is an answer."""
    answer = (given.input_responses or {}).get("form")
    if isinstance(answer, types.ElicitResult):
        return done(f"Elicitation completed: action={answer.action}, content={answer.content}")
    params = types.ElicitRequestFormParams(message=message, requested_schema=schema)
    return ask({"form": types.ElicitRequest(params=params)})


def by_user_form(given: types.CallToolRequestParams) -> types.CallToolResult | types.InputRequiredResult:
    return by_form(given, str((given.arguments or {}).get("message", "")), forms.USER)


def by_prompt(given: types.GetPromptRequestParams) -> types.GetPromptResult | types.InputRequiredResult:
    context = elicited(given, "user_context", "context")
    if context is None:
        return ask({"user_context": elicit("What context should the prompt use?", "context")})
    message = types.PromptMessage(role="user", content=text(f"In the context of {context}."))
    return types.GetPromptResult(messages=[message])


def within_capabilities(ctx: ServerRequestContext, given: Given) -> types.CallToolResult | types.InputRequiredResult:
    """Asks only for what this client said it can answer."""
    if given.input_responses:
        return done("Answered within the client's capabilities.")
    able = ctx.session.client_capabilities or types.ClientCapabilities()
    wanted: dict[str, types.InputRequest] = {}
    if able.sampling is not None:
        wanted["model"] = sample("Say hello")
    if able.elicitation is not None:
        wanted["user"] = elicit("What is your name?", "name")
    return ask(wanted) if wanted else done("The client can answer nothing.")


ROUND_TOOLS: dict[str, Callable[[types.CallToolRequestParams], types.CallToolResult | types.InputRequiredResult]] = {
    "test_sampling": by_question,
    "test_elicitation": by_user_form,
    "test_elicitation_sep1034_defaults": lambda given: by_form(given, "Please check the defaults", forms.DEFAULTS),
    "test_elicitation_sep1330_enums": lambda given: by_form(given, "Please choose", forms.ENUMS),
    "test_input_required_result_elicitation": by_elicitation,
    "test_input_required_result_sampling": by_sampling,
    "test_input_required_result_list_roots": by_roots,
    "test_input_required_result_request_state": with_state,
    "test_input_required_result_tampered_state": with_state,
    "test_input_required_result_multiple_inputs": several,
    "test_input_required_result_multi_round": in_two_steps,
}
