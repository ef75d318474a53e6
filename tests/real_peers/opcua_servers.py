"""OPC UA servers of other makers, each a process that is told what to do by JSON lines, behind one small protocol."""

import asyncio
import json
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.peers import free_port
from tests.real_peers.processes import PREPARED, PeerProcess, program, until_takes_connections

_HERE = Path(__file__).parent
_PATIENCE = 60.0
_STARTING = 300.0  # thousands of variables take their time


class OpcuaPeer(ABC):
    """A server on 127.0.0.1 whose variables are `nsu=urn:acme:line;s=<name>`. The port stays the same over restarts.

    Each start begins with the variables that it is given. `settings` are those of the program: see its first lines.
    Values are Python's; ints are Int32 unless a type is named, as PLCs have them.
    """

    name: str

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.port = free_port()
        self.directory = directory
        self.process = PeerProcess(self.name, directory)
        self._settings = settings

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    @abstractmethod
    def _command(self, settings: str) -> tuple[Sequence[str], Mapping[str, str]]:
        """The program with its argument, and its environment."""

    async def start(self, *, before: Sequence[str] = (), **variables: Any) -> None:
        """Start it with `variables` (dots as `__`: `L01__State=1`). `before`: namespaces that shift the line's
        index.
        """
        named = {name.replace("__", "."): value for name, value in variables.items()}
        settings = {"port": self.port, "before": list(before), "variables": named, "directory": str(self.directory)}
        command, environment = self._command(json.dumps({**settings, **self._settings}))
        self.process.launch(command, environment, talk=True)
        answer = await self._answer(_STARTING)
        assert answer == {"ready": True}, f"{self.name} says {answer}"
        await until_takes_connections(self.process, self.port)

    async def stop(self) -> None:
        """End it in good order: its input ends, it says goodbye to its clients."""
        if self.process.running:
            pipe = self._process.stdin
            assert pipe is not None
            pipe.close()
            await asyncio.to_thread(self._process.wait, _PATIENCE)
        await self.process.end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut does."""
        await self.process.end(signal.SIGKILL)

    def freeze(self) -> None:
        """A controller that hangs: its connections stay open and nothing answers any more, until `thaw`."""
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    async def add(self, name: str, value: Any, **more: Any) -> None:
        """Add a variable; `type` is the name of a built-in type."""
        await self.ask(do="add", name=name, value=value, **more)

    async def delete(self, name: str) -> None:
        """Delete a variable; `add` brings it back."""
        await self.ask(do="delete", name=name)

    async def write(self, name: str, value: Any, *, time: datetime | None = None, **more: Any) -> None:
        """Set a value; where the program knows them, with a `status` by its name and a source time."""
        at = {"time": time.isoformat()} if time is not None else {}
        await self.ask(do="write", name=name, value=value, **at, **more)

    async def ask(self, **command: Any) -> Any:
        """Have the program do something; what it says of it. AssertionError where it cannot."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(json.dumps(command).encode() + b"\n")
        pipe.flush()
        answer = await self._answer()
        assert answer.get("ok"), f"{self.name} cannot {command}: {answer}"
        return answer

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        return self.process.popen

    async def _answer(self, patience: float = _PATIENCE) -> Any:
        """The next line that is an answer; libraries print other things on the same stream."""
        pipe = self._process.stdout
        assert pipe is not None
        while True:
            async with asyncio.timeout(patience):
                line = await asyncio.to_thread(pipe.readline)
            assert line, f"{self.name} ended: {self.process.told()}"
            if line.startswith(b"{"):
                return json.loads(line)


class NodeOpcua(OpcuaPeer):
    """node-opcua: security, users and limits by its settings."""

    name = "node-opcua"

    def _command(self, settings: str) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [program("node"), str(_HERE / "node" / "opcua.js"), settings]
        return command, {"NODE_PATH": str(PREPARED / "node_modules")}


class Asyncua(OpcuaPeer):
    """asyncua's own server."""

    name = "asyncua"

    def _command(self, settings: str) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-m", "tests.real_peers.asyncua_server", settings], _importable()


class Open62541(OpcuaPeer):
    """open62541 in the package o6, which ends by itself after ten minutes."""

    name = "o6"

    def _command(self, settings: str) -> tuple[Sequence[str], Mapping[str, str]]:
        python = str(PREPARED / "o6" / "bin" / "python")
        return [program(python), "-m", "tests.real_peers.o6_server", settings], _importable()


def _importable() -> dict[str, str]:
    return {"PYTHONPATH": str(_HERE.parents[1])}


SERVERS: dict[str, Callable[..., OpcuaPeer]] = {kind.name: kind for kind in (NodeOpcua, Asyncua, Open62541)}
"""Every server by its name."""
