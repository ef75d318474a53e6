"""What the tests of the commands that look at sources share: a folder with a configuration, and its processes."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.control import ask
from gateway.control_places import places
from gateway.errors import GatewayError
from tests.config.command import TOKEN, Answer, environment, written
from tests.peers import PATIENCE


class Site:
    """A folder with a configuration, and the processes that were started with it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "site" / "gateway.yaml"
        self.processes: list[asyncio.subprocess.Process] = []

    def configure(self, text: str) -> None:
        """Write the configuration; the token's file stands beside it."""
        if self.config.exists():
            self.config.write_text(text, encoding="utf-8")
        else:
            written(self.config.parent, text)

    async def start(self, *words: str, **variables: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.config.parent,
            env=environment(**variables),
        )
        self.processes.append(process)
        return process

    async def run(self, *words: str) -> Answer:
        """A command, to its end."""
        async with asyncio.timeout(PATIENCE):
            output, errors = await (await self.start(*words)).communicate()
        assert TOKEN not in output.decode() + errors.decode()
        code = self.processes[-1].returncode
        assert code is not None
        return Answer(code, output.decode(), errors.decode().splitlines())

    async def until(self, shows: Callable[[Answer], object], *words: str) -> Answer:
        """A command that looks or listens for a while, as often as it takes until its answer `shows` what is wanted:
        how much comes in the while depends on what else the machine has to do. The last answer."""
        deadline = time.monotonic() + PATIENCE
        while not shows(answer := await self.run(*words)) and time.monotonic() < deadline:
            pass
        return answer

    async def gateway(self) -> asyncio.subprocess.Process:
        """The gateway, once it can be asked."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", "-c", "gateway.yaml"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self.config.parent,
            env=environment(),
        )
        self.processes.append(process)
        async with asyncio.timeout(PATIENCE):
            while not await self._answers():
                await asyncio.sleep(0.05)
        return process

    async def _answers(self) -> bool:
        """Whether the gateway answers, wherever its socket is."""
        directory = self.config.parent / "outbox"
        try:
            return [item async for item in ask(directory, places(directory), "status", None)] != []
        except GatewayError:
            return False

    async def end(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
