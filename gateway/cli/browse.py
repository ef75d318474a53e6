"""`oden-gateway browse`: what a source has, as a tree or a list, or as inputs ready to be pasted."""

import argparse
import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, replace
from pathlib import Path

from gateway.cli.startup import add_config_option, configure_logging, read_sources, say_beside
from gateway.clock import AnchoredClock
from gateway.config.check_addresses import why_no_address
from gateway.config.schema import OpcuaConfig, SourceConfig
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.schema_process import Log
from gateway.control_places import places
from gateway.errors import GatewayError
from gateway.live.browse import BROWSE_QUESTION, SECONDS, BrowseQuestion, Page, browse
from gateway.live.offer import Offer, Offers, csv_text, yaml_line
from gateway.outbox.words import moment
from gateway.sources.found import Found, Metric, Topic, TreeNode, found_adapter

BARE = "source"
"""What a source is called of which only the address is known."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `browse`."""
    parser = commands.add_parser(
        "browse",
        help="show what a source has: nodes, topics, Sparkplug metrics",
        description="Lists the nodes of an OPC UA server with their values, or the topics and Sparkplug births that "
        "come of an MQTT broker\nwithin some seconds. Only reads. The configuration need have nothing but `sources`; "
        "an address alone will do too.\nA gateway that runs is asked to look; its MQTT session is never used.",
        epilog="examples:\n"
        "  oden-gateway browse opc.tcp://10.1.4.20:4840\n"
        "  oden-gateway browse -c gateway.yaml press_plc --from '/Objects/2:Press' --match good\n"
        "  oden-gateway browse -c gateway.yaml floor --from 'plant-a/#' --seconds 60 --yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="its name, or an address; absent: all sources")
    parser.add_argument(
        "--from", dest="start", default="", metavar="NODE", help="begin at this node id or browse path; or topic filter"
    )
    parser.add_argument("--match", default="", metavar="TEXT", help="only what has this in its name; * and ? stand in")
    parser.add_argument("--depth", type=_count, metavar="N", help="so many levels of the tree below the beginning")
    parser.add_argument("--most", type=_count, metavar="N", help="at most so many nodes, topics or metrics")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="S",
        help="how long to listen to a broker; default: %(default)g",
    )
    parser.add_argument("--births", action="store_true", help="ask Sparkplug edge nodes for their births")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--yaml", action="store_true", help="print `inputs:` to be pasted into a line")
    form.add_argument("--csv", action="store_true", help="print a table of inputs, for `inputs: {file: …}`")
    form.add_argument("--json", action="store_true", help="print JSON, one node, topic or metric a line")
    parser.set_defaults(call=_browse)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a number from 1 on")
    return int(text)


def _browse(arguments: argparse.Namespace) -> int:
    configure_logging(Log(level="warning"))
    sources, directory = chosen(arguments.source, arguments.config)
    printer = _Printer(arguments, several=len(sources) > 1)
    asyncio.run(_print_all(arguments, sources, directory, printer))
    printer.end()
    if not printer.number:
        raise GatewayError("nothing was found that matches" if arguments.match else "nothing was found")
    return 0


def chosen(source: str | None, config: Path) -> tuple[Mapping[str, SourceConfig], Path | None]:
    """The sources that are meant, and the folder of the outbox of a gateway that may run with them; None where only an
    address is known. Raises GatewayError where there is no such source."""
    if source is not None and "://" in source:
        return {BARE: section_of(source)}, None
    sources, directory = read_sources(config, os.environ)
    if source is None:
        return sources, directory
    if source not in sources:
        raise GatewayError(f"there is no source {source}; there are: {', '.join(sources)}")
    return {source: sources[source]}, directory


