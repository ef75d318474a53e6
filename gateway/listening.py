"""The end of a listener that loses no connection: what it has just taken is closed with all others."""

import asyncio

TURNS = 3
"""Turns of the event loop after which a connection that was taken is known to its protocol."""


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
