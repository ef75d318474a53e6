"""A plant of a real size, 40 lines of 25 inputs written out, and mistakes put into its lines."""

import contextlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.__main__ import main
from tests.config.command import written

HERE = "▲"
"""Stands where the problem is reported; it is removed before the file is written."""
LINES = 40

HEAD = """\
oden:
  token: ${secret:oden_token}
  timeout: 30s
sources:
  plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"}
  floor: {type: mqtt, url: "mqtt://broker.plant-a.local", client_id: edge-01}
outbox:
  size_limit: 2 GB
  min_free: 5%
status:
  listen: 127.0.0.1:8321
log:
  level: info
lines:
"""
TAGS = "".join(f'      t{n}: {{source: plc, node: "nsu=urn:acme:line;s=L00.T{n}"}}\n' for n in range(18))
LINE = (
    """\
  - factory: Factory A
    line: Line 00
    inputs:
      state: {source: plc, node: "nsu=urn:acme:line;s=L00.State"}
      speed: {source: plc, node: "nsu=urn:acme:line;s=L00.Speed"}
      good: {source: plc, node: "nsu=urn:acme:line;s=L00.Good", counter: {rollover: 65536, max_rate: 5/s}}
      reject: {source: plc, node: "nsu=urn:acme:line;s=L00.Reject", counter: {rollover: 65536, scale: 0.5}}
      order: {source: floor, topic: plant-a/L00/events/order, field: number, time: at}
      sku: {source: floor, topic: plant-a/L00/events/order, field: sku}
      scrap: {source: floor, topic: plant-a/L00/events/scrap, time: at}
"""
    + TAGS
    + """\
    run:
      key: order
      product: "{sku}"
      name: "{order}"
      settle: 500ms
      metadata: {lot: "{order}"}
      end: {when: "state == 0", for: 30m}
    states:
      input: state
      codes:
        1: {category: Uptime}
        2: {category: Planned Downtime, reason: Changeover}
        3: {category: Unplanned Downtime, reason: Jam}
      other: {category: Unplanned Downtime, reason: "PLC code {state}"}
      hold: 5s
    intervals:
      - {type: Recipe, key: sku, name: "{sku}"}
      - {type: Fast, start: {when: "speed > 5.0"}, end: {when: "speed < 4.0"}}
    scrap_yield:
      every: 60s
      entries:
        - {count: good, raw_data: {yield: "{n}"}}
        - {count: reject, raw_data: {scrap: "{n}", scrap_code: Auto reject}}
        - {count: scrap.qty, raw_data: {scrap: "{n}", scrap_code: "{scrap.code}"}}
    rules:
      - {set: target, product: "{sku}", metric_group: Speed, value: 12.5}
"""
)

# Pieces of LINE that people write otherwise.
TOPIC = "plant-a/L00/events/scrap"
NODE = '"nsu=urn:acme:line;s=L00.Speed"'
T3 = 't3: {source: plc, node: "nsu=urn:acme:line;s=L00.T3"}'
COUNTER = "counter: {rollover: 65536, max_rate: 5/s}"
UPTIME = "1: {category: Uptime}"
WHEN = '"speed > 5.0"'
END = '{when: "state == 0", for: 30m}'
GOOD = '- {count: good, raw_data: {yield: "{n}"}}'


@dataclass(frozen=True)
class Slip:
    """A piece of the text, what a person wrote instead, and words of what must be said at HERE."""

    old: str
    new: str
    words: tuple[str, ...]
    warning: bool = False

    def __str__(self) -> str:
        return self.new.replace(HERE, "").strip()[:60]


def slip(old: str, new: str, *words: str, warning: bool = False) -> Slip:
    """A mistake that is refused or, with `warning`, warned of."""
    return Slip(old, new, words, warning)


@dataclass(frozen=True)
class Said:
    """The answer of one run of `check --json`: each place with what is said there, and where it was to be said."""

    problems: Sequence[tuple[str, str]]
    warnings: Sequence[tuple[str, str]]
    expected: dict[Slip, str]


def spoilt(text: str, slip: Slip) -> str:
    assert text.count(slip.old) == 1, f"{slip.old!r} is there {text.count(slip.old)} times"
    return text.replace(slip.old, slip.new)


def said_of(
    folder: Path,
    in_head: Iterable[Slip],
    in_lines: Sequence[Slip],
    in_one_line: Iterable[Slip] = (),
    *,
    lines: int = LINES,
) -> Said:
    """What one run says of a plant of so many `lines` with all these mistakes, each of `in_lines` in a line of its own,
    and those `in_one_line` together in the last."""
    head = HEAD
    for one in in_head:
        head = spoilt(head, one)
    parts, together = [head], sorted(in_one_line, key=lambda one: LINE.index(one.old))
    for number in range(lines):
        line = LINE
        if 0 < number <= len(in_lines):
            line = spoilt(line, in_lines[number - 1])
        for one in reversed(together) if number == lines - 1 else ():
            begin = LINE.index(one.old)
            line = f"{line[:begin]}{one.new}{line[begin + len(one.old) :]}"
        parts.append(line.replace("L00", f"L{number:02}").replace("Line 00", f"Line {number:02}"))
    marked = "".join(parts)
    places = places_of(marked)
    path = written(folder, marked.replace(HERE, ""))
    out = io.StringIO()
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with contextlib.redirect_stdout(out):
            main(["check", "--json", "-c", path.name])
    finally:
        os.chdir(before)
    answer = json.loads(out.getvalue())
    by_order = sorted([*in_head], key=lambda one: marked.index(one.new))
    return Said(
        [(problem["where"], problem["text"]) for problem in answer["problems"]],
        [(warning["where"], warning["text"]) for warning in answer["warnings"]],
        dict(zip([*by_order, *in_lines, *together], places, strict=True)),
    )


def places_of(marked: str) -> list[str]:
    """The place of each mark, as it is without the marks before it."""
    places = []
    for number, line in enumerate(marked.split("\n"), 1):
        pieces = line.split(HERE)
        columns = (len("".join(pieces[:count])) + 1 for count in range(1, len(pieces)))
        places += [f"gateway.yaml:{number}:{column}" for column in columns]
    return places
