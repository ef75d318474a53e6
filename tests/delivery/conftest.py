"""Fixtures of the delivery tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.delivery.harness import Oden, Rig
from tests.delivery.recollection_rig import Gateway
from tests.mapping.recording import tag


@pytest.fixture
async def oden() -> AsyncIterator[Oden]:
    stand_in = Oden()
    async with stand_in.listening():
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, oden: Oden) -> Rig:
    return Rig(tmp_path, oden)


@pytest.fixture
async def gateway(rig: Rig) -> Gateway:
    """A gateway whose counters have gone on for five minutes of a run, all of which is at Oden."""
    gateway = Gateway(rig)
    gateway.map(tag(0.5, "Good", gateway.good % 65_536))
    await gateway.lives("A", minutes=5)
    return gateway
