"""The SpiceDB client without a server: nobody there is no answer, and what it says of that holds no secret."""

from __future__ import annotations

import pytest
from authzed.api.v1 import Consistency

from mcp_gateway.authorization.backends.spicedb_client import SpiceDbClient
from mcp_gateway.errors import AuthorizationUnavailable
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio

TOKEN = "hidden-from-everybody"


async def test_a_server_that_is_gone_is_no_answer_and_is_soon_not_waited_for() -> None:
    client = SpiceDbClient(f"127.0.0.1:{free_port()}", token=TOKEN, in_the_clear=True, timeout_seconds=5.0)
    try:
        for _ in range(3):
            with pytest.raises(AuthorizationUnavailable, match="cannot be asked: UNAVAILABLE") as raised:
                await client.check([], Consistency(fully_consistent=True))
            assert TOKEN not in str(raised.value)
        with pytest.raises(AuthorizationUnavailable, match="keeps failing"):
            await client.has_schema("definition user {}")
        assert client.failures == 3
    finally:
        await client.aclose()
