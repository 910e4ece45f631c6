"""The server: the doors over an office, and what runs beside them. The order of the guards is a list here."""

from __future__ import annotations

import gc
import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_network

import anyio
import anyio.to_thread
from starlette.routing import BaseRoute, Mount

from mcp_gateway import api, protocol
from mcp_gateway.authorization import ungoverned
from mcp_gateway.authserver import ALGORITHM, TOKEN_TYPE, AuthServer, RegisteredClient, routes
from mcp_gateway.authserver import Sessions as LoginSessions
from mcp_gateway.compose.checkpoints import last_checkpoint, run_checkpoints
from mcp_gateway.compose.health import probes
from mcp_gateway.compose.metrics import metrics
from mcp_gateway.compose.office import Office, observed, office, policies, rules, shipped
from mcp_gateway.compose.overload import run_overload
from mcp_gateway.compose.retention import run_retention
from mcp_gateway.compose.sinks import require_sinks, run_sinks
from mcp_gateway.compose.tracing import Tracing, rooms
from mcp_gateway.consent import Ledger, Offers
from mcp_gateway.errors import OperatorError, Unauthenticated
from mcp_gateway.guards import ConcurrencyGuard, Guards, SchemaGuard, param_headers
from mcp_gateway.identity import Identity, KeySource, MembershipClaims, RemoteKeys, TrustedIssuer
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import Upstream
from mcp_gateway.settings import IssuerSettings, Settings
from mcp_gateway.storage.sessions import EndedSessions
from mcp_gateway.storage.switches import Switches
from mcp_gateway.transport.app import Application
from mcp_gateway.transport.challenge import endpoint_path
from mcp_gateway.transport.conversation import Questions
from mcp_gateway.transport.edge import Origins
from mcp_gateway.transport.exchange import Parts
from mcp_gateway.transport.inflight import InFlight
from mcp_gateway.transport.lists import Pages
from mcp_gateway.transport.looking import Looking
from mcp_gateway.transport.parking import Parking
from mcp_gateway.transport.probes import Probes
from mcp_gateway.transport.rounds import Rounds
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.transport.serving import serve as listen
from mcp_gateway.transport.sessions import Sessions
from mcp_gateway.transport.shedding import Shedding
from mcp_gateway.transport.states import States
from mcp_gateway.transport.streams import Streams
from mcp_gateway.transport.tasks import Tasks
from mcp_gateway.transport.waits import Waits
from mcp_gateway.upkeep import Upkeep
from mcp_gateway.upstream.listening import Ears
from mcp_gateway.watch import Watch

_log = logging.getLogger(__name__)

API_PATH = "/api/v1"
_FOREIGN_LEEWAY_SECONDS = 60.0
_MOST_CONNECTIONS = 40_000
_COLLECT_AFTER = 20_000
"""New objects between two looks of the collector; some 100 requests."""


