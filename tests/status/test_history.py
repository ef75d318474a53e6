"""What the page remembers of what Oden was told."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.mapping.again import at_once
from gateway.mapping.compile import compile_line
from gateway.mapping.feeder import feed, settled
from gateway.mapping.line import LineState, Tick
from gateway.mapping.trail import Feed
from gateway.model import Output, Record, Sample, Scalar, StartInterval, UpdateInterval
from gateway.status.history import KEPT, MOST, MOST_DETAILS, SPAN, History, Span
from gateway.status.history_file import SPARE, Chronicle, HistoryFile
from gateway.status.picture import beside_amounts, on_now, totals

T = 1_800_000_000
RUN = StartInterval("r1", "l", T, "RUN", T, "WO-1007", {"product": "Film"})


def made(timestamp: int, amount: float, code: str | None = None, key: str = "r1", type_: str = "RUN") -> Output:
    raw_data: dict[str, Scalar] = {"scrap": amount, "scrap_code": code} if code else {"yield": amount}
    return Output("o", "l", T, type_, key, timestamp, raw_data, ("scrap" if code else "yield",))


def amounts(history: History, key: str) -> object:
    span = history.span("l", key)
    return span.amounts if span is not None else None


def test_totals_of_a_run_are_those_that_oden_was_told() -> None:
    """Sums by name and by what else the raw data say; what late truth takes off is off again."""
    history = History()
    history.take([RUN, made(T + 60, 10), made(T + 61, 3, "Gel"), made(T + 120, 5), made(T + 121, 1, "Splice")])
    history.take([made(T + 122, -2, "Gel")])
    assert amounts(history, "r1") == {"yield": {"": 15}, "scrap": {"Gel": 1, "Splice": 1}}


def test_each_amount_of_an_entry_has_its_own_beside_it() -> None:
    """Good parts that share an entry with scrap have no scrap code, by the configuration of the line."""
    line = {
        "factory": "F",
        "line": "l",
        "id": "l",
        "inputs": {
            "good": {"source": "plc", "node": "ns=2;i=1", "counter": {}},
            "bad": {"source": "plc", "node": "ns=2;i=2", "counter": {}},
            "part": {"source": "mes", "topic": "part"},
        },
        "run": {"start": {"when": "good > 0"}, "end": {"when": "good == 0"}, "product": "Film"},
        "scrap_yield": {
            "entries": [
                {"count": "good", "raw_data": {"yield": "{n}"}},
                {"count": "bad", "raw_data": {"scrap": "{n}", "scrap_code": "Auto"}},
                {"count": "part.n", "raw_data": {"pieces": "{n}", "by": "{part.who}"}},
            ]
        },
    }
    history = History()
    history.follow("l", beside_amounts(compile_line(Line.model_validate(line), ("lines", 0))))
    raw_data: dict[str, Scalar] = {"yield": 16, "scrap": 3, "scrap_code": "Auto", "pieces": 2, "by": "Anna"}
    history.take([RUN, Output("o", "l", T, "RUN", "r1", T, raw_data, ("yield", "scrap", "pieces"))])
    assert amounts(history, "r1") == {"yield": {"": 16}, "scrap": {"Auto": 3}, "pieces": {"Anna": 2}}


def test_totals_of_a_shift_are_of_all_that_was_made_in_it() -> None:
    """Whatever run or batch it was of; by the time stamp that Oden has, from its start until before its end."""
    history = History()
    shift = StartInterval("s1", "l", T, "Shift", T, "Early")
    other = StartInterval("s2", "l", T, "Shift", T + 100, "Late")
    history.take([shift, RUN, made(T, 1), made(T + 99, 2)])
    history.take([UpdateInterval("u", "l", T, "Shift", "s1", end=T + 100), other])
    history.take([made(T + 100, 4), made(T + 101, 8, key="b1", type_="BATCH"), made(T + 50, 16)])
    assert amounts(history, "s1") == {"yield": {"": 19}}
    assert amounts(history, "s2") == {"yield": {"": 12}}
    assert amounts(history, "r1") == {"yield": {"": 23}}
    now = history.on("l", "Shift", T + 150)
    assert now is not None
    assert now.name == "Late"


def test_output_of_the_second_in_which_the_shift_changes_is_of_the_new_one() -> None:
    """In a commit it comes before the change, which is looked at after it."""
    history = History()
    history.take([StartInterval("s1", "l", T, "Shift", T, "Early"), RUN])
    end = UpdateInterval("u", "l", T, "Shift", "s1", end=T + 100)
    history.take([made(T + 100, 4), end, StartInterval("s2", "l", T, "Shift", T + 100, "Late")])
    assert amounts(history, "s1") == {}
    assert amounts(history, "s2") == {"yield": {"": 4}}


def test_corrections_change_what_is_shown() -> None:
    """An end that was another, a name, a category that a person has said later."""
    history = History()
    state = StartInterval("x", "l", T, "STATE", T, None, {"category": "Stop", "reason": "?"})
    history.take([RUN, state, UpdateInterval("u", "l", T, "STATE", "x", end=T + 50)])
    history.take(
        [
            UpdateInterval("u", "l", T, "STATE", "x", end=T + 40, metadata={"category": "Planned", "reason": "Lunch"}),
            UpdateInterval("u", "l", T, "RUN", "r1", name="WO-1008"),
        ]
    )
    [run, shown] = history.of("l")
    assert (shown.end, shown.about, shown.reason) == (T + 40, "Planned", "Lunch")
    assert (run.name, run.about) == ("WO-1008", "Film")


def test_times_in_which_nothing_was_known() -> None:
    """One from when it was last known until it is known again; the next is another."""
    history = History()
    for since, now in ((None, T), (T + 5.5, T + 6), (T + 5.5, T + 7), (None, T + 9), (T + 20.0, T + 21)):
        history.know("l", since, now)
    assert [(span.start, span.end) for span in history.of("l")] == [(T + 5, T + 9), (T + 20, None)]


def test_it_is_bounded() -> None:
    """What ended long ago goes, and of too many the oldest; what is on stays. Kinds beyond a number are the others."""
    history = History()
    history.take([StartInterval("old", "l", T, "RUN", T - 99, None, {}, end=T - 1), RUN])
    history.forget(T + KEPT)
    assert [span.key for span in history.of("l")] == ["r1"]
    history.take([made(T, 7)])
    history.take([StartInterval(f"{n}", "l", T, "STATE", T + n, None, {}, end=T + n + 1) for n in range(2 * MOST)])
    history.forget(T + KEPT)
    assert len(history.of("l")) == MOST
    assert amounts(history, "r1") == {"yield": {"": 7}}
    assert history.span("l", f"{2 * MOST - 1}") is not None
    history.take([StartInterval("r2", "l", T, "RUN", T), *(made(T, 1, f"code {n}", "r2") for n in range(100))])
    span = history.span("l", "r2")
    assert span is not None
    assert len(span.amounts["scrap"]) == MOST_DETAILS + 1
    assert sum(span.amounts["scrap"].values()) == 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("lm"), st.integers(0, 9), st.booleans())))
def test_who_follows_the_changes_of_a_timeline_has_the_whole(story: list[tuple[str, str, int, bool]]) -> None:
    """However often it is asked for: by numbers that stay, and only of what the page draws."""
    history = History()
    history.load([SPAN.dump_json(Span("a", "l", "STATE", T)).decode()])
    known: dict[str, dict[object, object]] = {"l": {}, "m": {}}
    revision = -1
    for key, line, at, asks in story:
        history.take([StartInterval(key, line, T, "STATE", T + at), StartInterval("shift", line, T, "Shift", T + at)])
        if asks:
            for name, spans in known.items():
                spans |= {span["number"]: span for span in history.timeline(name, revision)}
            revision = history.revision
            assert max(history.changed.values()) <= revision
            for name, spans in known.items():
                assert [*spans.values()] == history.timeline(name)
                assert len(spans) == sum(span.is_on_timeline for span in history.of(name))


RECORDS = st.lists(
    st.builds(
        lambda n, kind, at, end: StartInterval(f"k{n}", "l", T, kind, T + at, f"n{n}", {"reason": "ü\n"}, end=end),
        st.integers(0, 5),
        st.sampled_from(["RUN", "STATE", "Shift"]),
        st.integers(0, 100),
        st.none() | st.integers(T + 100, T + 200),
    )
    | st.builds(
        lambda n, end: UpdateInterval("u", "l", T, "RUN", f"k{n}", end=T + end), st.integers(0, 5), st.integers(0, 300)
    )
    | st.builds(
        lambda n, at, amount: made(T + at, amount, "Gel", f"k{n}"),
        st.integers(0, 5),
        st.integers(0, 100),
        st.integers(-9, 9),
    ),
    max_size=30,
)


@given(parts=st.lists(RECORDS, max_size=4), torn=st.binary(max_size=20))
def test_a_new_start_knows_what_was_written(
    parts: list[list[Record]], torn: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever it was, in however many writes, and though the last one of a crash was half a line."""
    path = tmp_path_factory.mktemp("history") / "h"
    history, file = History(), HistoryFile(path)
    for records in parts:
        history.take(records)
        file.append(history.unsaved())
        with path.open("ab") as cut:
            cut.write(torn)
    again = History()
    again.load(HistoryFile(path).read())
    assert {span.key: span for span in again.of("l")} == {span.key: span for span in history.of("l")}


