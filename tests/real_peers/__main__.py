"""`python -m tests.real_peers SCENARIO BROKER [--seed N]`: play a scenario and print what became of each event.

`all` in place of either is each of them. The exit code is 0 where nothing was lost or doubled, 1 where something was
or a scenario could not be played.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.real_peers.brokers import BROKERS
from tests.real_peers.scenarios import SCENARIOS, perform


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_peers", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all"])
    parser.add_argument("broker", choices=[*BROKERS, "all"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="so many seeds from there on")
    parser.add_argument("--id", action="store_true", help="each event has an id, which the gateway knows of")
    parser.add_argument("--keep", action="store_true", help="leave logs and ledger of what was not exact")
    chosen = parser.parse_args()
    brokers = list(BROKERS) if chosen.broker == "all" else [chosen.broker]
    scenarios = list(SCENARIOS) if chosen.scenario == "all" else [chosen.scenario]
    exact = [
        play(scenario, broker, seed, identified=chosen.id, keep=chosen.keep)
        for broker in brokers
        for scenario in scenarios
        for seed in range(chosen.seed, chosen.seed + chosen.seeds)
    ]
    return 0 if all(exact) else 1


def play(scenario: str, broker: str, seed: int, *, identified: bool, keep: bool) -> bool:
    """Play one and say how it went; whether it was exact."""
    folder, began = Path(tempfile.mkdtemp(prefix="real-peers-")), time.monotonic()
    try:
        verdict = asyncio.run(perform(scenario, broker, folder, seed, identified=identified))
        told, exact = verdict.told(), verdict.exact
    except AssertionError as error:
        told, exact = f"not played: {error}", False
    sys.stdout.write(
        f"{broker} {scenario}{' with id' * identified} seed {seed} ({time.monotonic() - began:.0f} s): {told}\n"
    )
    if keep and not exact:
        sys.stdout.write(f"  kept: {folder}\n")
    else:
        shutil.rmtree(folder)
    sys.stdout.flush()
    return exact


if __name__ == "__main__":
    sys.exit(main())
