"""What administration does to an OpenFGA server, through its official SDK: tuples, models and stores.

Not for decisions. The SDK honours proxy settings of the environment and resolves by itself; it is given
a session that does neither. Takes a quarter of a second to import, so nobody does without a server.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import anyio
from aiohttp import ClientError, ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from openfga_sdk import ApiClient, Configuration, OpenFgaApi
from openfga_sdk.configuration import RetryParams
from openfga_sdk.exceptions import ApiException, OpenApiException

from mcp_gateway.authorization.backends.openfga_client import Credential, Resolve
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TUPLES_PER_WRITE = 100
_TUPLES_PER_PAGE = 100
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.05
_CONDITION_DIFFERS = frozenset({"write_failed_due_to_invalid_input", "cannot_allow_duplicate_tuples_in_one_request"})
_NO_PLACE = frozenset({"validation_error", "invalid_tuple", "type_not_found", "relation_not_found"})


class Refused(AuthorizationUnavailable):
    """The server answered with an error; `error` is its own code."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"the relationship server refused with HTTP {status} {error}".rstrip())
        self.status = status
        self.error = error


class OpenFgaAdmin:
    """A `relay.Sink` for one store. Opens its connections on first use; closed by whoever made it."""

    def __init__(
        self,
        url: str,
        *,
        store: str | None,
        credential: Credential,
        resolve: Resolve,
        timeout_seconds: float,
        pinned: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`pinned` answers the id of the model tuples are written for, or refuses a server that is not the right one."""
        self._url = url.rstrip("/")
        self._store = store
        self._credential = credential
        self._resolve = resolve
        self._timeout_seconds = timeout_seconds
        self._pinned = pinned
        self._opening = anyio.Lock()
        self._api: OpenFgaApi | None = None

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        """Deletes first, so that what fails halfway leaves less, not more."""
        if len(deletes) + len(writes) <= _TUPLES_PER_WRITE:
            await self._write(deletes, writes)
            return
        for chunk in _chunks(deletes):
            await self._write(chunk, ())
        for chunk in _chunks(writes):
            await self._write((), chunk)

    async def tuples(self) -> AsyncGenerator[RelationshipTuple]:
        """Every tuple of the store; what is written meanwhile may be in it or not."""
        page: dict[str, Any] = {"page_size": _TUPLES_PER_PAGE, "consistency": "HIGHER_CONSISTENCY"}
        while True:
            answer = await self._call(lambda api, page=page: api.read(body=page))
            for one in answer.tuples:
                yield _tuple(one.key)
            if not answer.continuation_token:
                return
            page = {**page, "continuation_token": answer.continuation_token}

    async def create_store(self, name: str) -> str:
        """A new store's id."""
        return str((await self._call(lambda api: api.create_store(body={"name": name}))).id)

    async def write_model(self, model: Mapping[str, Any]) -> str:
        """Write a model in OpenFGA's JSON form; answers the id the server gave it."""
        answer = await self._call(lambda api: api.write_authorization_model(body=dict(model)))
        return str(answer.authorization_model_id)

    async def aclose(self) -> None:
        api, self._api = self._api, None
        if api is not None:
            await cast(Any, api).close()

    async def _write(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        try:
            await self._written(deletes, writes)
        except Refused as exc:
            if writes and (exc.status == 409 or exc.error in _CONDITION_DIFFERS):
                # One stands there with another condition: gone for a moment, then as it should be.
                await self._replace(deletes, writes)
            elif not writes or exc.error not in _NO_PLACE:
                raise
            elif len(deletes) + len(writes) > 1:
                # One has no place in the server's model; the others must not wait for it.
                await self._written(deletes, ())
                for row in writes:
                    await self._write((), [row])
            else:
                row = writes[0]
                _log.warning("the server's model has no place for %s %s %s", row.subject, row.relation, row.object)

    async def _replace(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for chunk in _chunks([*deletes, *writes]):
                    await self._written(chunk, ())
                await self._written((), writes)
            except Refused as exc:
                # Or a transaction of somebody else's was in the way.
                if exc.status != 409 or attempt == _ATTEMPTS:
                    raise
                await anyio.sleep(_PAUSE_SECONDS * attempt)
            else:
                return

    async def _written(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        body: dict[str, Any] = {"authorization_model_id": await self._pinned()} if self._pinned else {}
        if deletes:
            body["deletes"] = {"tuple_keys": [_key(row) for row in deletes], "on_missing": "ignore"}
        if writes:
            body["writes"] = {"tuple_keys": [_written_key(row) for row in writes], "on_duplicate": "ignore"}
        if deletes or writes:
            await self._call(lambda api: api.write(body=body))

    async def _call(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask with retries where asking twice is asking once: a new token, overload."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._asked(ask)
            except Refused as exc:
                again = exc.status == 429 or (exc.status == 401 and self._credential.refused())
                if not again or attempt == _ATTEMPTS:
                    raise
                await anyio.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable")

    async def _asked(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        api = self._api or await self._opened()
        header = await self._credential.header()
        if header is not None:
            api.api_client.set_default_header("Authorization", header)
        try:
            with anyio.fail_after(self._timeout_seconds):
                return await ask(api)
        except ApiException as exc:
            # The SDK keeps the body in the exception, and the body names tuples.
            failed = cast(Any, exc)
            raise Refused(int(failed.status or 0), str(failed.code or "")) from None
        except (TimeoutError, ClientError, OSError, OpenApiException, ValueError) as exc:
            raise AuthorizationUnavailable(f"the relationship server cannot be used: {type(exc).__name__}") from None

    async def _opened(self) -> OpenFgaApi:
        async with self._opening:
            if self._api is None:
                parts = urlsplit(self._url)
                host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
                try:
                    await self._resolve(host, port)  # a literal address is never given to the resolver below
                except OSError as exc:
                    raise AuthorizationUnavailable("the relationship server's host cannot be resolved") from exc
                self._api = await self._built()
            return self._api

    async def _built(self) -> OpenFgaApi:
        configuration = Configuration(
            api_url=self._url,
            store_id=self._store,
            timeout_millisec=int(self._timeout_seconds * 1000),
            retry_params=RetryParams(max_retry=0),
        )
        client = ApiClient(configuration)
        await client.rest_client.pool_manager.close()
        connector = TCPConnector(limit=4, resolver=_Resolver(self._resolve))
        client.rest_client.pool_manager = ClientSession(connector=connector, trust_env=False)
        return OpenFgaApi(client)


class _Resolver(AbstractResolver):
    """The gateway's own resolver, which knows the addresses that may be used."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in await self._resolve(host, port)
        ]

    async def close(self) -> None:
        return


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + _TUPLES_PER_WRITE] for start in range(0, len(rows), _TUPLES_PER_WRITE))


def _key(row: RelationshipTuple) -> dict[str, Any]:
    return {"user": row.subject, "relation": row.relation, "object": row.object}


def _written_key(row: RelationshipTuple) -> dict[str, Any]:
    if row.condition is None:
        return _key(row)
    return {**_key(row), "condition": {"name": row.condition.name, "context": dict(row.condition.context)}}


def _tuple(key: Any) -> RelationshipTuple:
    condition = key.condition
    kept = Condition(str(condition.name), dict(condition.context or {})) if condition is not None else None
    return RelationshipTuple(str(key.object), str(key.relation), str(key.user), kept)
