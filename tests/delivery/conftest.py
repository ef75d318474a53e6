"""Fixtures of the delivery tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.delivery.harness import Oden, Rig


@pytest.fixture
async def oden() -> AsyncIterator[Oden]:
    stand_in = Oden()
    await stand_in.server.start_server()
    yield stand_in
    await stand_in.server.close()


@pytest.fixture
def rig(tmp_path: Path, oden: Oden) -> Rig:
    return Rig(tmp_path, oden)
