"""`oden-gateway init`: a first configuration from a few answers, and from what the sources have."""

import argparse
import asyncio
import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from gateway.cli.browse import section_of
from gateway.cli.schema import json_schema
from gateway.cli.startup import DEFAULT_CONFIG, configure_logging, read_config
from gateway.clock import AnchoredClock
from gateway.config.environment import VARIABLE_PREFIX
from gateway.config.schema import OpcuaConfig
from gateway.config.schema_process import Log
from gateway.errors import ConfigError, GatewayError
from gateway.live.browse import SECONDS, BrowseQuestion, browse, number_names
from gateway.live.first_config import Branch, FirstLine, first_configuration, one_branch, state_of
from gateway.live.offer import Offer, Offers
from gateway.secret_forms import shown_address

COMMAND = "oden-gateway"
SCHEMA = "gateway.schema.json"
MOST = 2_000
"""Values that are looked at of each source."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `init`."""
    parser = commands.add_parser(
        "init",
        help="write a first configuration from what your sources have",
        description="Asks for what is not given as an option, looks at what the server and the broker have, and writes "
        "a first\nconfiguration for one line, which `check` takes. Reads only; an existing file is not overwritten.",
        epilog="examples:\n  oden-gateway init\n"
        "  oden-gateway init --opcua opc.tcp://10.1.4.20:4840 --factory 'Factory A' --line 'Line 01'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--opcua", metavar="URL", help="the OPC UA server, such as opc.tcp://10.1.4.20:4840")
    parser.add_argument("--mqtt", metavar="URL", help="the MQTT broker, such as mqtt://broker.plant-a.local")
    parser.add_argument("--from", dest="start", default="", metavar="NODE", help="where the line's nodes begin")
    parser.add_argument(
        "--match", default="", metavar="TEXT", help="a part of the names of the line's nodes, or a pattern: 'M07.*'"
    )
    parser.add_argument("--topics", default="", metavar="FILTER", help="the line's topics, such as 'plant-a/L01/#'")
    parser.add_argument("--factory", metavar="NAME", help="the factory's name at Oden")
    parser.add_argument("--line", metavar="NAME", help="the line's name at Oden")
    parser.add_argument(
        "--running", action="append", default=[], metavar="VALUE", help="a value of the state at which the line runs"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("gateway.yaml"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="write over an existing file")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="S",
        help="how long to listen to the broker; default: %(default)g",
    )
    parser.set_defaults(call=lambda arguments: _init(parser, arguments))


