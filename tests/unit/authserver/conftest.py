from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.unit.authserver.desk import Desk, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    """The authorization server on loopback, its user mira not logged in yet."""
    async with open_desk(tmp_path) as opened:
        yield opened
