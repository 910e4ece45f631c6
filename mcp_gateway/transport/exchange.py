"""One request between the door and the gateway: what is known of it, and its verbs in either era."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anyio
import orjson

from mcp_gateway.errors import AccessDenied, BadRequest, Declined, GatewayError, UpstreamProtocolError
from mcp_gateway.gateway import Gateway
from mcp_gateway.model.call import Answer, Era, Request
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import JsonObject, Kind
from mcp_gateway.model.trace import Incoming, Trace
from mcp_gateway.protocol import HTTP_STATUS
from mcp_gateway.transport import bridge
from mcp_gateway.transport.challenge import challenge
from mcp_gateway.transport.classify import capabilities_of, meta_of, progress_token
from mcp_gateway.transport.conversation import Conversation, Questions
from mcp_gateway.transport.edge import Network, Origins, forwarded_for
from mcp_gateway.transport.inflight import Flight, InFlight
from mcp_gateway.transport.lists import Pages
from mcp_gateway.transport.params import an_object, completion, text
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.rounds import Rounds, task_shown_to
from mcp_gateway.transport.session_states import SessionStates
from mcp_gateway.transport.sessions import Session, Sessions
from mcp_gateway.transport.streams import Streams
from mcp_gateway.transport.tasks import Tasks, renamed, require_extension
from mcp_gateway.transport.turns import INPUT_REQUIRED, Turn, returned
from mcp_gateway.verbs import Called


class Bridged(Protocol):
    """A result as the client's era has it."""

    def __call__(self, result: JsonObject, /, *, client: Era) -> JsonObject: ...


META_LOG_LEVEL = "io.modelcontextprotocol/logLevel"
_PARAM_PREFIX = "mcp-param-"
_NOTHING: Mapping[str, Any] = {}
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Parts:
    """What every exchange uses."""

    gateway: Gateway
    origins: Origins
    sessions: Sessions
    pages: Pages
    tasks: Tasks
    rounds: Rounds
    questions: Questions
    inflight: InFlight
    streams: Streams
    max_body_bytes: int
    trusted_proxies: Sequence[Network] = ()
    """Whose `X-Forwarded-For` counts."""
    states: SessionStates = field(default_factory=SessionStates)
    traces: Incoming = field(default_factory=Incoming)


