"""What large servers and many reconnects cost: the measures of `measures`, each in a process of its own, which nothing
else grows."""

import asyncio
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

from tests.real_peers.measures import MEASURES


@pytest.mark.parametrize("what", MEASURES)
async def test_a_large_server_is_listed_and_watched_and_reconnects_leave_nothing_behind(what: str) -> None:
    """20,000 nodes are each listed once, 5,000 inputs are watched, within so much CPU; memory, sockets and sessions are
    the same after a hundred reconnects."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.real_peers.measures",
        what,
        cwd=Path(__file__).parents[2],
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, told.decode()[-2_000:]