def _init(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    configure_logging(Log(level="error"))
    output: Path = arguments.output
    if output.exists() and not arguments.overwrite:
        raise GatewayError(f"{output} exists already: name another with --output, or add --overwrite")
    if sys.stdin.isatty():
        _ask(arguments)
    if not arguments.opcua and not arguments.mqtt:
        parser.error("name a server with --opcua or a broker with --mqtt")
    sources = dict(_sources(arguments.opcua, arguments.mqtt))
    found = asyncio.run(_offers(sources, arguments))
    if not any(found.values()):
        raise GatewayError("nothing was found that an input could be: see what `oden-gateway browse` shows")
    offers, others = _of_one_machine(found)
    for sentence in others:
        print(sentence, file=sys.stderr)
    numbers = asyncio.run(_numbers(sources, offers))
    if sys.stdin.isatty() and not arguments.running:
        _ask_for_running(arguments, offers, numbers)
    line = FirstLine(arguments.factory or "", arguments.line or "", arguments.running, numbers)
    outbox = "" if output.absolute().parent == DEFAULT_CONFIG.parent else "outbox"
    text = first_configuration(sources, offers, line, SCHEMA, outbox, others)
    try:
        output.write_text(text, encoding="utf-8")
        schema = output.parent / SCHEMA
        if not schema.exists():
            schema.write_text(json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"{output} cannot be written: {error.strerror}") from None
    outbox_there = _outbox_of_right(output)
    print(_next_steps(output, outbox_there, sum(map(len, found.values())), text.count("# TODO: ")))
    return 0


def _ask(arguments: argparse.Namespace) -> None:
    """Ask for what is not given."""
    questions = (
        ("opcua", "Address of the OPC UA server, such as opc.tcp://10.1.4.20:4840 (empty: none): "),
        ("mqtt", "Address of the MQTT broker, such as mqtt://broker.plant-a.local (empty: none): "),
        ("factory", "Name of the factory at Oden: "),
        ("line", "Name of the line at Oden: "),
    )
    for name, question in questions:
        if getattr(arguments, name) is None:
            print(question, end="", file=sys.stderr, flush=True)
            setattr(arguments, name, sys.stdin.readline().strip())


async def _numbers(sources: Mapping[str, Mapping[str, str]], offers: Sequence[Offer]) -> Mapping[int, str]:
    """What the server calls the values of the state, where it does."""
    state = state_of(offers)
    if state is None or "node" not in state.keys or not isinstance(state.value, int):
        return {}
    section = section_of(sources[state.keys["source"]]["url"])
    if not isinstance(section, OpcuaConfig):
        return {}
    return await number_names(section, state.keys["node"], AnchoredClock())


def _ask_for_running(arguments: argparse.Namespace, offers: Sequence[Offer], numbers: Mapping[int, str]) -> None:
    """Ask at which values of the state the line runs: no name says that."""
    state = state_of(offers)
    if state is None:
        return
    value = json.dumps(state.value, ensure_ascii=False)
    if numbers:
        print(f"Values of {state.name}: {', '.join(f'{n} {name}' for n, name in numbers.items())}", file=sys.stderr)
    question = f"Value of {state.name} at which the line runs; it is {value} now (several: 1, 2; empty: not known): "
    print(question, end="", file=sys.stderr, flush=True)
    arguments.running = [word for part in sys.stdin.readline().split(",") if (word := part.strip())]


def _sources(opcua: str | None, mqtt: str | None) -> Mapping[str, Mapping[str, str]]:
    """The keys of the sources, by their names."""
    sources: dict[str, dict[str, str]] = {}
    if opcua:
        section_of(opcua)
        sources["plc"] = {"type": "opcua", "url": opcua, "security": "none"}
    if mqtt:
        section_of(mqtt)
        client = f"oden-gateway-{os.uname().nodename}"
        sources["broker"] = {"type": "mqtt", "url": mqtt, "client_id": client}
    return sources


def _of_one_machine(found: Mapping[str, Sequence[Offer]]) -> tuple[list[Offer], list[str]]:
    """What is offered for one line, and what is said of machines that are like it."""
    offers: list[Offer] = []
    said: list[str] = []
    called: set[str] = set()
    for source, each in found.items():
        branch = one_branch(each, called)
        called |= {branch.name} if branch.name else {word for offer in branch.offers for word in offer.path[:-1]}
        offers += branch.offers
        if branch.others:
            said.append(_others(source, branch))
    return offers, said


def _others(source: str, branch: Branch) -> str:
    """Which machines are left out, and how another is taken."""
    topics = (offer.keys.get("topic", "").split("/") for offer in branch.offers)
    levels = next((levels for levels in topics if branch.name in levels), None)
    if levels is not None:
        wanted = "/".join([*levels[: levels.index(branch.name)], branch.others[0], "#"])
        way = f"init --topics {shlex.quote(wanted)}"
    elif any("node" in offer.keys for offer in branch.offers):
        way = f"init --match {shlex.quote(branch.others[0])}"
    else:  # Sparkplug: the name may be that of a group, a node, a device or a part of a metric's
        way = "browse --yaml shows their inputs"
    text = f"{source}: {branch.name} is taken, and not {_some(branch.others)}, which are like it: {way}"
    return "".join(each for each in text if each.isprintable())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


async def _offers(
    sources: Mapping[str, Mapping[str, str]], arguments: argparse.Namespace
) -> Mapping[str, Sequence[Offer]]:
    """What each source has that an input could be."""
    everything: dict[str, list[Offer]] = {}
    names: set[str] = set()
    for name, keys in sources.items():
        offers, number = Offers(name, names), 0
        found = everything.setdefault(name, [])
        nodes = keys["type"] == "opcua"
        start, match = (arguments.start, arguments.match) if nodes else (arguments.topics, "")
        question = BrowseQuestion(name, start, match=match, seconds=arguments.seconds)
        print(f"Looking at {shown_address(keys['url'])} …", file=sys.stderr, flush=True)
        async with aclosing(browse(section_of(keys["url"]), question, AnchoredClock())) as pages:
            async for page, said in pages:
                for sentence in said:
                    print(f"{name}: {sentence}", file=sys.stderr)
                for each in page:
                    more = list(offers.of(each))
                    number += len(more)
                    found += more
                if number > MOST:
                    break
        if not number:
            print(f"{name}: nothing was found{' that matches' if start or match else ''}", file=sys.stderr)
    return everything


def _outbox_of_right(output: Path) -> Path:
    """Check the file as `check` does, with a token in the place of the one that may be missing yet; the folder of its
    outbox."""
    try:
        loaded, _ = read_config(output, {**os.environ, f"{VARIABLE_PREFIX}ODEN_TOKEN": "x"})
    except ConfigError as error:
        raise GatewayError(f"{output} is written, and is not right yet:\n{error}") from None
    return loaded.config.outbox.directory


def _next_steps(output: Path, outbox: Path, found: int, to_do: int) -> str:
    token = output.parent / "secrets" / "oden_token"
    command = _command()
    marked = f"{to_do} places are" if to_do != 1 else "1 place is"
    return f"""{output} is written, from {found} values that were found. What is next:

1. Put the token of the Oden API into {token} (only you may read it: chmod 600).
2. Read {output}: {marked} marked TODO, which `check` lists until you have removed the word. Editors that
   know YAML schemas complete keys and explain them.
3. {command} check -c {output} --live     is all of it there?
4. {command} record -c {output} first.jsonl --for 10m, then\n   {command} replay -c {output} first.jsonl
                                             what would Oden be told?
5. Try it without Oden, with `demo-token` as the token, in two terminals (docs/simulator.md: it knows Factory A with
   Line 01 to Line 40, or a plant of your own):
   {command} simulate oden --port 8400 --ledger requests.jsonl
   ODEN_GATEWAY_ODEN__URL=http://127.0.0.1:8400/v2 {command} run -c {output}
6. {command} run -c {output}     with Oden's token, once the folder {outbox} is emptied"""


def _command() -> str:
    """How this command is called from here: by its name, or by its path where the shell does not find it."""
    called = Path(sys.argv[0])
    return str(called) if called.name == COMMAND and shutil.which(COMMAND) is None else COMMAND
