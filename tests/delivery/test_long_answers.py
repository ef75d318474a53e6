"""What is in doubt where a search shows more than is to be held: thousands of entries in one run."""

from collections.abc import Callable, Sequence

import pytest

from gateway.model import Output, Record, StartInterval
from tests.delivery.harness import LINE, Fault, Oden, Rig

T = 1_800_000_000
NOTE = "x" * 3_000


def entries() -> list[object]:
    """Output, or tests, of others: 12 MB."""
    return [{"id": f"e{number}", "timestamp": T + 100 + number, "raw_data": {"note": NOTE}} for number in range(4_000)]


def intervals() -> list[object]:
    """The same of intervals that were on at the time."""
    return [
        {"id": f"i{number}", "start_time": T + 100 + number, "end_time": T + 8_000, "metadata": {"note": NOTE}}
        for number in range(4_000)
    ]


def output(rig: Rig, run: StartInterval) -> Sequence[Record]:
    return [rig.output(run, T + 20, 7)]


def check(rig: Rig, run: StartInterval) -> Sequence[Record]:
    return [Output(rig.key(), LINE, float(T + 20), "RUN", run.key, T + 20, {"torque": 4.5}, (), "66")]


def state(rig: Rig, run: StartInterval) -> Sequence[Record]:
    return [rig.start(T + 5, "STATE")]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(
    ("made", "path", "others"),
    [
        pytest.param(output, "scrap_yield", entries, id="output"),
        pytest.param(check, "quality_test", entries, id="tests"),
        pytest.param(state, "interval", intervals, id="intervals"),
    ],
)
async def test_p5_a_doubt_is_settled_however_much_a_search_shows(
    rig: Rig,
    oden: Oden,
    where: str,
    made: Callable[[Rig, StartInterval], Sequence[Record]],
    path: str,
    others: Callable[[], list[object]],
) -> None:
    """A request is lost, before or after it took effect, and the answer to the look-up has 12 MB."""
    run = rig.start(T)
    async with rig.running() as drain:
        await rig.commit(drain, run)
        await rig.drained()
        oden.others = {f"{path}/search": others()}
        oden.faults.append(Fault(f"{path}/set", "before" if where == "before" else "after", 500))
        await rig.commit(drain, *made(rig, run))
        await rig.drained()
    # Once, a search has to show that it leaves out nothing that is open.
    assert oden.seen.count(f"{path}/search") == 1 + (path == "interval" and where == "before")
    assert oden.seen.count(f"{path}/set") == (1 if where == "after" else 2) + (path == "interval")
    assert at_oden(oden, path) == 1


def at_oden(oden: Oden, path: str) -> int:
    """How many there are at Oden."""
    match path:
        case "scrap_yield":
            return len([entry for run in oden.runs() for entry in oden.model.output(run)])
        case "quality_test":
            tests = oden.model.snapshot()["tests"]
            assert isinstance(tests, dict | list)
            return len(tests)
        case _:
            return len(oden.states())


@pytest.mark.parametrize(
    "text", ["x" * 2**24, "[" + '{"note": "' + NOTE + '"},' * 2**13, "[" * 2**24], ids=["text", "half", "nested"]
)
async def test_p5_rubbish_never_means_that_there_is_none(rig: Rig, oden: Oden, text: str) -> None:
    """16 MB that are no answer leave the record in doubt, with a reason that says so; the next look settles it."""
    run = rig.start(T)
    async with rig.running() as drain:
        await rig.commit(drain, run)
        await rig.drained()
        oden.faults.append(Fault("scrap_yield/set", "after", 500))
        oden.faults.append(Fault("scrap_yield/search", "before", 200, text=text))
        await rig.commit(drain, rig.output(run, T + 20, 7))
        await rig.drained()
    assert (oden.seen.count("scrap_yield/set"), oden.seen.count("scrap_yield/search")) == (1, 2)
    assert oden.total("yield") == 7
