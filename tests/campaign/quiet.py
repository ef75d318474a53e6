"""What becomes of the gateway's log while it runs in simulated time."""

import asyncio
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def silent() -> Iterator[None]:
    """Nothing is logged, which saves most of the time."""
    with _configured(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)):
        yield


@contextmanager
def told() -> Iterator[None]:
    """Everything goes to stderr, with the seconds of the loop."""
    chain = [
        _stamp,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["at", "event"]),
    ]
    with _configured(processors=chain, logger_factory=structlog.PrintLoggerFactory(sys.stderr)):
        yield


@contextmanager
def _configured(**changes: Any) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(**{**before, **changes})
    try:
        yield
    finally:
        structlog.configure(**before)


def _stamp(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["at"] = round(asyncio.get_running_loop().time(), 3)
    return event
