"""How a call of `oden-gateway call` gets to Oden: through the running gateway or, where none runs, from here, at the same pace."""

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import control
from gateway.cli.logs import configure
from gateway.config.loader import Loaded
from gateway.errors import GatewayError
from gateway.oden import control_handlers
from gateway.oden.classification import Answer
from gateway.oden.client import configured_client
from gateway.oden.endpoints import ENDPOINTS, Endpoint

PATIENCE = 15.0
"""Seconds that another command, or a gateway that is just starting or stopping, is waited for."""


def ask(loaded: Loaded, config: Path, endpoint: Endpoint, body: str, query: str | None) -> Answer:
    """What became of the call. GatewayError where it was not made, or where that is not known, which it then says."""
    configure(loaded.config.log)
    return asyncio.run(_ask(loaded, config, control_handlers.CallQuestion(endpoint.path, body, query)))


async def _ask(loaded: Loaded, config: Path, asked: control_handlers.CallQuestion) -> Answer:
    directory = await asyncio.to_thread(loaded.config.outbox.directory.absolute)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await _through_gateway(directory, asked)
        except control.NoGateway:
            pass
        try:
            return await _from_here(loaded, directory, config, asked)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GatewayError(f"another oden-gateway uses {directory}, and does not answer") from None
            await asyncio.sleep(0.1)


async def _through_gateway(directory: Path, asked: control_handlers.CallQuestion) -> Answer:
    question = control_handlers.CALL_QUESTION.dump_python(asked, mode="json")
    try:
        items = [
            item async for item in control.ask(directory, control.places(directory), control_handlers.CALL, question)
        ]
    except control.BrokenOff as error:
        raise GatewayError(f"{error}; whether the call was made is not known") from None
    (item,) = items
    return control_handlers.CALL_ANSWER.validate_python(item["answer"])


async def _from_here(loaded: Loaded, directory: Path, config: Path, asked: control_handlers.CallQuestion) -> Answer:
    """Made by a client of our own, which begins with a full second's wait. BlockingIOError where it is not our turn."""
    async with configured_client(loaded, time.monotonic()) as client:
        written = asyncio.Event()
        with _turn(directory, config):
            sending = asyncio.create_task(client.post(ENDPOINTS[asked.path], asked.body, written, query=asked.query))
            leaving = asyncio.create_task(written.wait())
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
        return await sending


@contextmanager
def _turn(directory: Path, config: Path) -> Iterator[None]:
    """Until the request is written no gateway starts with this outbox, and no other command makes a call; each waits for a full
    second before its first request. Where no gateway has ever run, the configuration file stands in for the outbox.
    """
    try:
        file = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise GatewayError(
            f"{directory} is for the gateway's own user and root: run the command as one of these"
        ) from None
    except FileNotFoundError:
        file = os.open(config, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)
