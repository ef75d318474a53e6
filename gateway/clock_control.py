"""Answers `oden-gateway clock` over the control socket: what time it is, and that a person accepts it."""

from collections.abc import AsyncGenerator

import structlog

from gateway.clock_watch import ClockWatch
from gateway.errors import GatewayError

log = structlog.get_logger()

COMMAND = "clock"
"""The name of the command on the control socket, beside those for the outbox."""


async def answer(watch: ClockWatch, question: object) -> AsyncGenerator[dict[str, object], None]:
    """Yield what the question asks for: "show" or "accept". Raises GatewayError where it is not understood."""
    match question:
        case "show":
            yield watch.shown()
        case "accept":
            said = watch.accept()
            log.info("clock_accepted")
            yield {"said": said}
        case _:
            raise GatewayError("this gateway does not understand the question: it may be of another version")