async def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Once most of it is out of date it is written anew."""
    path = tmp_path / "h"
    path.write_text('{"no": "span"}\n' * (SPARE + 10))
    chronicle = Chronicle(path)
    await chronicle.load()
    chronicle.history.take([RUN])
    await chronicle.keep(T)
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["r1"]


async def test_a_file_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    """The history goes on in memory, and is written whole once that works."""
    (tmp_path / "away").write_text("")
    chronicle = Chronicle(tmp_path / "away" / "h")
    await chronicle.load()
    chronicle.history.take([RUN])
    await chronicle.keep(T)
    (tmp_path / "away").unlink()
    (tmp_path / "away").mkdir()
    await chronicle.keep(T + 60)
    assert "WO-1007" in (tmp_path / "away" / "h").read_text()


# From what a line says

LINE = compile_line(
    Line.model_validate(
        {
            "factory": "F",
            "line": "l",
            "id": "l",
            "inputs": {
                "order": {"source": "mes", "topic": "order", "field": "number", "time": "at"},
                "good": {"source": "mes", "topic": "good", "time": "at"},
            },
            "run": {"key": "order", "product": "Film", "name": "{order}", "settle": "0s"},
            "intervals": [
                {
                    "type": "Shift",
                    "calendar": {"zone": "UTC", "shifts": [{"name": "All day", "from": "00:00", "to": "00:00"}]},
                }
            ],
            "scrap_yield": {"every": "10s", "entries": [{"count": "good.n", "raw_data": {"yield": "{n}"}}]},
        }
    ),
    ("lines", 0),
)


def told(messages: Sequence[tuple[float, str, dict[str, object]]], until: float) -> tuple[Feed, History]:
    """The line and its history after `messages`, each with its arrival."""
    line, history = Feed(LineState()), History()
    for at, topic, message in messages:
        line, step = feed(LINE, line, Sample("mes", topic, message, at))
        history.take(step.records)
        if line.late:
            line, step = at_once(settled(LINE, line))
            history.take(step.records)
    line, step = feed(LINE, line, Tick(until))
    history.take(step.records)
    return line, history


def message(at: float, **fields: object) -> dict[str, object]:
    return {**fields, "at": at}


def test_p13_a_late_message_moves_what_was_made_to_its_run() -> None:
    """The same totals as where it had come in time; what is yet to be told is in them."""
    begin = [(T + 1.0, "order", message(T + 1, number="A")), (T + 5.0, "good", message(T + 5, n=7))]
    order_b = message(T + 20, number="B")
    output = [(T + 30.0, "good", message(T + 30, n=4)), (T + 55.0, "good", message(T + 55, n=2))]
    in_time = told([*begin, (T + 20.0, "order", order_b), *output], T + 56)
    late = told([*begin, *output, (T + 55.5, "order", order_b)], T + 56)
    for line, history in (in_time, late):
        made_by = {total.of: total.amount for total in totals(LINE, line.state, history, T + 56)}
        assert made_by["RUN"] == 6
        [first] = [span for span in history.of("l") if span.name == "A"]
        assert first.amounts == {"yield": {"": 7}}
        assert first.end == T + 20


def test_what_is_on_is_known_although_the_file_is_gone() -> None:
    """From what is remembered of the line; without what was counted before."""
    line, _ = told([(T + 1.0, "order", message(T + 1, number="A"))], T + 3)
    history = History()
    for span in on_now(LINE, line.state):
        history.begin(span)
    assert {(span.type, span.name, span.about) for span in history.of("l")} >= {("RUN", "A", "Film")}
    before = history.of("l")
    history.begin(Span(before[0].key, "l", "RUN", 0))
    assert history.of("l") == before
