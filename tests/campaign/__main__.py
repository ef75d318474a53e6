"""The campaign by hand, in simulated time.

    python -m tests.campaign 17          one schedule of faults and kills: what it is, and what came of it; --log shows the log
    python -m tests.campaign 0..499      many of them, on all processors
    python -m tests.campaign outage      requests after an outage against the least; slots used under backlog
    python -m tests.campaign lines       how many lines one token carries for a day; takes half an hour

Exit code 1 where anything is not as it must be.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial

from tests.campaign.load import carry, largest
from tests.campaign.outage import drain
from tests.campaign.run import Result, run
from tests.campaign.schedule import schedule

DAY = 24.0
"""Hours."""


def main() -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__, formatter_class=form)
    parser.add_argument("what", help="SEED, FIRST..LAST, outage or lines")
    parser.add_argument("--log", action="store_true", help="one seed: show the gateway's log")
    parser.add_argument("--hours", type=float, default=DAY, help="lines: for how long they are carried")
    given = parser.parse_args()
    if given.what == "outage":
        return outage()
    if given.what == "lines":
        return lines(given.hours)
    first, dots, last = given.what.partition("..")
    return campaign(range(int(first), int(last) + 1)) if dots else alone(int(first), log=given.log)


def alone(seed: int, *, log: bool) -> int:
    """One schedule, told in full."""
    plan = schedule(seed)
    for name, value in asdict(plan).items():
        for line in value if isinstance(value, tuple) else (value,):
            say(f"{name:>10}: {line}")
    result = run(plan, log=log)
    say(f"{result.lives} lives, {result.requests} requests, {result.seconds:.0f} s of simulated time")
    say("\n".join(result.wrong) or "all is as it must be")
    return 1 if result.wrong else 0


def campaign(seeds: range) -> int:
    """Many schedules; those that fail are named with the command that runs them alone."""
    begun = time.monotonic()
    failed, requests, lives, seconds = 0, 0, 0, 0.0
    with ProcessPoolExecutor() as pool:
        for seed, result in zip(seeds, pool.map(_result, seeds), strict=True):
            requests, lives, seconds = requests + result.requests, lives + result.lives, seconds + result.seconds
            if result.wrong:
                failed += 1
                say(f"seed {seed} failed: .venv/bin/python -m tests.campaign {seed}")
                say("\n".join(f"    {line}" for line in result.wrong[:5]))
    say(
        f"{len(seeds)} seeds, {failed} failed; {lives} lives, {requests} requests, "
        f"{seconds / 3600:.0f} h of simulated time in {time.monotonic() - begun:.0f} s"
    )
    return 1 if failed else 0


def _result(seed: int) -> Result:
    result = run(schedule(seed))
    result.trace = []
    return result


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
