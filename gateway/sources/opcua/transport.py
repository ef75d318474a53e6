"""The connection beneath a session (Part 6, 6.7 and 7.1): how large what goes over it may be, its keys, and its end.

The library takes the server's limits for its own, the two directions in each other's places, and what limits requests
for what limits answers. So they are kept here.
"""

import asyncio
import math
from typing import Any, NoReturn

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from gateway.connection_steps import note_step
from gateway.sources.opcua.services import LinkLost
from gateway.sources.opcua.translation import in_session, reason_of

LEAST_BUFFER = 8_192
"""Bytes of a chunk that each server takes."""
_OURS = 65_536  # bytes of a chunk that we say we take
_OVERHEAD = 1_024  # of a chunk: headers, signature and padding; of a request: the header that is yet to be filled in

_RENEW_AFTER = 0.75  # of the lifetime: Part 4, 5.6.2
_LEAST_LIFETIME = 1.0  # seconds: a server that says less means something else


async def say_hello(client: Client) -> float:
    """Exchange the first messages over the connection of `client`. How many bytes a request may have; inf: any."""
    told = await client.uaclient.send_hello(client.server_url.geturl())
    protocol: Any = client.uaclient.protocol
    limits = protocol._connection._limits  # noqa: SLF001 - the library confuses them
    chunk = max(told.ReceiveBufferSize, LEAST_BUFFER)
    limits.max_send_buffer, limits.max_recv_buffer = min(chunk, _OURS), max(told.SendBufferSize, _OURS)
    limits.max_message_size = limits.max_chunk_count = 0  # of answers, which are as long as what was asked for
    by_chunks = told.MaxChunkCount * (min(chunk, _OURS) - _OVERHEAD)
    return min((most for most in (told.MaxMessageSize - _OVERHEAD, by_chunks) if most > 0), default=math.inf)


async def open_channel(client: Client, *, renew: bool = False) -> None:
    """Open the secure channel of `client`, or give it new keys. Raises UaError where the server refuses, OSError."""
    try:
        await client.open_secure_channel(renew)
    except AssertionError:  # the library's word for an answer that is a fault
        raise UaError("the server refuses it") from None


async def keep_channel(client: Client, asked: float, step: str) -> NoReturn:
    """Give the channel new keys in time, for ever. `asked` are the seconds for which they were asked for, which count
    where the server does not say how long they last; `step` names the server in the log. Raises LinkLost where that
    fails: the session can go on over another connection."""
    while True:
        lifetime = client.secure_channel_timeout / 1000
        if lifetime < _LEAST_LIFETIME:
            lifetime = asked
            client.secure_channel_timeout = round(asked * 1000)
        await asyncio.sleep(_RENEW_AFTER * lifetime)
        try:
            await open_channel(client, renew=True)
        except (OSError, UaError) as error:
            raise LinkLost(f"the keys of the channel could not be renewed: {reason_of(error)}") from error
        client.uaclient.revolve_security_token()
        note_step(step, "renewed")


async def send(client: Client, request: Any, limit: float | None, room: float) -> Buffer:
    """As `services.Link.request`; a request that has more than `room` bytes is refused as the server would do it, which
    would end the connection as well."""
    protocol = client.uaclient.protocol
    if protocol is None:
        raise ConnectionError("the connection is closed")
    if room < math.inf and len(struct_to_binary(request)) > room:
        raise UaStatusCodeError(StatusCodes.BadRequestTooLarge)  # type: ignore[no-untyped-call]
    with in_session():
        try:
            return await protocol.send_request(request, limit)
        except UaStatusCodeError as error:
            if is_cut(client):
                name = ua.StatusCode(ua.UInt32(error.code)).name
                raise LinkLost(f"the server has ended the connection ({name})") from None
            raise


def is_cut(client: Client) -> bool:
    """Whether the connection has ended: what was answered was said of all of it, not of one request."""
    protocol = client.uaclient.protocol
    return protocol is None or protocol.transport is None or protocol.transport.is_closing()