async def serve(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM; raises OperatorError when the configuration does not allow a start."""
    refused: OperatorError | None = None
    async with office(settings) as made:
        # The office owns task groups, which would wrap what is raised through them.
        try:
            await _serve(made, ready)
        except OperatorError as exc:
            refused = exc
    if refused is not None:
        raise refused
    await last_checkpoint(settings)


async def _serve(made: Office, ready: Callable[[], None]) -> None:
    settings = made.settings
    await made.relationships.require()
    require_sinks(settings)
    await _first_start(made)
    connections = _connections()
    inflight = InFlight(settings.limits.concurrency, shedding=Shedding(patience_seconds=settings.overload.patience))
    waits = Waits(inflight)
    parking = Parking(inflight, waits)
    upkeep = _upkeep(made)
    ready_to = probes(made)
    traces = Tracing(settings.traces)
    app, streams = await _application(made, inflight, parking, connections, ready_to, traces)
    counting = metrics(made, inflight, streams, app.sessions)
    await upkeep.declare()
    await made.feed.catch_up()
    ready_to.started()

    async with anyio.create_task_group() as tasks:
        _settle_memory()
        tasks.start_soon(inflight.run)
        tasks.start_soon(parking.run)
        tasks.start_soon(upkeep.run)
        tasks.start_soon(made.relationships.run, partial(_forget, made, streams))
        tasks.start_soon(run_checkpoints, made)
        tasks.start_soon(run_sinks, made)
        tasks.start_soon(run_retention, made)
        tasks.start_soon(run_overload, made.journal, inflight.shedding.turned_away)
        tasks.start_soon(streams.run)
        if counting is not None:
            tasks.start_soon(counting.run)
        upkeep.attend(streams.announced)
        made.upstreams.attend(Ears(changed=upkeep.look_soon, updated=streams.updated))
        tasks.start_soon(Looking(streams).run)
        # The protocol tables take a second to import; the first request should not wait for them.
        tasks.start_soon(anyio.to_thread.run_sync, protocol.load)
        tasks.start_soon(traces.run)
        await listen(
            app,
            server=settings.server,
            host=settings.host,
            port=settings.port,
            inflight=inflight,
            connections=connections,
            ready=ready,
            stopping=partial(_stop_taking, made, inflight, streams, parking, ready_to),
        )
        await traces.flush()
        tasks.cancel_scope.cancel()


def _forget(made: Office, streams: Streams) -> None:
    """Relationships changed elsewhere than in the store."""
    made.authorization.forget()
    streams.stir()


def _stop_taking(made: Office, inflight: InFlight, streams: Streams, parking: Parking, ready_to: Probes) -> None:
    """New requests are refused, streams end; what is under way goes on."""
    ready_to.stopping()
    inflight.close()
    made.events.close()
    streams.close()
    parking.close()


def _connections() -> int:
    """How many the operating system lets us hold, some left for files and upstreams; listening clients hold one each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, soft * 3 // 4)


def _settle_memory() -> None:
    """What a start leaves behind stays for good: the collector need not look at it every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


def _upkeep(made: Office) -> Upkeep:
    async def reload_policies(upstreams: Sequence[Upstream]) -> None:
        model = policies(made.settings.policies, upstreams)
        # Hundreds of expressions take a second to compile; calls go on meanwhile.
        book = await anyio.to_thread.run_sync(rules, made.settings, model, upstreams)
        if model.model_id != made.vocabulary.model.model_id:
            relationships = made.relationships.of(model)
            await made.relationships.require(relationships)
            await made.authorization.adopt(relationships, made.database)
            made.vocabulary.model = model
        if book.book_id != made.authorization.book.book_id:
            made.authorization.adopt_rules(book)
        denied = ungoverned(model.legs)
        if denied:
            _log.warning(
                "the relationship model does not govern %ss: each is denied; see mcp-gateway policy validate",
                "s and ".join(denied),
            )
        only_observed = observed(book, upstreams)
        if only_observed:
            _log.warning(
                "only observed; what would be denied is recorded and let through: %s", ", ".join(only_observed)
            )

    upkeep = Upkeep(
        made.feed,
        made.catalog,
        made.review,
        made.upstreams,
        registry_dir=made.settings.registry,
        policies_dir=made.settings.policies,
        reload_policies=reload_policies,
        discovery_seconds=made.settings.discovery_seconds,
    )
    made.feed.add(upkeep)
    return upkeep


async def _application(
    made: Office, inflight: InFlight, parking: Parking, connections: int, ready_to: Probes, traces: Tracing
) -> tuple[Application, Streams]:
    settings = made.settings
    sealer = Sealer(made.data_dir.seal_keys(), clock=time.time)
    ended, switches = EndedSessions(made.database), Switches(made.database)
    identity = Identity(made.database, _issuers(settings, made.keys))
    for follower in (ended, switches, identity):
        await follower.load()
        made.feed.add(follower)
    traced = rooms(settings.traces)
    gateway = traced.gateway(
        feed=made.feed,
        identity=identity,
        catalog=made.catalog,
        authorization=made.authorization,
        guards=Guards(
            [*traced.guards, param_headers, SchemaGuard(), ConcurrencyGuard(settings.limits.concurrency_per_principal)]
        ),
        upstreams=made.upstreams,
        journal=made.journal,
    )
    streams = Streams(
        Watch(gateway), want=made.upstreams.watch, session_ended=ended.__contains__, limit=connections // 2
    )
    made.feed.add(streams)
    parts = Parts(
        gateway=gateway,
        origins=Origins.of(settings.origins),
        sessions=Sessions(sealer, end=ended.add, ended=ended.__contains__),
        pages=Pages(sealer),
        tasks=Tasks(sealer),
        rounds=Rounds(States(sealer), parking),
        questions=Questions(parking.waits),
        inflight=inflight,
        streams=streams,
        max_body_bytes=settings.limits.body_bytes,
        trusted_proxies=[ip_network(text) for text in settings.trusted_proxies],
        traces=traces.incoming,
    )
    login_sessions = LoginSessions(made.users, sealer, ended, switches)
    app = Application(
        parts,
        [*await _login_routes(made, sealer, login_sessions), _api_mount(made, login_sessions, identity)],
        authorization_servers=[issuer.issuer for issuer in settings.issuers],
        auth_md=shipped("auth.md", "auth.md").read_text(encoding="utf-8"),
        probes=ready_to,
        answer=traces.answer,
    )
    return app, streams


async def _login_routes(made: Office, sealer: Sealer, sessions: LoginSessions) -> list[BaseRoute]:
    settings = made.settings
    server = AuthServer(
        public_urls=settings.origins,
        database=made.database,
        users=made.users,
        keys=made.keys,
        sessions=sessions,
        seals=sealer,
        journal=made.journal,
        offers=Offers(made.feed, made.catalog, made.authorization, settings.self_grant),
        ledger=Ledger(made.administration, settings.self_grant),
        known_resource=partial(_known_resource, made),
        fetch=_fetch,
        registration=settings.registration_open,
        registered=[
            RegisteredClient(agent.id, tuple(agent.redirect_uris), agent.name or agent.id)
            for agent in settings.agents.registered
        ],
        document_hosts=settings.login.client_documents,
    )
    await server.load()
    return routes(server)


def _api_mount(made: Office, sessions: LoginSessions, identity: Identity) -> BaseRoute:
    async def person_of_cookies(cookies: Mapping[str, str]) -> Person | None:
        await made.feed.keep_up()
        return sessions.person(cookies)

    async def person_of_bearer(authorization: str) -> Person:
        """A token for the API itself; an agent cannot get one through the login."""
        await made.feed.keep_up()
        refusal = Unauthenticated(code="token.wrong_audience")
        for origin in made.settings.origins:
            try:
                principal = await identity.authenticate(authorization, origin + API_PATH)
            except Unauthenticated as exc:
                refusal = exc
                if exc.code != "token.wrong_audience":
                    break
            else:
                return Person(principal.user, principal.token_id)
        raise refusal

    desk = api.Desk(
        made.inspection, made.administration, person_of_cookies, person_of_bearer, tuple(made.settings.origins)
    )
    return Mount("/", api.app(desk))


async def _first_start(made: Office) -> None:
    """A gateway started without `setup` still has its administrator; the password is said once."""
    password = await made.administration.setup(actor="gateway")
    if password is not None:
        print(f"First start: user admin, password {password} (shown once)", flush=True)


def _issuers(settings: Settings, keys: KeySource) -> list[TrustedIssuer]:
    local = [TrustedIssuer("local", origin, (), (ALGORITHM,), (TOKEN_TYPE,), 0.0, keys) for origin in settings.origins]
    return local + [_foreign(issuer) for issuer in settings.issuers]


def _foreign(issuer: IssuerSettings) -> TrustedIssuer:
    return TrustedIssuer(
        alias=issuer.alias,
        issuer=issuer.issuer,
        audiences=tuple(issuer.audiences),
        algorithms=tuple(issuer.algorithms),
        token_types=tuple(issuer.token_types),
        leeway_seconds=_FOREIGN_LEEWAY_SECONDS,
        keys=RemoteKeys(issuer.jwks_uri, partial(_fetch, network=issuer.network)),
        memberships=MembershipClaims(issuer.claims.groups, issuer.claims.roles, issuer.claims.tenant),
    )


def _known_resource(made: Office, url: str) -> str | None:
    """The endpoint `url` names; scheme and host in any case, one trailing slash forgiven (RFC 8707 §2)."""
    wanted = url.rstrip("/")
    return next((known for known in resources(made) if known.lower() == wanted.lower()), None)


def resources(made: Office) -> Sequence[str]:
    """Every endpoint URL tokens can be for."""
    endpoints = (None, *made.catalog.upstreams)
    return [origin + endpoint_path(endpoint) for origin in made.settings.origins for endpoint in endpoints]


async def _fetch(url: str, *, network: Sequence[str] = ()) -> bytes:
    """A document of elsewhere; its HTTP client is seven megabytes, for those who need one."""
    from mcp_gateway.upstream.fetch import fetch

    return await fetch(url, network=network)
