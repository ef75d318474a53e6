"""The beginning and the end of a listener. One that is cut off at its beginning leaves its address, and one that ends
loses no connection: what it has just taken is closed with all others.
"""

import asyncio
from collections.abc import Callable
from typing import Any

TURNS = 3
"""Turns of the event loop after which a connection that was taken is known to its protocol."""


async def begin_listening(made: Callable[[], asyncio.BaseProtocol], *where: Any, **more: Any) -> asyncio.Server:
    """A server that listens, as the event loop's `create_server` makes it. OSError where it cannot.

    The loop's own serves before it returns: cancelled in between, it would go on for ever, and nobody could end it.
    """
    server = await asyncio.get_running_loop().create_server(made, *where, start_serving=False, **more)
    try:
        await server.start_serving()
    except BaseException:
        await stop_listening(server)
        raise
    return server


async def stop_listening(server: asyncio.Server) -> None:
    """Take no connection any more. Returns once each that was taken is known to its protocol, so that whoever closes
    the connections that there are closes it too.

    Where a server is closed between the two, asyncio forgets the connection: it stays open, and nobody answers on it,
    until the garbage collector happens to find it.
    """
    loop = asyncio.get_running_loop()
    try:
        for listener in server.sockets:
            loop.remove_reader(listener.fileno())
        for _ in range(TURNS):
            await asyncio.sleep(0)
    finally:
        server.close()
