"""Asks the running gateway about its outbox or, where none runs, opens the files of the configuration."""

import argparse
import asyncio
import os
import pwd
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gateway.cli.startup import configure_logging, read_config
from gateway.config.schema import Config
from gateway.config.schema_process import OutboxConfig
from gateway.control_places import places, runtime_directory
from gateway.errors import OutboxError
from gateway.outbox.control_handlers import ControlHandlers, Question
from gateway.outbox.life import LifeMark, keep_life
from gateway.outbox.reject_handlers import REJECTS, RejectHandlers
from gateway.outbox.reject_handlers import Question as RejectQuestion
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread, open_outbox

Item = dict[str, Any]


def ask(
    arguments: argparse.Namespace,
    command: str,
    question: Question | RejectQuestion,
    use: Callable[[Item], None] | None = None,
) -> list[Item]:
    """The answer to `question`: as a list or, with `use`, item by item to that function."""
    config = read_config(arguments.config, os.environ, though_absent=True)[0].config
    asked = TypeAdapter(type(question)).dump_python(replace(question, by=_who()), mode="json")
    items: list[Item] = []

    async def run() -> None:
        async with aclosing(_answer(config, command, asked)) as answer:
            async for item in answer:
                (use or items.append)(item)

    asyncio.run(run())
    return items


def _who() -> str:
    """Who gives the command: behind `sudo`, the person."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


async def _answer(whole: Config, command: str, question: object) -> AsyncGenerator[Item, None]:
    """The answer of the running gateway or, where none runs, from the files, which are locked meanwhile."""
    from gateway import control  # noqa: PLC0415 - its libraries cost every other command 0.3 s

    config = whole.outbox
    directory = await asyncio.to_thread(config.directory.absolute)
    try:
        async for item in control.ask(directory, places(directory), command, question):
            yield item
    except control.NoGateway:
        pass
    else:
        return
    configure_logging(whole.log)  # what is said of the files is no part of the answer
    outbox = OutboxThread()
    await outbox.open(lambda: _open(config, runtime_directory()))
    try:
        if command.startswith(REJECTS):
            answer = RejectHandlers(outbox).answer(command, question)
        else:
            answer = ControlHandlers(outbox, live=False, directory=config.directory).answer(command, question)
        async for item in answer:
            yield item
    finally:
        await outbox.close()


def _open(config: OutboxConfig, runtime: Path) -> Outbox:
    if not any(config.directory.glob("outbox*")):
        raise OutboxError(f"there is no outbox in {config.directory}: no gateway with this configuration has run here")
    owner = config.directory.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        # Files that are made here must belong to the gateway's user, or it cannot start any more.
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    return open_outbox(
        config.directory,
        limit=config.size_limit,
        min_free=config.min_free,
        span=config.merge_span,
        live=partial(keep_life, mark=LifeMark(config.directory.absolute(), runtime)),
    )
