"""A sample of the campaign in real time; `make campaign` runs more of it, and longer."""

from pathlib import Path

import pytest

from gateway.simulator.oden.faults import KINDS, read_fault
from tests.campaign.real import real
from tests.campaign.real_schedule import REACH, real_schedule

SEED, SECONDS = 3, 42.0


async def test_p3_p4_p6_real_processes_in_real_time(tmp_path: Path) -> None:
    """The gateway is killed, Oden fails in many ways and is killed, broker and PLC go away, the disk is full for a
    while: in the end Oden has what the lines have made, each thing once, every total to the last part, no two
    requests within a second.
    """
    result = await real(real_schedule(SEED, SECONDS), tmp_path)
    again = f".venv/bin/python -m tests.campaign real {SEED} --minutes {SECONDS / 60:g}"
    assert not result.wrong, "\n".join([again, f"ledger, logs and outbox: {tmp_path}", *result.wrong])


@pytest.mark.parametrize("seed", range(10))
def test_four_minutes_have_room_for_every_kind_of_fault(seed: int) -> None:
    """Whatever the seed, each kind that the stand-in has gets its turn, none lasts beyond the story, and while a
    line's last counts are on their way the gateway is left alone.

    Changes that are answered with nothing are a manner of an Oden, which the campaign in simulated time draws.
    """
    schedule = real_schedule(seed, 240.0)
    kinds = {read_fault(spell.what).words.split()[0] for spell in schedule.faults}
    assert kinds == {*KINDS} - {"swallow"}
    assert all(spell.since + spell.seconds <= schedule.length for spell in schedule.faults)
    ends = [max(one.end or 0 for one in story.shown if one.type == "RUN") for story in schedule.stories(0.0)]
    counting = [(end - REACH, end - REACH / 2) for end in ends]
    for spell in (*schedule.gateway, *schedule.plc, *schedule.disk):
        assert not any(spell.since < until and since < spell.since + spell.seconds for since, until in counting), spell
