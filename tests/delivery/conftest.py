"""Fixtures of the delivery tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.delivery.harness import Oden, Rig


@pytest.fixture
async def oden() -> AsyncIterator[Oden]:
    stand_in = Oden()
    async with stand_in.listening():
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, oden: Oden) -> Rig:
    return Rig(tmp_path, oden)
