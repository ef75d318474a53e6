"""What is wrong with the sources as they were looked at, each with its cure, and what is like a name that is not there.
Pure."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from gateway.config.addresses import parse_device, sparkplug_address
from gateway.config.schema import Config, OpcuaConfig, SourceConfig
from gateway.config.schema_io import Input
from gateway.live.cures import AWAY, CONCERNS, NOT_A_VALUE, NOT_RECEIVED, FindingKind, fitting
from gateway.live.look import LookDifference, SourceLook
from gateway.live.tail import NO_VALUE, InputReading

MOST_COMPARED = 2_000
"""Topics that are compared with one that is silent."""
MOST_NEAR = 3


def alike(name: str) -> str:
    """`name` without what people write in different ways: capitals, spaces, and zeros before a number."""
    return re.sub(r"\W|_|(?<!\d)0+(?=\d)", "", name.casefold())


def near_topics(wanted: str, topics: Iterable[str]) -> list[str]:
    """Those of `topics` that are most like the topic filter `wanted`: with a level in common, and alike as a whole."""
    levels = {alike(level) for level in wanted.split("/")} - {""}
    candidates: dict[str, str] = {}
    for topic in topics:
        if len(candidates) < MOST_COMPARED and any(alike(level) in levels for level in topic.split("/")):
            candidates.setdefault(_plain(topic), topic)
    return [candidates[near] for near in get_close_matches(_plain(wanted), candidates, n=MOST_NEAR)]


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """The one of `known` that is most like `name`, if any is."""
    same = (each for each in sorted(known) if alike(each) == alike(name))
    return next(same, None) or next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.5)), None)


def _plain(topic: str) -> str:
    return "/".join(alike(level) for level in topic.split("/"))


APART = 5.0
"""Seconds by which the clocks of a server and of this machine may differ."""

Level = Literal["wrong", "unheard", "note"]
"""wrong: it will not work as it is. unheard: nothing has come of it, which is no fault of a topic that speaks seldom.
note: a person should know it; it may be meant so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `kind` is its name for scripts, `about` the source, line or input that it is about;
    `cure` says exactly what to do."""

    kind: FindingKind
    level: Level
    about: str
    text: str
    cure: str


_UNCERTAIN = "uncertain"
"""What a reason has in it where the quality of a value is why it is not used."""


def unheard(look: SourceLook, config: Config) -> list[str]:
    """The topics, as filters, of which nothing was ever heard of a broker that is connected to."""
    heard = {reading.address for reading in look.readings} | look.failed.keys() | look.spoke
    inputs = [given for line in config.lines for given in line.inputs.values() if given.source == look.name]
    silent = {given.address: None for given in inputs if given.topic is not None and given.address not in heard}
    return list(silent) if look.connected else []


def source_findings(
    look: SourceLook,
    config: Config,
    seconds: float,
    option: str,
    now: float,
    around: Collection[str] | None = None,
) -> Iterator[Finding]:
    """What is wrong with one source. `seconds` is how long was waited, `option` how a command names the configuration,
    such as ` -c gateway.yaml`; `now` in seconds since 1970. `around` are the topics that were heard when all were
    listened to, None where they were not."""
    section = config.sources[look.name]
    known = _known(look.name, section, option)
    if not look.connected:
        kind, cure = fitting(AWAY, look.detail, "unreachable", "see that it is on and that {host} can be reached")
        silence = "" if look.tried else f": nothing has answered in {seconds:g} s"
        yield Finding(kind, "wrong", look.name, look.detail + silence, cure.format_map(known))
        return
    for concern, text in look.concerns.items():
        log = "see what the log of the gateway says of {source}"
        kind, cure = fitting(CONCERNS.get(concern, ()), text, "not_received", log)
        yield Finding(kind, "note", look.name, text, cure.format_map(known))
    if look.clock_ahead is not None and abs(look.clock_ahead) > APART:
        way = "ahead of" if look.clock_ahead > 0 else "behind"
        text = f"the server's clock is {abs(look.clock_ahead):.0f} s {way} this machine's"
        cure = f"set the clock that is wrong; until then `timestamps: arrival` at {look.name}"
        if isinstance(section, OpcuaConfig) and section.timestamps == "arrival":
            yield Finding("clock", "note", look.name, f"{text}, which is not asked (`timestamps: arrival`)", cure)
        else:
            yield Finding("clock", "wrong", look.name, text, cure)
    last = {(reading.line, reading.input): reading for reading in look.readings}
    seen = _Seen(look, known, seconds, now, around)
    for line in config.lines:
        name = f"{line.factory}/{line.line}"
        for input_name, given in line.inputs.items():
            if given.source == look.name:
                reading = last.get((name, input_name))
                yield from _of_input(seen, f"{name} {input_name}", given, reading)
    yield from _of_no_input(seen, config)


def _of_no_input(seen: "_Seen", config: Config) -> Iterator[Finding]:
    """What is not received and is none of an input's own addresses: what a broker refuses for all devices of an edge
    node, say."""
    inputs = (given for line in config.lines for given in line.inputs.values() if given.source == seen.look.name)
    told = {address for given in inputs for address in _addresses(given)}
    for address, why in seen.look.failed.items():
        if address not in told:
            known = {**seen.known, "input": seen.look.name, "address": address, "around": "", "place": ""}
            kind, cure = fitting(NOT_RECEIVED, why, "not_received", "oden-gateway browse{config} {source}")
            yield Finding(kind, "wrong", seen.look.name, f"{address}: {why}", cure.format_map(known))


def not_running(differs: LookDifference | None) -> Iterator[Finding]:
    """What the running gateway does not go by yet; `differs` is None where none runs."""
    if differs is None or not (differs.by_reload or differs.restart):
        return
    named = (("sources", differs.sources), ("lines", differs.lines), ("tables", differs.tables))
    changed = (*(["oden"] if differs.oden else []), *differs.settings, *differs.restart)
    parts = (*(f"{what} {names}" for what, names in named if names), *(f"~{name}" for name in changed))
    text = f"it does not go by this file yet: {'; '.join(parts)}"
    if differs.sources.new or differs.sources.changed:
        seen = ", ".join((*differs.sources.new, *differs.sources.changed))
        text += f". What is found of {seen} is by this file, looked at by a client of its own"
    if differs.oden:
        text += ". Oden was asked as the running gateway asks it"
    if differs.restart:
        text += f". A reload does not change {', '.join(differs.restart)}: that takes a restart, which has the rest too"
    cure = differs.by.restart if differs.restart else differs.by.reload
    yield Finding("not_running", "note", "the running gateway", text, cure)


def _known(source: str, section: SourceConfig, option: str) -> dict[str, str]:
    place = urlsplit(section.url)
    return {
        "source": source,
        "config": option,
        "host": place.netloc.rpartition("@")[2],
        "pki": shlex.quote(str(section.pki)) if isinstance(section, OpcuaConfig) else "",
        "client": "" if isinstance(section, OpcuaConfig) else section.client_id,
        "login": _login(source, section, place.username),
    }


def _login(source: str, section: SourceConfig, user: str | None) -> str:
    """What is to be done where the user is not taken; `user` is who stands in the address."""
    if isinstance(section, OpcuaConfig) and section.user_certificate is not None:
        return f"let the server take `user_certificate` of {source}, or correct it and `user_key`"
    if section.username is None and user is None:
        return f"set `username` and `password` of {source}: it takes no one without"
    return f"correct `username` and `password` of {source}"


class _Seen(NamedTuple):
    """A source as it was looked at, for what is found of its inputs: see `source_findings`; `known` is filled into
    cures."""

    look: SourceLook
    known: Mapping[str, str]
    seconds: float
    now: float
    around: Collection[str] | None


def _of_input(seen: _Seen, about: str, given: Input, reading: InputReading | None) -> Iterator[Finding]:
    failed = seen.look.failed
    known = {**seen.known, "input": about, "address": given.address, "around": _around(given)}
    known["place"] = shlex.quote(given.node or given.event or "")
    why = next((failed[address] for address in _addresses(given) if address in failed), None)
    if why is not None and _UNCERTAIN in why and not given.ignores_uncertain:
        why = None  # it is ignored for another input of the same tag
    unused = why or (reading.problem if reading is not None else "")
    if _UNCERTAIN in unused and given.uncertain == "ignore":
        text = f"{given.address}: {unused}"
        yield Finding("uncertain", "note", about, text, f"`uncertain: use` at {about}, if such a value is to count")
    elif why is not None:
        kind, cure = fitting(NOT_RECEIVED, why, "not_received", "oden-gateway browse{config} {source}{around}")
        yield Finding(kind, "wrong", about, f"{given.address}: {why}", cure.format_map(known))
    elif reading is None or (given.topic is not None and reading.known):
        yield _silent(seen, about, given, reading)
    elif reading.problem == NO_VALUE or (reading.value is None and reading.quality == "good" and not reading.problem):
        yield Finding(
            "no_value_yet", "note", about, f"{given.address}: {NO_VALUE}", "see again once the machine has run"
        )
    elif reading.problem:
        kind, cure = fitting(NOT_A_VALUE, reading.problem, "no_value", "correct {input}: see what {address} says")
        yield Finding(kind, "wrong", about, f"{given.address}: {reading.problem}", cure.format_map(known))
    elif reading.quality == "bad":
        text = f"{given.address}: its quality is bad, so that it has no value"
        yield Finding("bad_quality", "wrong", about, text, "see at the device why it has no value")
    elif reading.quality == "uncertain":
        text = f"{given.address}: its quality is uncertain, and its value is used"
        yield Finding("uncertain_used", "note", about, text, f"`uncertain: ignore` at {about}, if it is not to count")


def _addresses(given: Input) -> list[str]:
    """Under which addresses it can say why an input is not received, the first cause first: of a metric its edge node,
    its device, and itself."""
    if given.device is None:
        return [given.address]
    node = parse_device(given.device)
    return [sparkplug_address(f"{node.group}/{node.node}"), given.address, f"{given.address}#{given.metric}"]


def _silent(seen: _Seen, about: str, given: Input, reading: InputReading | None) -> Finding:
    """Nothing came of an input. A tag says what it is at once, a topic when it has something to say."""
    text = f"{given.address}: nothing heard in {seen.seconds:g} s"
    option = seen.known["config"]
    if given.only and given.address in seen.look.spoke:
        text = f"{given.address}: messages came in {seen.seconds:g} s, but none that `only` takes"
        cure = f"correct `only` of {about}: see what its messages say; if the one that is meant comes seldom: "
        return Finding(
            "field_missing", "unheard", about, text, f"{cure}oden-gateway check{option} --live --seconds 300"
        )
    again, browse = f"oden-gateway check{option} --live --seconds", f"oden-gateway browse{option} {seen.look.name}"
    if given.device is not None:
        return Finding("silent", "wrong", about, text, f"{browse} --births --seconds 60")
    if given.event is not None:
        return Finding("silent", "unheard", about, text, f"wait for an event: {again} 300")
    if given.topic is None:
        cure = f"it may take its time: {again} 60; else the server tells nothing of it: restart it"
        return Finding("silent", "wrong", about, text, cure)
    cure = f"{browse} --from {shlex.quote(given.address)} --seconds 60; if it speaks seldom: {again} 300"
    if reading is not None:
        text += f"; the last one came {seen.now - reading.received:.0f} s ago"
    elif seen.around is not None:
        near = near_topics(given.address, seen.around)
        if near:
            text += f"; the broker has what is like it: {', '.join(near)}"
            cure = f"write `topic` of {about} as it is at the broker, if that is meant; else {cure}"
        else:
            text += (
                f"; none of {len(seen.around):,} topics at the broker is like it"
                if seen.around
                else ", nor of any other topic"
            )
    return Finding("silent", "unheard", about, text, cure)


def _around(given: Input) -> str:
    """The option by which a tree or a list of metrics shows what stands beside what is not there: where its name is
    wrong, it is found by what it stands in. None where an address does not say that."""
    node = given.node or given.event or ""
    parts = re.split(r"[./]", given.device or node.rpartition("=")[2])
    stands_in = parts[-1] if given.device is not None else ".".join(parts[:-1][-1:]).rpartition(":")[2]
    return f" --match {shlex.quote(stands_in)}" if stands_in else ""
