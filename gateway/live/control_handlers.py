"""Answers `oden-gateway browse`, `tail` and `check --live` over the control socket.

An OPC UA server is asked in the gateway's own session, because small ones have few. A broker is listened to by a client
of another name: what is subscribed in the gateway's session stays as it is.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from pydantic import ValidationError

from gateway.clock import Clock
from gateway.config.schema import OpcuaConfig, SourceConfig
from gateway.errors import GatewayError
from gateway.live.browse import BROWSE_QUESTION, answer_browse
from gateway.live.look import SOURCE_LOOK, look
from gateway.live.remembered import remembered
from gateway.live.tail import Present, as_json, tail
from gateway.sources.base import Source

BROWSE = "browse"
TAIL = "tail"
LOOK = "look"
COMMANDS = {BROWSE, TAIL, LOOK}
"""The names of the commands at the control socket, beside those for the outbox."""

Items = AsyncGenerator[dict[str, object], None]


def answer(command: str, question: object, present: Callable[[], Present], clock: Clock) -> Items:
    """The answer to `command`, item by item. Raises GatewayError where there is none."""
    if command == TAIL:
        return _tail(question, present)
    if command == LOOK:
        return _look(question, present(), clock)
    return _browse(question, present(), clock)


async def _look(question: object, present: Present, clock: Clock) -> Items:
    """What each source is like."""
    seconds = question.get("seconds") if isinstance(question, dict) else None
    if not isinstance(seconds, int | float):
        raise GatewayError("this gateway does not understand the question: it may be of another version")
    for each in await look(present, clock, seconds):
        yield {"look": SOURCE_LOOK.dump_python(each, mode="json")}


async def _tail(question: object, present: Callable[[], Present]) -> Items:
    """Readings, for as long as somebody listens; with a number, so many were left out."""
    source = question.get("source") if isinstance(question, dict) else None
    if source is not None:
        _known(present(), str(source))
    async with aclosing(tail(present, source)) as readings:
        async for reading in readings:
            yield {"left_out": reading} if isinstance(reading, int) else {"reading": as_json(reading)}


def _known(present: Present, source: str) -> tuple[SourceConfig, Source]:
    if source not in present.sources or source not in present.config.sources:
        raise GatewayError(
            f"the running gateway has no source {source}: it goes by an earlier state of the configuration; reload it"
        )
    return present.config.sources[source], present.sources[source]


async def _browse(question: object, present: Present, clock: Clock) -> Items:
    """What a source has; `elsewhere` alone where what is meant is none of the gateway's: another file can have other
    sources, and sources of the same names."""
    try:
        asked = BROWSE_QUESTION.validate_python(question)
    except ValidationError:
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    known = present.config.sources.get(asked.source)
    if known is None or known.url != asked.url:
        yield {"elsewhere": True}
        return
    section, source = _known(present, asked.source)
    link = None
    if isinstance(section, OpcuaConfig):
        from gateway.sources.opcua.source import OpcuaSource  # noqa: PLC0415 - only with its library

        link = source.link if isinstance(source, OpcuaSource) else None
        if link is None:
            raise GatewayError(f"the running gateway is not connected to {asked.source}: {source.health.detail}")
    async for item in answer_browse(section, asked, clock, link, partial(remembered, present, asked)):
        yield item
