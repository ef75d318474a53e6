"""What a source has: the tree of an OPC UA server, or the topics and births that come of a broker.

Looked at over a session that stands already, or in one of its own that ends with it. Nothing is written, called or
acknowledged.
"""

import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from fnmatch import translate as pattern_of
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from gateway.clock import Clock
from gateway.config.addresses import BrowsePath, parse_place
from gateway.config.schema import OpcuaConfig, SourceConfig
from gateway.errors import SourceError
from gateway.live.visit import visitor
from gateway.sources.found import Found, TreeNode, found_adapter
from gateway.sources.mqtt_topics import EVERYTHING, Heard, listen

if TYPE_CHECKING:  # its library is loaded only where a source speaks OPC UA
    from gateway.sources.opcua.services import Link

SECONDS = 10.0
"""How long a broker is listened to, unless somebody says it."""


@dataclass(frozen=True, slots=True)
class BrowseQuestion:
    """What to list of a source: from the node, or the topic filter, `start` on (empty: all), `depth` levels of a tree,
    only what matches `match`. A broker is listened to for `seconds`; `births`: edge nodes are asked for theirs. `url`:
    where the source is that is meant."""

    source: str
    start: str = ""
    depth: int | None = None
    match: str = ""
    seconds: float = SECONDS
    births: bool = False
    url: str = ""


BROWSE_QUESTION = TypeAdapter(BrowseQuestion)


Page = tuple[Sequence[Found], Sequence[str]]
"""A part of what there is, and sentences about it."""


async def browse(
    section: SourceConfig, question: BrowseQuestion, clock: Clock, link: "Link | None" = None
) -> AsyncGenerator[Page]:
    """What there is, page by page. `link` is a way to the server that stands. Raises SourceError."""
    if isinstance(section, OpcuaConfig):
        async with aclosing(_nodes(section, question, clock, link)) as pages:
            async for nodes in pages:
                yield nodes, ()
        return
    heard = await listen(
        visitor(section), clock, [question.start or EVERYTHING], question.seconds, births=question.births
    )
    matches = matcher(question.match)
    topics = [topic for name, topic in sorted(heard.topics.items()) if matches(name)]
    metrics = [metric for (device, name), metric in sorted(heard.metrics.items()) if matches(f"{device} {name}")]
    yield [*topics, *metrics], _said(heard, question)


async def number_names(section: OpcuaConfig, node: str, clock: Clock) -> Mapping[int, str]:
    """What a server calls the numbers of an enumeration; none where `node` holds none, or the server does not say."""
    from gateway.sources.opcua.channel import Channel  # noqa: PLC0415 - as above
    from gateway.sources.opcua.description import number_names as ask  # noqa: PLC0415
    from gateway.sources.opcua.session_key import KeyFile  # noqa: PLC0415
    from gateway.sources.opcua.translation import translated  # noqa: PLC0415 - as above

    link = Channel(section, KeyFile(None))
    try:
        await link.open(clock.now())
        with translated("cannot read"):
            return await ask(link, node)
    except SourceError:
        return {}
    finally:
        await link.close()


async def _nodes(
    section: OpcuaConfig, question: BrowseQuestion, clock: Clock, link: "Link | None"
) -> AsyncGenerator[list[TreeNode]]:
    from gateway.sources.opcua.channel import Channel  # noqa: PLC0415 - as above
    from gateway.sources.opcua.session_key import KeyFile  # noqa: PLC0415
    from gateway.sources.opcua.translation import translated  # noqa: PLC0415 - as above
    from gateway.sources.opcua.tree import START, tree  # noqa: PLC0415

    matches = matcher(question.match)

    def wanted(node: TreeNode) -> bool:
        return any(map(matches, _names_of(node)))

    own = None
    try:
        if link is None:
            link = own = Channel(section, KeyFile(None))
            await own.open(clock.now())
        with translated("cannot browse"):
            selection = wanted if question.match else None
            async with aclosing(tree(link, question.start or START, question.depth, selection)) as pages:
                async for page in pages:
                    yield page
    finally:
        if own is not None:
            await own.close()


def _names_of(node: TreeNode) -> Iterator[str]:
    """What a person may call it: also by its address and its path without their namespaces."""
    yield from (node.name, node.node, node.path, node.node.rpartition(";")[2].partition("=")[2])
    place = parse_place(node.path) if node.path else None
    if isinstance(place, BrowsePath):
        yield "/".join(name for _, name in place.steps)


def matcher(text: str) -> Callable[[str], bool]:
    """Whether a name has `text` in it or, where that has `*` or `?`, is like it as a whole; capitals do not matter."""
    if not text:
        return lambda _: True
    if "*" in text or "?" in text:
        pattern = re.compile(pattern_of(text.replace("[", "[[]")), re.IGNORECASE)
        return lambda name: pattern.fullmatch(name) is not None
    return lambda name: text.casefold() in name.casefold()


def _said(heard: Heard, question: BrowseQuestion) -> list[str]:
    said = [f"the broker refuses {topic}: {why}" for topic, why in heard.refused.items()]
    if not heard.topics and not heard.metrics and not heard.refused:
        said.append(
            f"nothing came in {question.seconds:g} s: listen longer with --seconds, "
            "or see what the broker lets this user read"
        )
    if heard.left_out:
        said.append(f"{heard.left_out:,} messages of further topics are left out: name a part of the topics")
    if heard.unborn:
        names = ", ".join(sorted(heard.unborn)[:5])
        said.append(
            f"of {len(heard.unborn)} Sparkplug edge nodes no birth came ({names}): listen longer, or ask for births"
        )
    return said


async def answer_browse(
    section: SourceConfig,
    question: BrowseQuestion,
    clock: Clock,
    link: "Link | None",
    known: Callable[[Sequence[Found]], Sequence[Found]],
) -> AsyncGenerator[dict[str, object]]:
    """As `browse`, in JSON objects for the control socket; of a broker also what is `known` beside what was heard."""
    heard: list[Found] = []
    async with aclosing(browse(section, question, clock, link)) as pages:
        async for found, said in pages:
            heard += found if link is None else ()
            yield {"found": found_adapter().dump_python(list(found), mode="json"), "said": list(said)}
    more = known(heard) if link is None else ()
    if more:
        said = ["what did not come just now follows as the running gateway had it last"]
        yield {"found": found_adapter().dump_python(list(more), mode="json"), "said": said}
