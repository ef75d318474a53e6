"""Kill the gateway ten times, each inside a burst of 800 events, and judge each of these.

    python -m tests.bursts             another seed each time, which is printed
    python -m tests.bursts 17 3 400    the seed 17, three bursts of 400 events

Exit code 1 where an event is lost or doubled.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.bursts.rig import killed_in_bursts

BURSTS, EVENTS = 10, 800


def main() -> int:
    given = [int(text) for text in sys.argv[1:]]
    seed, bursts, events = (*given, *(int(time.time()), BURSTS, EVENTS)[len(given) :])
    folder = Path(tempfile.mkdtemp(prefix="bursts-"))
    wrong = killed_in_bursts(folder, bursts, events, seed)
    said = f"{bursts} SIGKILLs, each inside a burst of {events} events: {len(wrong)} events lost or doubled"
    told = [f"{said} (python -m tests.bursts {seed} {bursts} {events})", *wrong]
    if wrong:
        told.append(f"outbox, ledger and logs: {folder}")
    else:
        shutil.rmtree(folder)
    sys.stdout.write("\n".join([*told, ""]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
