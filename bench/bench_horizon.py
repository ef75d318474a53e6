"""What it writes to disk that lines remember what they have heard: 40 lines with a message of a counter each second
and an order every five minutes, a commit a second, with what they remember and without. Exits with 1 above WORST.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.config.schema import Line
from gateway.horizon import Horizon
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import feed
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.mapping.trail import Feed
from gateway.model import Record, Sample
from gateway.outbox.entries import Commit
from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox

T0 = 1_767_592_800.0
LINES, SECONDS = 40, 1_300
WORST = 1.5


def plan(number: int) -> LinePlan:
    topic = f"plant-a/hall-2/L{number:02}"
    given: dict[str, Any] = {
        "factory": "Factory A",
        "line": f"Line {number:02}",
        "inputs": {
            "good": {"source": "mes", "topic": f"{topic}/count", "field": "n", "time": "at", "counter": {}},
            "order": {"source": "mes", "topic": f"{topic}/order", "field": "number", "time": "at"},
        },
        "run": {"key": "order", "product": "FILM", "name": "{order}"},
        "scrap_yield": {"every": "60s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    }
    return compile_line(Line.model_validate(given), ("lines", number))


def written() -> int:
    """Bytes that this process has had written."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


async def run(directory: Path, *, remembered: bool) -> int:
    """Bytes for SECONDS of the plant."""
    outbox = Outbox(SqliteStore(directory))

    async def ask(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call(outbox, *args, **kwargs)

    horizon, plans = Horizon(ask), [plan(number) for number in range(LINES)]
    lines = {one.key: Feed(LineState()) for one in plans}
    rows = {key: StateRows({}) for key in lines}
    begun = written()
    for second in range(SECONDS):
        now, records = T0 + second, list[Record]()
        for number, one in enumerate(plans):
            for topic, value in (("count", {"n": second}), ("order", {"number": f"A{second // 300}"})):
                if topic == "order" and second % 300 != 7 * number % 300:
                    continue
                sample = Sample("mes", f"plant-a/hall-2/L{number:02}/{topic}", {**value, "at": now}, now + 0.02)
                lines[one.key], result = feed(one, lines[one.key], sample)
                records += result.records
        commit = Commit(
            number=second + 1,
            states={key: rows[key].changes(line.state) for key, line in lines.items()},
            records=tuple(records),
        )
        if remembered:
            heard = horizon.take(lines, second + 1, now)
            commit = replace(commit, heard=heard.row, trails=heard.beginnings, heard_since=heard.since)
        outbox.commit(commit)
    outbox.close()
    return written() - begun


def main() -> int:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        without = asyncio.run(run(Path(folder) / "without", remembered=False))
        remembered = asyncio.run(run(Path(folder) / "with", remembered=True))
    hours, ratio = SECONDS / 3600, remembered / without
    print(
        f"{LINES} lines, a message a second each: {without / 2**20 / hours:.0f} MiB an hour without what lines have "
        f"heard, {remembered / 2**20 / hours:.0f} with it: {ratio:.2f} times (at most {WORST})"
    )
    return int(ratio > WORST)


if __name__ == "__main__":
    sys.exit(main())
