"""What the OPC UA server programs written in Python share: settings as their only argument, then commands as JSON
lines.

Each line of standard input is an object with `do` and what that needs; it is answered by a line with `{"ok": true}`
and what there is to say, or with `error` and what went wrong. The first line out says `ready`. The program ends when
its input does. This module needs no package, because one of these programs has an environment of its own.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Command = Callable[[dict[str, Any]], Awaitable[object]]
"""What is done with the object of a line; what there is to say of it."""

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


async def obey(commands: Mapping[str, Command]) -> None:
    """Do what the lines of standard input say, one after another, until it ends."""
    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say(ready=True)
    while line := await reader.readline():
        command = json.loads(line)
        try:
            told = await commands[command["do"]](command)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test that asked is told
            say(error=f"{type(error).__name__}: {error}")
        else:
            say(ok=True, **(told if isinstance(told, dict) else {}))


class Counters:
    """Variables that count all the time, spread evenly, as machines are: `counting` is prefix -> how many, and after
    how many milliseconds each counts. `write` is the command that sets one."""

    def __init__(
        self, counting: Mapping[str, tuple[int, int]], write: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        self._counting = counting
        self._write = write
        self._made = dict.fromkeys(counting, 0)
        self._tasks: list[asyncio.Task[None]] = []

    def names(self) -> list[str]:
        """All of them."""
        return [f"{prefix}{number}" for prefix, (many, _) in self._counting.items() for number in range(many)]

    async def count(self, _command: dict[str, Any]) -> None:
        """Begin, or go on."""
        self._tasks = [asyncio.create_task(self._go(prefix, *each)) for prefix, each in self._counting.items()]

    async def rest(self, _command: dict[str, Any]) -> dict[str, object]:
        """Stop; how often they have counted in all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return {"made": sum(self._made.values())}

    async def _go(self, prefix: str, many: int, every: int) -> None:
        begun, before = time.monotonic(), self._made[prefix]
        while True:
            due = before + int((time.monotonic() - begun) * 1000 * many / every)
            while self._made[prefix] < due:
                made = self._made[prefix]
                self._made[prefix] = made + 1
                await self._write({"name": f"{prefix}{made % many}", "value": made // many + 1})
            await asyncio.sleep(0.02)
