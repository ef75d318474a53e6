"""`python -m tests.slow_sources FOLDER COMMAND...`: a command of the gateway that takes its time to make sources, as
where libraries are loaded for them by a busy machine: from the second time on until `FOLDER/go` is there. By then
`FOLDER/waits` is there."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway import app, children
from gateway.__main__ import main
from gateway.config.schema import Config
from gateway.mapping.compile import LinePlan
from gateway.sources.base import Source
from tests.peers import wait_for

FOLDER = Path(sys.argv[1])
times: list[None] = []


def slow_sources(config: Config, plans: Iterable[LinePlan], *more: Any) -> dict[str, Source]:
    """Those of the first time at once."""
    times.append(None)
    if len(times) > 1:
        (FOLDER / "waits").touch()
        wait_for((FOLDER / "go").exists)
    return children.make_sources(config, plans, *more)


if __name__ == "__main__":
    vars(app).update(make_sources=slow_sources)
    sys.exit(main(sys.argv[2:]))
