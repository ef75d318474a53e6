"""`python -m tests.real_peers SCENARIO BROKER [--seed N]`: play a scenario and print what became of each event.

`all` in place of either is each of them. `--beside N` plays so many at once, each with ports and a folder of its own:
nearly all of a scenario is waiting. The exit code is 0 where nothing was lost or doubled, 1 where something was or a
scenario could not be played.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context

from tests.real_peers.brokers import BROKERS
from tests.real_peers.play import play
from tests.real_peers.scenarios import SCENARIOS


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_peers", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all"])
    parser.add_argument("broker", choices=[*BROKERS, "all"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="so many seeds from there on")
    parser.add_argument("--beside", type=int, default=1, help="so many at once")
    parser.add_argument("--id", action="store_true", help="each event has an id, which the gateway knows of")
    parser.add_argument("--keep", action="store_true", help="leave logs and ledger of what was not exact")
    chosen = parser.parse_args()
    brokers = list(BROKERS) if chosen.broker == "all" else [chosen.broker]
    scenarios = list(SCENARIOS) if chosen.scenario == "all" else [chosen.scenario]
    seeds = range(chosen.seed, chosen.seed + chosen.seeds)
    one = partial(play, identified=chosen.id, keep=chosen.keep)
    # A process each: whatever one has started ends with it, and the next finds the ports free.
    with ProcessPoolExecutor(chosen.beside, get_context("spawn"), max_tasks_per_child=1) as pool:
        played = [pool.submit(one, *which) for which in product(scenarios, brokers, seeds)]
        exact = [each.result() for each in played]
    return 0 if all(exact) else 1


if __name__ == "__main__":
    sys.exit(main())
