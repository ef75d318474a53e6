"""`python -m tests.broken_parts COMMAND...`: a command of the gateway in which some parts cannot be made: the client of
an Oden whose `timeout` is 21 s, and a source whose `keepalive` is 21 s."""

import sys
from collections.abc import Iterable
from typing import Any

from gateway import app, children
from gateway.__main__ import main
from gateway.config.loader import Loaded
from gateway.config.schema import Config
from gateway.mapping.compile import LinePlan
from gateway.oden import client
from gateway.sources.base import Source

BROKEN = 21.0


def broken_client(loaded: Loaded, now: float) -> client.OdenClient:
    """None, where that is asked for."""
    if loaded.config.oden.timeout == BROKEN:
        raise OSError("no more files")
    return client.configured_client(loaded, now)


def broken_sources(config: Config, plans: Iterable[LinePlan], *more: Any) -> dict[str, Source]:
    """None, where that is asked for."""
    if any(getattr(section, "keepalive", None) == BROKEN for section in config.sources.values()):
        raise OSError("no such folder")
    return children.make_sources(config, plans, *more)


if __name__ == "__main__":
    vars(app).update(configured_client=broken_client, make_sources=broken_sources)
    sys.exit(main())
