"""The first words with whatever answers at an address: whether it is an OPC UA server at all, and what it offers."""

import asyncio
from collections.abc import Sequence

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from gateway.errors import SourceError
from gateway.sources.opcua.services import LinkLost
from gateway.sources.opcua.transport import open_channel, say_hello

HELLO = 0.5
"""The part of a source's `timeout` in which a server has to answer our first message, for which it has nothing to do:
so a port that takes connections and says nothing is told before whoever looks for the fault has given up."""


async def connect(client: Client) -> None:
    """Open the connection of `client`. Raises OSError where that cannot be done."""
    try:
        await client.connect_socket()
    finally:
        # The library waits by asyncio's `wait_for`. Before Python 3.12 that swallows a cancellation that comes just as
        # the connection stands, or is refused: whoever is to end would go on, and a time that is over would never be.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


async def greet(client: Client, patience: float) -> float:
    """Say hello over the connection that `client` has opened; `patience` is the `timeout` of the source, in seconds.
    How many bytes a request may have. Raises SourceError where the answer is that of another service, LinkLost where
    there is none: a server can hang, too."""
    limit = HELLO * patience
    try:
        async with asyncio.timeout(limit):
            return await say_hello(client)
    except TimeoutError:
        raise LinkLost(
            f"cannot connect: the connection is taken there, but no OPC UA server has answered within {limit:g} s"
        ) from None
    except (ConnectionError, UaError) as error:
        reason = str(error) or type(error).__name__ if isinstance(error, UaError) else "connection cut"
        raise SourceError(f"cannot connect: what answers there does not speak OPC UA ({reason})") from None


async def endpoints_of(discovery: Client, patience: float) -> Sequence[ua.EndpointDescription]:
    """What the server at the address of `discovery` offers, over a connection of its own without security. Raises as
    `greet`, and OSError and UaError."""
    try:
        await connect(discovery)
        await greet(discovery, patience)
        await open_channel(discovery)
        try:
            offered: Sequence[ua.EndpointDescription] = await discovery.get_endpoints()
        finally:
            await discovery.close_secure_channel()
    finally:
        discovery.disconnect_socket()
    return offered
