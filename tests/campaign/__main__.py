"""The campaign by hand; in simulated time but for `real` and `pace`.

    python -m tests.campaign 17          one schedule of faults and kills, and what came of it; --log shows the log
    python -m tests.campaign 0..499      many of them, on all processors
    python -m tests.campaign late 17     one of messages that come late, again and around outages; FIRST..LAST for more
    python -m tests.campaign copies 17   one in which older copies of the outbox are put back; FIRST..LAST for more
    python -m tests.campaign keyless 17  the same where entries at Oden do not carry our keys
    python -m tests.campaign away 17     older copies, one after another, before Oden can be asked about the first
    python -m tests.campaign no_all 17   the first at an Oden that refuses `match: all`; FIRST..LAST for more
    python -m tests.campaign clocks 17   machines whose clocks are wrong, and NTP and Oden, which say so or not
    python -m tests.campaign outage      requests after an outage against the least; slots used under backlog
    python -m tests.campaign manners     what each manner of Oden's costs: lost, doubled, dead, stuck, the page
    python -m tests.campaign lines       how many lines one token carries for a day; takes half an hour
    python -m tests.campaign real 3      the same in real time, with real processes; FIRST..LAST for more of them
    python -m tests.campaign pace        the smallest gap and the slots used under backlog, in real time on loopback

Exit code 1 where anything is not as it must be.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.campaign.clocks import clocks
from tests.campaign.clocks import run as run_clocks
from tests.campaign.copies import away_schedule, copied_schedule, keyless_schedule
from tests.campaign.late import late_schedule
from tests.campaign.load import carry, largest
from tests.campaign.matrix import rows, table
from tests.campaign.outage import drain
from tests.campaign.quiet import silent
from tests.campaign.real import real
from tests.campaign.real_pace import LATENCIES, measure
from tests.campaign.real_schedule import real_schedule
from tests.campaign.run import Result, run
from tests.campaign.schedule import Schedule, no_all_schedule, schedule

DAY = 24.0
"""Hours."""
MINUTES = {"real": 4.0, "pace": 5.0}
"""How long these take where nothing else is said."""
MAKERS: Mapping[str, Callable[[int], Schedule]] = {
    "late": late_schedule,
    "copies": copied_schedule,
    "keyless": keyless_schedule,
    "away": away_schedule,
    "no_all": no_all_schedule,
}
"""What makes the schedules of a kind from their seeds."""


def main() -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__, formatter_class=form)
    kinds = "SEED, FIRST..LAST, late, copies, keyless, away, no_all, clocks, outage, manners, lines, real or pace"
    parser.add_argument("what", help=kinds)
    parser.add_argument(
        "seeds", nargs="?", default="0", help="real, late, copies, keyless, away, no_all, clocks: SEED or FIRST..LAST"
    )
    parser.add_argument("--log", action="store_true", help="one seed: show the gateway's log")
    parser.add_argument("--hours", type=float, default=DAY, help="lines: for how long they are carried")
    parser.add_argument(
        "--minutes", type=float, help="real: how long each story is, 0.7 or more (4); pace: how long it takes (5)"
    )
    given = parser.parse_args()
    if given.what == "outage":
        return outage()
    if given.what == "manners":
        return manners()
    if given.what == "clocks":
        return of_clocks(_range(given.seeds))
    if given.what == "lines":
        return lines(given.hours)
    if given.what in MINUTES:
        seconds = 60 * (given.minutes or MINUTES[given.what])
        return really(_range(given.seeds), seconds) if given.what == "real" else pace(seconds)
    make, seeds = (MAKERS[given.what], given.seeds) if given.what in MAKERS else (schedule, given.what)
    return campaign(_range(seeds), make) if ".." in seeds else alone(make(int(seeds)), log=given.log)


def _range(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def alone(plan: Schedule, *, log: bool) -> int:
    """One schedule, told in full."""
    for name, value in asdict(plan).items():
        for line in value if isinstance(value, tuple) else (value,):
            say(f"{name:>10}: {line}")
    result = run(plan, log=log)
    say(f"{result.lives} lives, {result.requests} requests, {result.seconds:.0f} s of simulated time")
    say("\n".join(result.wrong) or "all is as it must be")
    return 1 if result.wrong else 0


def campaign(seeds: range, make: Callable[[int], Schedule]) -> int:
    """Many schedules; those that fail are named with the command that runs them alone."""
    begun = time.monotonic()
    failed, requests, lives, seconds = 0, 0, 0, 0.0
    with ProcessPoolExecutor() as pool:
        for seed, result in zip(seeds, pool.map(_result, map(make, seeds)), strict=True):
            requests, lives, seconds = requests + result.requests, lives + result.lives, seconds + result.seconds
            if result.wrong:
                failed += 1
                what = next((f"{name} " for name, other in MAKERS.items() if other is make), "")
                say(f"seed {seed} failed: .venv/bin/python -m tests.campaign {what}{seed}")
                say("\n".join(f"    {line}" for line in result.wrong[:5]))
    say(
        f"{len(seeds)} seeds, {failed} failed; {lives} lives, {requests} requests, "
        f"{seconds / 3600:.0f} h of simulated time in {time.monotonic() - begun:.0f} s"
    )
    return 1 if failed else 0


def of_clocks(seeds: range) -> int:
    """Stories of clocks; those that fail are named with the command that runs them alone."""
    number = 0
    with silent():
        for seed in seeds:
            if wrong := run_clocks(clocks(seed)):
                number += 1
                say(f"seed {seed} failed: .venv/bin/python -m tests.campaign clocks {seed}")
                say("\n".join(f"    {line}" for line in (str(clocks(seed)), *wrong)))
    say(f"{len(seeds)} stories of clocks, {number} failed")
    return 1 if number else 0


def manners() -> int:
    """The table of manners."""
    told = rows()
    for line in table(told):
        say(line)
    return 1 if any(row.wrong for row in told) else 0


def _result(plan: Schedule) -> Result:
    result = run(plan)
    result.trace = []
    return result


def really(seeds: range, seconds: float) -> int:
    """Schedules in real time, one after the other; of those that fail the files are kept."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # the PLC is ours
    failed = 0
    for seed in seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"oden-gateway-campaign-{seed}-"))
        say(f"seed {seed}, {seconds / 60:g} min, in {folder}")
        result = asyncio.run(real(real_schedule(seed, seconds), folder))
        say(f"seed {seed}: {result}")
        if result.wrong:
            failed += 1
            say(f"seed {seed} failed: .venv/bin/python -m tests.campaign real {seed} --minutes {seconds / 60:g}")
            say(f"    ledger, logs and outbox are in {folder}")
            say("\n".join(f"    {line}" for line in result.wrong))
        else:
            shutil.rmtree(folder)
    say(f"{len(seeds)} seeds in real time, {failed} failed")
    return 1 if failed else 0


