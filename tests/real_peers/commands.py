"""What the OPC UA server programs written in Python share: settings as their only argument, then commands as JSON
lines.

Each line of standard input is an object with `do` and what that needs; it is answered by a line with `{"ok": true}`,
or with `error` and what went wrong. The first line out says `ready`. The program ends when its input does. This
module needs no package, because one of these programs has an environment of its own.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

LINE = "urn:acme:line"
"""The namespace of all variables; their node ids are `nsu=urn:acme:line;s=<name>`."""


def settings() -> dict[str, Any]:
    """The argument of the program: `port`, and whatever else it knows."""
    loaded: dict[str, Any] = json.loads(sys.argv[1])
    return loaded


def say(**fields: object) -> None:
    """One line out."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def obey(commands: Mapping[str, Callable[[dict[str, Any]], Awaitable[object]]]) -> None:
    """Do what the lines of standard input say, one after another, until it ends."""
    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say(ready=True)
    while line := await reader.readline():
        command = json.loads(line)
        try:
            await commands[command["do"]](command)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test that asked is told
            say(error=f"{type(error).__name__}: {error}")
        else:
            say(ok=True)
