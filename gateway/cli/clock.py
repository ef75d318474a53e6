"""`oden-gateway clock`: what time it is for the running gateway, by what that is confirmed, and accepting it."""

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any

from gateway.cli.startup import add_config_option, read_config
from gateway.control_places import places
from gateway.errors import GatewayError


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `clock` and its subcommands."""
    parser = commands.add_parser(
        "clock",
        help="what time it is for the running gateway, and accepting this machine's",
        description="Shows by what the running gateway's time is confirmed, and accepts the time of this machine where "
        "nothing confirms it.",
        epilog="example:\n  oden-gateway clock show",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = group.add_parser(
        "show",
        help="show the gateway's time, this machine's, and by what it is confirmed",
        description="Shows the gateway's time, this machine's, and by what it is confirmed.",
        epilog="example:\n  oden-gateway clock show --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("--json", action="store_true", help="print JSON on standard output")
    show.set_defaults(call=_show)
    accept = group.add_parser(
        "accept",
        help="take this machine's time for right, where nothing else confirms it",
        description="Sets the gateway's time to that of this machine, and takes it for right. Times that the gateway "
        "has stamped since it was started, and that are not delivered, are mended with it. Set the machine's clock "
        "first, and look at it (`date -u`).",
        epilog="example:\n  oden-gateway clock accept",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    accept.set_defaults(call=_accept)
    for command in (show, accept):
        add_config_option(command)


def _show(arguments: argparse.Namespace) -> int:
    shown = asyncio.run(_asked(arguments.config, "show"))
    print(json.dumps(shown) if arguments.json else "\n".join(_lines(shown)))
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    print(asyncio.run(_asked(arguments.config, "accept"))["said"])
    return 0


def _lines(shown: dict[str, Any]) -> list[str]:
    ntp = {True: "this machine's clock is synchronised", False: "this machine's clock is not synchronised"}
    oden = shown["oden_ahead"]
    return [
        f"for the gateway it is  {shown['gateway']}",
        f"this machine shows     {shown['machine']} ({shown['ahead']:+.1f} s)",
        f"confirmed by           {shown['confirmed_by'] or 'nothing yet'}",
        f"NTP                    {ntp.get(shown['ntp'], 'nobody can tell')}",
        f"Oden's clock           {'has not told yet' if oden is None else f'{oden:+.1f} s'}",
        *([f"intake waits           {shown['waiting']}"] if shown["waiting"] else []),
        *([f"in doubt because       {shown['doubt']}"] if shown["doubt"] else []),
    ]


async def _asked(config: Path, question: str) -> dict[str, Any]:
    """The running gateway's answer."""
    from gateway import control  # noqa: PLC0415 - its libraries cost every other command 0.3 s

    loaded, _ = read_config(config, os.environ)
    directory = await asyncio.to_thread(loaded.config.outbox.directory.absolute)
    answer: dict[str, Any] = {}
    try:
        async for item in control.ask(directory, places(directory), "clock", question):
            answer = item
    except control.NoGateway:
        raise GatewayError("no gateway runs here. It looks at the clock when it is started") from None
    return answer