class Exchange:
    """Filled in as the door learns more; the attributes below the blank line exist once the step has passed."""

    __slots__ = (
        "_asked_as",
        "_conversation",
        "asked",
        "called",
        "endpoint",
        "era",
        "flight",
        "headers",
        "join",
        "message",
        "origin",
        "parts",
        "peer",
        "principal",
        "reply",
    )

    def __init__(self, parts: Parts, reply: Reply, endpoint: str | None) -> None:
        self.parts = parts
        self.reply = reply
        self.endpoint = endpoint
        self.era = Era.LEGACY
        self.origin = ""
        self.peer: str | None = None
        self.called: Called | None = None
        self._asked_as: Request | None = None
        self._conversation: Conversation | None = None
        self.asked: Sequence[str] = ()
        self.join: Callable[[Mapping[str, Any], Mapping[str, str]], Trace | None] = parts.traces.trace
        """From `_meta` and headers to the trace the request belongs to."""

        self.headers: Mapping[str, str]
        self.principal: Principal
        self.flight: Flight
        self.message: Mapping[str, Any]

    @property
    def params(self) -> Mapping[str, Any]:
        return self.message.get("params", _NOTHING)

    def session(self) -> Session:
        return self.parts.sessions.find(self.headers.get("mcp-session-id"), self.principal)

    def request(self, version: str, session: Session | None = None) -> Request:
        """The client's request as the rooms see it."""
        params = self.params
        meta = self._meta(params, session)
        self._asked_as = made = Request(
            id=self.reply.request_id,
            era=self.era,
            protocol_version=version,
            endpoint=self.endpoint,
            progress_token=progress_token(params),
            meta=meta,
            client_session=session.digest if session else None,
            param_headers=_param_headers(self.headers),
            address=self._address(),
            capabilities=session.capabilities if session else capabilities_of(params),
            trace=self.join(meta, self.headers),
        )
        return made

    def _meta(self, params: Mapping[str, Any], session: Session | None) -> Mapping[str, Any]:
        """With the session's log level, which a modern upstream is told with each request."""
        level = self.parts.states.level(session.digest) if session else None
        return meta_of(params) if level is None else {META_LOG_LEVEL: level, **meta_of(params)}

    def _address(self) -> str | None:
        """Where the request comes from: the connection's other end, or what a trusted proxy there says."""
        trusted = self.parts.trusted_proxies
        return forwarded_for(self.peer, self.headers.get("x-forwarded-for"), trusted) if trusted else self.peer

    async def list(self, request: Request, kind: Kind) -> None:
        offer = await self.parts.gateway.list(request, self.principal, kind)
        page = self.parts.pages.page(offer, request, self.principal, cursor=self.params.get("cursor"))
        await self.reply.raw_result(page)

    async def call_tool(self, request: Request) -> None:
        params = self.params
        name, arguments = text(params, "name"), an_object(params, "arguments")
        self.called = (request, Kind.TOOL, name, arguments)
        if self.era is Era.MODERN and (request.capabilities or "requestState" in params or "inputResponses" in params):
            answer = await self._take(self.called)
        else:
            answer = await self.parts.gateway.call_tool(request, self.principal, name, arguments, self)
            if answer.item is not None:
                answer = await self.parts.rounds.asked_back(self._turn(self.called), self, answer)
        if answer.result is not None and answer.result.get("resultType") == "task":
            ref = self.parts.gateway.began(request, name, arguments)
            answer = replace(answer, result=self.parts.tasks.handed_out(answer.result, self.principal, ref))
        await self._answer(answer, bridge.call_result)

    async def use_task(self, request: Request, method: str) -> None:
        require_extension(request.capabilities)
        handle, ref = self.parts.tasks.find(self.params, self.headers, self.principal)
        params = {name: value for name, value in self.params.items() if name not in ("taskId", "_meta")}
        answer = await self.parts.gateway.use_task(request, self.principal, method, ref, params, self)
        if answer.result is not None:
            found = task_shown_to(request, answer.result, ref.server)
            answer = replace(answer, result=renamed(found, ref, handle))
        await self._answer(answer, bridge.plain_result)

    async def get_prompt(self, request: Request) -> None:
        name, arguments = text(self.params, "name"), an_object(self.params, "arguments")
        self.called = (request, Kind.PROMPT, name, arguments)
        await self._answer(await self._take(self.called), bridge.plain_result)

    async def read_resource(self, request: Request) -> None:
        uri = text(self.params, "uri")
        self.called = (request, Kind.RESOURCE, uri, _NOTHING)
        try:
            answer = await self._take(self.called)
        except AccessDenied as exc:
            exc.uri = uri
            raise
        asks = answer.result is not None and answer.result.get("resultType") == INPUT_REQUIRED
        await self._answer(answer, bridge.plain_result if asks else bridge.read_result)

    async def complete(self, request: Request) -> None:
        asked = completion(self.params)
        await self._answer(await self.parts.gateway.complete(request, self.principal, asked, self), bridge.plain_result)

    async def _answer(self, answer: Answer, bridged: Bridged) -> None:
        if answer.result is not None:
            await self._relay(bridged(answer.result, client=self.era))
        else:
            error = bridge.error(answer.error or {}, client=self.era)
            await self.reply.upstream_error(error, status=self._status_of_code(error.get("code")))

    async def notify(self, message: Mapping[str, Any], /) -> None:
        key = self.flight.key
        if key is None or not self.parts.states.mutes(key[0], message):
            await self.reply.notify(message)

    def _turn(self, called: Called) -> Turn:
        return Turn(self.parts.gateway, self.principal, called)

    async def _take(self, called: Called) -> Answer:
        """The answer to a request whose client may be asked something on the way."""
        turn, rounds = self._turn(called), self.parts.rounds
        if self.era is Era.MODERN:
            return await rounds.take(turn, self, returned(self.params))
        answer = await turn.make(self)
        return answer if answer.item is None else await rounds.asked_back(turn, self, answer)

    def answered(self, facts: Sequence[str]) -> None:
        self.asked = facts

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Only a legacy client can be asked on the way; raises Declined."""
        if self.called is None:
            raise Declined("this client cannot be asked on the way")
        return await self.put(method, params, server=self.parts.gateway.asker(self.principal, self.called))

    async def put(self, method: str, params: Mapping[str, Any], *, server: str | None) -> Mapping[str, Any]:
        request = self._asked_as
        if request is None or request.client_session is None:
            raise Declined("this client cannot be asked on the way")
        conversation = self._conversation
        if conversation is None:
            conversation = self._conversation = Conversation(
                self.parts.questions,
                self.reply,
                self.flight,
                session=request.client_session,
                who=(self.principal.user, self.principal.agent),
                server=self.endpoint or server or "",
                capabilities=request.capabilities,
            )
            self.asked = conversation.asked
        result = await conversation.ask(method, params, server=server)
        await self._still_admitted()
        return result

    async def _still_admitted(self) -> None:
        """A person took their time: what was taken back meanwhile ends the call before the answer has an effect."""
        refusal = await self.ended() or await self.refused()
        if refusal is not None:
            self.flight.refuse(refusal)
            await anyio.sleep_forever()

    async def ended(self) -> GatewayError | None:
        """What would refuse whoever sent this if it came now."""
        return await self.parts.gateway.ended(self.principal)

    async def refused(self) -> GatewayError | None:
        """What would refuse this call by its tool and arguments if it came now."""
        return await self.parts.gateway.refused(self.principal, self.called) if self.called else None

    async def refuse_ended(self, refusal: GatewayError) -> None:
        """Record that the right to this request ended while it ran, and say so; always raises."""
        name = self.called[2] if self.called else None
        await self.parts.gateway.record_ended(self.reply.request_id, self.principal, name, refusal)
        raise AccessDenied(None, code="access.ended") from refusal

    async def _relay(self, result: Mapping[str, Any]) -> None:
        try:
            await self.reply.result(result)
        except orjson.JSONEncodeError as exc:
            raise UpstreamProtocolError("the upstream's result is nested too deeply to pass on") from exc

    def challenge(self, error: GatewayError) -> list[tuple[bytes, bytes]]:
        value = challenge(error, origin=self.origin, endpoint=self.endpoint)
        return [(b"www-authenticate", value.encode())]

    def status_of(self, error: GatewayError) -> int | None:
        """In the legacy era a refused method is an ordinary JSON-RPC answer; None = the table's status."""
        answered = self.era is Era.LEGACY and self.reply.message_id is not None
        return 200 if answered and error.code == "request.unknown_method" else None

    def _status_of_code(self, code: object) -> int:
        if self.era is Era.LEGACY or not isinstance(code, int):
            return 200
        return HTTP_STATUS.get(code, 200)


def _param_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    found = [name for name in headers if name.startswith(_PARAM_PREFIX)]
    return {name: headers[name] for name in found} if found else _NO_HEADERS


def unknown_method() -> BadRequest:
    return BadRequest("this method is not supported", code="request.unknown_method")
