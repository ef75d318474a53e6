"""Answers `oden-gateway browse` over the control socket: the running gateway looks, over the sessions that it has.

An OPC UA server is asked in the gateway's own session, because small ones have few. A broker is listened to by a client
of another name: what is subscribed in the gateway's session stays as it is.
"""

from collections.abc import AsyncGenerator, Mapping

from pydantic import ValidationError

from gateway.clock import Clock
from gateway.config.schema import Config, OpcuaConfig
from gateway.errors import GatewayError
from gateway.live.browse import BROWSE_QUESTION, answer_browse
from gateway.sources.base import Source

BROWSE = "browse"
COMMANDS = {BROWSE}
"""The names of the commands at the control socket, beside those for the outbox."""

Items = AsyncGenerator[dict[str, object], None]


def answer(command: str, question: object, config: Config, sources: Mapping[str, Source], clock: Clock) -> Items:
    """The answer to `command`, item by item. Raises GatewayError where there is none."""
    return _browse(question, config, sources, clock)


async def _browse(question: object, config: Config, sources: Mapping[str, Source], clock: Clock) -> Items:
    try:
        asked = BROWSE_QUESTION.validate_python(question)
    except ValidationError:
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    section, source = config.sources.get(asked.source), sources.get(asked.source)
    if section is None or source is None:
        raise GatewayError(
            f"the running gateway has no source {asked.source}: it goes by an earlier state of the configuration; "
            "reload it, or browse the address itself"
        )
    link = None
    if isinstance(section, OpcuaConfig):
        from gateway.sources.opcua.source import OpcuaSource  # noqa: PLC0415 - only with its library

        link = source.link if isinstance(source, OpcuaSource) else None
        if link is None:
            raise GatewayError(f"the running gateway is not connected to {asked.source}: {source.health.detail}")
    async for item in answer_browse(section, asked, clock, link):
        yield item
