"""P13 over histories that a person has written, with what is right at Oden: in order, late, again, after an outage.

Each file in `histories` has a line, what was `said` in the plant in the order of its time (`[seconds, address, value]`)
and what is `right`: `RUN 10-100 A` an interval from when to when, `RUN 10: 12 yield Gel` what was made in the one that
began then, with the other raw data, `test RUN 10 v 4 at 50`. `told_once`: some of it stays as it was told, so that what
comes late can leave it otherwise (a test, a full batch).
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.model import Contact, Output, Record, Sample, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, back, fed, lost, message, seconds, tag, tick
from tests.mapping.test_late_properties import effective

FILES = sorted((Path(__file__).parent / "histories").glob("*.yaml"))
LIVE = "good"
"""What is said of this address is a tag's: it is heard at once, whatever becomes of messages."""
AWAY = "mes"
"""The source that is away for a while."""
PROMPT = 0.05
END = 2400.0
each_history = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


class Said(NamedTuple):
    """What a source says of the time `at`."""

    source: str
    at: float
    address: str
    value: Any

    def heard(self, delay: float = PROMPT) -> Sample:
        if self.address == LIVE:
            return tag(self.at + PROMPT, LIVE, self.value, source=self.at)
        heard = message(self.at + delay, self.address, {**self.value, "at": T0 + self.at})
        return replace(heard, source=self.source)


class History(NamedTuple):
    line: LinePlan
    said: list[Said]
    right: list[str]
    is_told_once: bool

    def at_oden(self, events: Iterable[Sample | Contact]) -> list[str]:
        """What is at Oden in the end, where these events come."""
        came = sorted(events, key=lambda event: event.received)
        return shown(effective(fed(self.line, *came, tick(END)).records))


@cache
def history(file: Path) -> History:
    given = YAML(typ="safe").load(file)
    line = compile_line(Line.model_validate({"factory": "Factory A", "line": "Line 01", **given["line"]}), ())
    sources = {address: source for source, address in line.subscriptions}
    said = [Said(sources[address], at, address, value) for at, address, value in given["said"]]
    return History(line, said, sorted(given["right"]), "told_once" in given)


def shown(records: Iterable[Record]) -> list[str]:
    """Intervals, sums and tests as a history writes them."""
    intervals: dict[str, dict[str, Any]] = {}
    sums: dict[tuple[str, str, str], float] = {}
    tests = list[str]()
    for record in records:
        if isinstance(record, StartInterval):
            intervals[record.key] = {"type": record.type, "start": seconds(record.start)}
        if isinstance(record, StartInterval | UpdateInterval):
            said = {"end": record.end, "name": record.name, **record.metadata}
            intervals[record.interval] |= {key: value for key, value in said.items() if value is not None}
        if isinstance(record, Output):
            of = "{type} {start}".format(**intervals[record.interval])
            if record.quality_schema is not None:
                said_of_it = " ".join(f"{key} {value}" for key, value in record.raw_data.items())
                tests.append(f"test {of} {said_of_it} at {seconds(record.timestamp)}")
            code = "".join(sorted(f" {value}" for key, value in record.raw_data.items() if key not in record.amounts))
            for name in record.amounts:
                sums[of, name, code] = sums.get((of, name, code), 0) + float(str(record.raw_data[name]))
    told = [f"{of}: {amount:g} {name}{code}" for (of, name, code), amount in sums.items() if amount]
    return sorted([*map(_interval, intervals.values()), *told, *tests])


def _interval(known: dict[str, Any]) -> str:
    end = seconds(known["end"]) if "end" in known else ""
    called = known.get("name") or " ".join(filter(None, (known.get("category"), known.get("reason"))))
    stops = " {short_stops} stops of {short_stop_seconds} s".format(**known) if known.get("short_stops") else ""
    return f"{known['type']} {known['start']}-{end} {called}{stops}".rstrip()


@each_history
def test_a_history_in_order_is_told_as_it_was(file: Path) -> None:
    """Where all is heard at once."""
    known = history(file)
    assert known.at_oden(said.heard() for said in known.said) == known.right


delays = st.one_of(st.just(PROMPT), st.floats(PROMPT, 8.0), st.floats(PROMPT, 300.0), st.floats(PROMPT, 700.0))


@pytest.mark.parametrize("file", [file for file in FILES if not history(file).is_told_once], ids=lambda file: file.stem)
@given(st.data())
@examples(8)
def test_p13_a_history_that_is_heard_late_and_again_is_told_as_it_was(file: Path, data: st.DataObject) -> None:
    """Messages in any order; those that do not count each time come twice, now and then."""
    known = history(file)
    often = st.sampled_from([1, 1, 1, 2])
    heard = [said.heard(data.draw(delays)) for said in known.said]
    heard += [
        said.heard(data.draw(delays))
        for said in known.said
        if said.address != LIVE and not said.address.startswith("scrap") and data.draw(often) == 2
    ]
    assert known.at_oden(heard) == known.right


@each_history
@given(st.floats(0, 400), st.sampled_from([20.0, 60.0, 200.0, 600.0]), st.booleans())
@examples(8)
def test_p13_a_history_with_an_outage_is_told_as_it_was(file: Path, since: float, long: float, is_known: bool) -> None:
    """What a broker had in that time is heard at its end, in its order, whether or not the gateway `is_known` to have
    lost it. Another is heard all the time."""
    known, until = history(file), since + long
    heard = [
        said.heard(until + 0.5 + number / 100 - said.at if since <= said.at < until and said.source == AWAY else PROMPT)
        for number, said in enumerate(known.said)
    ]
    contacts = [lost(since, AWAY), back(until, AWAY)] if is_known else []
    assert known.at_oden([*heard, *contacts]) == known.right
