"""One scenario, played and told, in whatever process."""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.real_peers.scenarios import perform


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
