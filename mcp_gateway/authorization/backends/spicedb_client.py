"""A SpiceDB server over gRPC: the few calls the backend makes, bounded in time. Needs the extra `spicedb`.

In the clear only to loopback, which gRPC itself enforces. No proxy is used. Every failure is an
AuthorizationUnavailable whose text holds gRPC's status and nothing a server wrote.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import Any

import anyio
import grpc
import grpc.aio
from authzed.api.v1 import (
    CheckBulkPermissionsPair,
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    Consistency,
    LookupResourcesRequest,
    LookupResourcesResponse,
    LookupSubjectsRequest,
    LookupSubjectsResponse,
    ReadRelationshipsRequest,
    Relationship,
    RelationshipFilter,
    RelationshipUpdate,
    WriteRelationshipsRequest,
    WriteSchemaRequest,
)
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from authzed.api.v1.schema_service_pb2 import DiffSchemaRequest
from authzed.api.v1.schema_service_pb2_grpc import SchemaServiceStub
from grpcutil import bearer_token_credentials, insecure_bearer_token_credentials

from mcp_gateway.authorization.backends.circuit import Circuit
from mcp_gateway.errors import AuthorizationUnavailable

_PAGE = 1000
_OPTIONS = (("grpc.enable_http_proxy", 0),)
_FULLY = Consistency(fully_consistent=True)


class NoSchema(AuthorizationUnavailable):
    """The server has no schema, or refuses ours."""


class SpiceDbClient:
    """Safe to share; gRPC connects on first use and again when a connection broke."""

    def __init__(self, endpoint: str, *, token: str, in_the_clear: bool, timeout_seconds: float) -> None:
        credentials = insecure_bearer_token_credentials(token) if in_the_clear else bearer_token_credentials(token)
        self._channel = grpc.aio.secure_channel(endpoint, credentials, options=_OPTIONS)
        # The SDK's type stubs know the calls of a blocking channel only.
        self._permissions: Any = PermissionsServiceStub(self._channel)
        self._schemas: Any = SchemaServiceStub(self._channel)
        self._timeout_seconds = timeout_seconds
        self.circuit = Circuit()
        self.failures = 0
        """Grows whenever the server could not be asked; what was verified before then is to be verified again."""

    async def check(
        self, items: Sequence[CheckBulkPermissionsRequestItem], consistency: Consistency
    ) -> Sequence[CheckBulkPermissionsPair]:
        request = CheckBulkPermissionsRequest(items=items, consistency=consistency)
        return (await self._asked(self._permissions.CheckBulkPermissions(request))).pairs

    async def write(self, updates: Sequence[RelationshipUpdate]) -> str:
        """All or none; the token of the state in which they stand."""
        answer = await self._asked(self._permissions.WriteRelationships(WriteRelationshipsRequest(updates=updates)))
        return str(answer.written_at.token)

    async def read(self, wanted: RelationshipFilter) -> list[Relationship]:
        """Every relationship the filter fits, fully consistent."""
        found: list[Relationship] = []
        request = ReadRelationshipsRequest(consistency=_FULLY, relationship_filter=wanted, optional_limit=_PAGE)
        while True:
            page = await self._asked(_all(self._permissions.ReadRelationships(request)))
            found += [one.relationship for one in page]
            if len(page) < _PAGE:
                return found
            request.optional_cursor.CopyFrom(page[-1].after_result_cursor)

    async def objects(self, request: LookupResourcesRequest) -> list[LookupResourcesResponse]:
        return await self._asked(_all(self._permissions.LookupResources(request)))

    async def subjects(self, request: LookupSubjectsRequest) -> list[LookupSubjectsResponse]:
        return await self._asked(_all(self._permissions.LookupSubjects(request)))

    async def has_schema(self, text: str) -> bool:
        """Whether the server's schema says the same as `text`."""
        request = DiffSchemaRequest(comparison_schema=text, consistency=_FULLY)
        try:
            return not (await self._asked(self._schemas.DiffSchema(request))).diffs
        except NoSchema:
            return False

    async def write_schema(self, text: str) -> None:
        await self._asked(self._schemas.WriteSchema(WriteSchemaRequest(schema=text)))

    async def aclose(self) -> None:
        await self._channel.close()

    async def _asked(self, answer: Awaitable[Any]) -> Any:
        if not self.circuit.admits(time.monotonic()):
            raise AuthorizationUnavailable("the relationship server keeps failing; it is tried again shortly")
        try:
            with anyio.fail_after(self._timeout_seconds):
                found = await answer
        except TimeoutError as exc:
            self._failed()
            raise AuthorizationUnavailable("the relationship server did not answer in time") from exc
        except grpc.aio.AioRpcError as exc:
            raise self._translated(exc) from exc
        self.circuit.succeeded()
        return found

    def _translated(self, exc: grpc.aio.AioRpcError) -> AuthorizationUnavailable:
        code = exc.code()
        if code in _REFUSALS:
            self.circuit.succeeded()
            refusal = NoSchema if code in _NO_SCHEMA else AuthorizationUnavailable
            return refusal(f"the relationship server refused with {code.name}")
        self._failed()
        return AuthorizationUnavailable(f"the relationship server cannot be asked: {code.name}")

    def _failed(self) -> None:
        self.failures += 1
        self.circuit.failed(time.monotonic())


async def _all(stream: Any) -> list[Any]:
    return [one async for one in stream]


_NO_SCHEMA = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
_REFUSALS = (
    *_NO_SCHEMA,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ALREADY_EXISTS,
)