def pace(seconds: float) -> int:
    """20 lines after an outage, in real time at three latencies of the API."""
    good = True
    for latency in LATENCIES:
        with tempfile.TemporaryDirectory(prefix="oden-gateway-pace-") as folder:
            paced = asyncio.run(measure(latency, seconds / len(LATENCIES), Path(folder)))
        say(f"API latency {latency} s: {paced}")
        good = good and paced.ok
    return 0 if good else 1


def outage() -> int:
    """40 lines after 8 hours, with merging and without; 20 lines after 6 hours at three latencies."""
    with ProcessPoolExecutor() as pool:
        merging, plain = pool.submit(drain, 40, 8.0), pool.submit(drain, 40, 8.0, plain=True)
        slots = {latency: pool.submit(drain, 20, 6.0, latency=latency) for latency in (0.05, 0.5, 3.0)}
        ours, queue = merging.result(), plain.result()
        say(f"40 lines after 8 h: {ours}")
        say(f"  without merging:  {queue}; {queue.requests / ours.requests:.2f} times as many")
        good = ours.complete and queue.complete and ours.requests <= 1.02 * ours.least
        for latency, future in slots.items():
            drained = future.result()
            say(f"20 lines after 6 h, API latency {latency} s: {drained}")
            good = good and drained.complete and drained.used >= 0.98 and drained.gap >= 1.0
    return 0 if good else 1


def lines(hours: float) -> int:
    """The most lines that one token carries, by kind of plant; and how many a plain queue does."""
    plain = partial(carry, hours=hours, plain=True)
    kinds = [
        ("one scrap code", 75, 84, partial(carry, hours=hours), True),
        ("three scrap codes", 62, 71, partial(carry, hours=hours, codes=3), True),
        ("one scrap code, without intervals/update", 46, 54, partial(carry, hours=hours, bulk=False), True),
        ("one scrap code, first in first out without merging", 1, 30, plain, True),
        ("the same, however late", 1, 32, plain, False),
    ]
    with ProcessPoolExecutor() as pool:
        found = [
            (name, low, in_time, pool.submit(largest, low, high, carried, in_time=in_time))
            for name, low, high, carried, in_time in kinds
        ]
        loads = [(name, low, in_time, future.result()) for name, low, in_time, future in found]
    for name, low, _, load in loads:
        say(f"{name}, for {hours:g} h (at least {low}): {load}")
    return 0 if all(load.sustained or not in_time for _, _, in_time, load in loads) else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
