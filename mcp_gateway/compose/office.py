"""The office: everything but the doors, over one data directory. The command line works with it, and so does the server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from mcp_gateway.administration import Administration
from mcp_gateway.audit import Journal, Trail
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.authorization import Authorization
from mcp_gateway.authorization.engine.model import Model, load_model
from mcp_gateway.authorization.language.files import find_model
from mcp_gateway.authorization.rules import RuleBook, load_rules
from mcp_gateway.authserver.keys import KeyRing
from mcp_gateway.authserver.users import Users
from mcp_gateway.catalog import Catalog, Review
from mcp_gateway.compose.relationships import Backend, backend
from mcp_gateway.compose.tracing import rooms
from mcp_gateway.guards.schema_lint import lint
from mcp_gateway.inspection import EventBoard, Inspection
from mcp_gateway.model.tool import JsonObject, Kind, Mode, ToolPolicy, Upstream
from mcp_gateway.protocol import invalid_header_annotation
from mcp_gateway.settings import Settings
from mcp_gateway.storage import ChangeFeed, Database
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.storage.database import migrate
from mcp_gateway.upstream import Limits, Upstreams, unusable


@dataclass(slots=True)
class Vocabulary:
    """The relationship model in force; replaced whole when the policy files change."""

    model: Model

    def validate_tuple(
        self,
        object_: str,
        relation: str,
        subject: str,
        condition: str | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.model.validate_tuple(object_, relation, subject, condition, context=context)


@dataclass(frozen=True, slots=True)
class Office:
    """What the command line and the server both work with, over one data directory."""

    settings: Settings
    data_dir: DataDir
    database: Database
    feed: ChangeFeed
    journal: Journal
    users: Users
    keys: KeyRing
    upstreams: Upstreams
    catalog: Catalog
    review: Review
    vocabulary: Vocabulary
    relationships: Backend
    authorization: Authorization
    administration: Administration
    inspection: Inspection
    events: EventBoard
    personal: Personal


@asynccontextmanager
async def office(settings: Settings) -> AsyncGenerator[Office]:
    """Everything but the doors; makes the data directory where there is none. Raises OperatorError."""
    data_dir = DataDir(settings.data_dir)
    data_dir.prepare()
    await anyio.to_thread.run_sync(migrate, data_dir.database)
    database = Database(data_dir.database)
    feed = ChangeFeed(database)
    events = EventBoard()
    personal = Personal(data_dir.people)
    limits = Limits(response_bytes=settings.limits.answer_bytes)
    try:
        async with (
            Upstreams(data_dir.secrets, limits=limits) as upstreams,
            rooms(settings.traces).journal(
                data_dir.audit, durability=settings.audit.durability, observe=events.decided, personal=personal
            ) as journal,
            backend(settings, data_dir, database) as relationships,
        ):
            made = _office(settings, data_dir, database, feed, journal, upstreams, events, relationships, personal)
            await feed.begin()
            await made.authorization.load(database)
            await made.catalog.load()
            yield made
    finally:
        events.close()
        feed.close()
        await database.close()


def _office(
    settings: Settings,
    data_dir: DataDir,
    database: Database,
    feed: ChangeFeed,
    journal: Journal,
    upstreams: Upstreams,
    events: EventBoard,
    relationships: Backend,
    personal: Personal,
) -> Office:
    vocabulary = Vocabulary(policies(settings.policies, ()))
    book = rules(settings, vocabulary.model, ())
    authorization = rooms(settings.traces).authorization(relationships.of(vocabulary.model), book=book)
    journal.policy = lambda: authorization.book.book_id
    catalog = Catalog(database)
    review = Review(database, upstreams.list_tools, _lint)
    users = Users(data_dir.users)
    for follower in (authorization, catalog, events):
        feed.add(follower)
    return Office(
        settings=settings,
        data_dir=data_dir,
        database=database,
        feed=feed,
        journal=journal,
        users=users,
        keys=KeyRing(data_dir.keys),
        upstreams=upstreams,
        catalog=catalog,
        review=review,
        vocabulary=vocabulary,
        relationships=relationships,
        authorization=authorization,
        administration=Administration(
            database,
            journal,
            vocabulary,
            users=users,
            review=review,
            personal=personal,
            registry=settings.registry,
            check_policies=partial(check_policies, settings),
        ),
        inspection=Inspection(
            catalog=catalog, authorization=authorization, trail=Trail(data_dir.audit), feed=feed, events=events
        ),
        events=events,
        personal=personal,
    )


def policies(directory: Path, upstreams: Sequence[Upstream]) -> Model:
    """The model in `directory`, or the shipped one; raises OperatorError when it, or its fit to the registry, is wrong."""
    model = load_model(model_path(directory))
    for upstream in upstreams:
        for kind, name, policy in _named(upstream):
            for rule in policy.resources:
                where = f"registry: {upstream.name}.{kind}s.{name}"
                model.require_governed(rule.type, rule.relation, where=where)
    return model


def _named(upstream: Upstream) -> Iterator[tuple[Kind, str, ToolPolicy]]:
    """Everything the registry names one by one; templates are among the resources there."""
    by_kind = {Kind.TOOL: upstream.tools, Kind.PROMPT: upstream.prompts, Kind.RESOURCE: upstream.resources}
    for kind, named in by_kind.items():
        for name, policy in named.items():
            yield kind, name, policy


def model_path(directory: Path) -> Path:
    """`directory` when it holds a model, else the folder of the shipped one."""
    return directory if find_model(directory).exists() else shipped("policies", "policies")


def rules(settings: Settings, model: Model, upstreams: Sequence[Upstream]) -> RuleBook:
    """The rules beside the model; names of servers and tools are looked up in `upstreams`, unless there are none."""
    return load_rules(settings.policies, model=model, upstreams=upstreams, mode=settings.mode)


def observed(book: RuleBook, upstreams: Sequence[Upstream]) -> Sequence[str]:
    """Everything that is declared to observe, for people: the gateway, servers, tools and rules."""
    found = ["the gateway"] if book.mode is Mode.OBSERVE else []
    for upstream in upstreams:
        found += [f"server {upstream.name}"] if upstream.mode is Mode.OBSERVE else []
        alone = [(kind, name) for kind, name, policy in _named(upstream) if _observes_alone(policy, upstream)]
        found += [f"{kind} {upstream.name}/{name}" for kind, name in alone]
    return found + [f"rule {rule.id}" for rule in book.rules if rule.mode is Mode.OBSERVE]


def _observes_alone(tool: ToolPolicy, upstream: Upstream) -> bool:
    return tool.mode is Mode.OBSERVE and upstream.mode is not Mode.OBSERVE


def check_policies(settings: Settings, upstreams: Sequence[Upstream]) -> None:
    """Raises OperatorError for the first mistake in the policy files, or in their fit to the registry."""
    rules(settings, policies(settings.policies, upstreams), upstreams)


def _lint(definition: JsonObject) -> str | None:
    """Why a tool would break clients or cannot be checked, None when it is fine."""
    schema: Any = definition.get("inputSchema")
    return unusable(definition) or lint(schema) or invalid_header_annotation(schema)


def shipped(name: str, in_checkout: str) -> Path:
    """A file that ships with the package, or stands in a checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / name
    return packaged if packaged.exists() else package.parent / in_checkout
