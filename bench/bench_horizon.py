"""What it writes to disk that lines remember what they have heard: 40 lines with a message of a counter each second
and an order every five minutes, a commit a second, with what they remember and without. Exits with 1 above WORST.
"""

import sys
import tempfile
from pathlib import Path

from silence import silent

from gateway.outbox.sqlite_store import SqliteStore
from gateway.outbox.store import Outbox
from tests.horizon_rig import T0, Heard, plan, said

LINES, SECONDS = 40, 1_300
WORST = 1.5


def written() -> int:
    """Bytes that this process has had written."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def run(directory: Path, *, remembered: bool) -> int:
    """Bytes for SECONDS of the plant."""
    outbox = Outbox(SqliteStore(directory))
    heard = Heard(outbox, [plan(number) for number in range(LINES)])
    begun = written()
    for second in range(SECONDS):
        now = T0 + second
        samples = [(number, said(number, "count", {"n": second}, now)) for number in range(LINES)]
        order = {"number": f"A{second // 300}"}
        samples += [
            (number, said(number, "order", order, now)) for number in range(LINES) if second % 300 == 7 * number % 300
        ]
        heard.commit(second + 1, now, samples, remembered=remembered)
    outbox.close()
    return written() - begun


def main() -> int:
    silent()
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        without = run(Path(folder) / "without", remembered=False)
        remembered = run(Path(folder) / "with", remembered=True)
    hours, ratio = SECONDS / 3600, remembered / without
    print(
        f"{LINES} lines, a message a second each: {without / 2**20 / hours:.0f} MiB an hour without what lines have "
        f"heard, {remembered / 2**20 / hours:.0f} with it: {ratio:.2f} times (at most {WORST})"
    )
    return int(ratio > WORST)


if __name__ == "__main__":
    sys.exit(main())
