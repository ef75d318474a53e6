"""What the outbox costs: per record at 1,000, 100,000 and 1,000,000 waiting records, and in memory.

Figures of one size are told as ratios to those of the smallest, measured in the same run, because machines are noisy.
Give other sizes as arguments.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from silence import silent

from gateway.model import Output, Record, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import Attempt, Commit
from gateway.outbox.store import Outbox
from gateway.outbox.thread import open_outbox

LINES = 40
SIZES = (1_000, 100_000, 1_000_000)
ROUNDS = 300
START = 1_800_000_000


def waiting(number: int, lines: int = LINES) -> list[Record]:
    """The records of one step of the plant: on each line a state that has ended, in a run that goes on, and output."""
    records: list[Record] = []
    for line in (f"Factory A/Line {one:02}" for one in range(lines)):
        at = START + 60 * number
        key = record_key(line, 3 * number, at)
        records.append(StartInterval(key, line, at, "STATE", at, None, {"category": "Uptime"}))
        records.append(UpdateInterval(record_key(line, 3 * number + 1, at), line, at, "STATE", key, at + 60))
        records.append(
            Output(record_key(line, 3 * number + 2, at), line, at, "RUN", "run", at, {"yield": 3}, ("yield",))
        )
    return records


def fill(outbox: Outbox, size: int) -> None:
    """Let `size` records wait: a start with its end is one, and output without a known run another."""
    number = 0
    while outbox.counts().waiting < size:
        steps = [waiting(number + one) for one in range(25)]
        number += 25
        outbox.commit(
            Commit(number=outbox.last_commit() + 1, records=tuple(record for step in steps for record in step))
        )


def measure(size: int, directory: Path) -> dict[str, float]:
    """One process's figures, in microseconds per record, and its memory in bytes."""
    outbox = open_outbox(directory, limit=2**40, min_free=0.0, span=900.0)
    fill(outbox, size)
    outbox.close()
    begun = time.perf_counter()
    outbox = open_outbox(directory, limit=2**40, min_free=0.0, span=900.0)
    opened = time.perf_counter() - begun
    outbox.work()
    append = pick = settle = 0.0
    for one in range(ROUNDS):
        records = tuple(waiting(10_000_000 + one, 1)[:1])
        begun = time.perf_counter()
        outbox.commit(Commit(number=outbox.last_commit() + 1, records=records))
        append += time.perf_counter() - begun
        begun = time.perf_counter()
        work = next(one for one in outbox.work() if one.records[0].kind == "start")
        pick += time.perf_counter() - begun
        begun = time.perf_counter()
        attempt = Attempt(work.lane, work.positions, "interval/set", "{}", 0.0)
        outbox.begin(work, attempt)
        outbox.settle(replace(work, attempt=attempt), {work.positions[0]: "id"})
        settle += time.perf_counter() - begun
    with Path("/proc/self/statm").open() as file:
        memory = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    outbox.close()
    scale = 1e6 / ROUNDS
    return {
        "append": append * scale,
        "pick": pick * scale,
        "settle": settle * scale,
        "open": opened * 1e6,
        "rss": memory,
    }


def main() -> None:
    """Each size in a process of its own, so that memory is that of the size."""
    silent()
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]), Path(sys.argv[3]))))
        return
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    first: dict[str, float] = {}
    print(f"{'waiting':>10} {'append':>16} {'pick':>16} {'settle':>16} {'open':>12} {'memory':>22}")
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            run = [sys.executable, __file__, "--one", str(size), folder]
            found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
        first = first or found
        cells = [f"{found[name]:8.0f} us {found[name] / first[name]:4.2f}x" for name in ("append", "pick", "settle")]
        print(f"{size:>10} {' '.join(cells)} {found['open'] / 1e3:9.1f} ms", end=" ")
        print(f"{found['rss'] / 2**20:8.1f} MiB {(found['rss'] - first['rss']) / 2**20:+6.1f} MiB")


if __name__ == "__main__":
    main()