def section_of(url: str) -> SourceConfig:
    """The section of a source of which only the address is known. Raises GatewayError for any other address."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    is_opcua = url.startswith("opc.tcp://")
    section: dict[str, str] = {"url": url, "type": "opcua" if is_opcua else "mqtt"}
    section |= {"security": "none"} if is_opcua else {"client_id": f"oden-gateway-{socket.gethostname()}"}
    adapter: TypeAdapter[SourceConfig] = TypeAdapter(OpcuaConfig if is_opcua else MqttConfig)
    wrong, read = why_no_address(url), None
    with suppress(ValidationError):
        read = adapter.validate_python(section)
    if read is not None and wrong is None:
        return read
    raise GatewayError(
        f"this is no address{f': {wrong}' if wrong is not None else ''}. Write opc.tcp://host:4840, mqtt://host:1883, "
        "mqtts://host:8883 or ws://host:80/mqtt; user names and certificates need a configuration file with `sources`"
    )


async def _print_all(
    arguments: argparse.Namespace,
    sources: Mapping[str, SourceConfig],
    directory: Path | None,
    printer: "_Printer",
) -> None:
    failures: list[str] = []
    for name, section in sources.items():
        question = BrowseQuestion(
            name, arguments.start, arguments.depth, arguments.match, arguments.seconds, arguments.births
        )
        printer.begin(name)
        try:
            async with aclosing(pages_of(section, question, directory)) as pages:
                async for found, said in pages:
                    if printer.take(found, said):
                        break
        except GatewayError as error:
            if len(sources) == 1:
                raise
            failures.append(f"{name}: {error}")
    if failures:
        raise GatewayError("; ".join(failures))


async def pages_of(section: SourceConfig, question: BrowseQuestion, directory: Path | None) -> AsyncGenerator[Page]:
    """What the source has: as the running gateway with the outbox in `directory` sees it or, where none runs, or none
    that reads this source, as seen from here. Raises GatewayError."""
    from gateway import control  # noqa: PLC0415 - its libraries cost every other command 0.3 s

    if directory is not None:
        absolute = await asyncio.to_thread(directory.absolute)
        asked = BROWSE_QUESTION.dump_python(replace(question, url=section.url), mode="json")
        with suppress(control.NoGateway):
            async with aclosing(control.ask(absolute, places(absolute), "browse", asked)) as items:
                async for item in items:
                    if "elsewhere" in item:
                        break
                    said = item.get("said")
                    yield found_adapter().validate_python(item["found"]), said if isinstance(said, list) else []
                else:
                    return
    async with aclosing(browse(section, question, AnchoredClock())) as pages:
        async for page in pages:
            yield page


class _Printer:
    """Prints what is found as it comes, in the form that is asked for."""

    def __init__(self, arguments: argparse.Namespace, *, several: bool) -> None:
        self._arguments, self._several = arguments, several
        self._source = ""
        self._offers = Offers("")
        self._rows: list[Offer] | None = [] if arguments.csv else None
        self.number = 0

    def begin(self, source: str) -> None:
        self._source = source
        self._offers = Offers(source, self._offers.names)
        if self._several and not (self._arguments.yaml or self._arguments.csv or self._arguments.json):
            print(f"{source}:", flush=True)

    def take(self, found: Sequence[Found], said: Sequence[str]) -> bool:
        """Print a page; whether that is enough."""
        for sentence in said:
            say_beside(f"{self._source}: {sentence}", as_json=self._arguments.json)
        for each in found:
            if self._arguments.most is not None and self.number >= self._arguments.most:
                text = f"There is more: --most {self._arguments.most} were asked for."
                say_beside(text, as_json=self._arguments.json)
                return True
            self._print(each)
        sys.stdout.flush()
        return False

    def _print(self, found: Found) -> None:
        if self._arguments.json:
            print(json.dumps({"source": self._source, **asdict(found)}, ensure_ascii=False))
            self.number += 1
        elif self._arguments.yaml or self._arguments.csv:
            for offer in self._offers.of(found):
                self.number += 1
                if self._rows is not None:
                    self._rows.append(offer)
                    continue
                if self.number == 1:
                    print("inputs:")
                print(yaml_line(offer))
        else:
            self.number += 1
            for line in described(found, indented=not self._arguments.match):
                print(line)

    def end(self) -> None:
        """Print what could not be printed before all was there."""
        if self._rows:
            print(csv_text(self._rows), end="")


_COMPOUND = {"]": "an array, of which `index: 0` is the first", "ExtensionObject": "a structure: `field: NAME`"}
"""What is shown of a value that is more than one."""


def described(found: Found, *, indented: bool) -> Iterator[str]:
    """What was found, in a line or a few."""
    match found:
        case TreeNode():
            indent = "  " * found.depth if indented else ""
            if not found.variable:
                problem = f"  ({found.problem})" if found.problem else ""
                yield _printable(f"{indent}{found.name}/  {found.node}{problem}")
                return
            unit = f" {found.unit}" if found.unit else ""
            uncertain = f", {found.quality}" if found.quality not in {"good", ""} else ""
            shown = (
                found.problem
                or _COMPOUND.get(found.type.partition("[")[2] or found.type)
                or f"{json.dumps(found.value, ensure_ascii=False)}{unit}"
            )
            kind = f" ({found.type}{uncertain})" if found.type else ""
            yield _printable(f"{indent}{found.name} = {shown}{kind}  {found.node}")
        case Topic():
            kept = ", kept by the broker" if found.retained else ""
            heard = (
                f"{found.messages} message{'' if found.messages == 1 else 's'}{kept}"
                if found.known_at is None
                else f"last {moment(found.known_at)}"
            )
            yield _printable(f"{found.topic}  {heard}: {found.problem or found.said}")
            for path, value in found.fields.items():
                if path:
                    yield _printable(f"    {path} = {json.dumps(value, ensure_ascii=False)}")
        case Metric():
            said = found.problem or json.dumps(found.value, ensure_ascii=False)
            told = found.type if found.known_at is None else f"last {moment(found.known_at)}"
            yield _printable(f"{found.device}  {found.metric} = {said} ({told})")


def _printable(text: str) -> str:
    """`text` without what would steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
