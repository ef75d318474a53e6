"""Runs and batches: when they begin and end, as recordings of the example line."""

from typing import Any

import pytest

from gateway.mapping.intervals import PAST_KEYS, EndedInterval, OpenInterval, key_text
from gateway.mapping.whose import owner
from gateway.model import Sample
from tests.mapping.recording import LINE, PLC, T0, message, next_due, order, plan, play, tag, tick

RUNS = plan(states=None, scrap_yield=None)
QUICK = plan(states=None, scrap_yield=None, run={**LINE["run"], "settle": "0s"})


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("A", "A"),
        (" A ", "A"),
        (4711, "4711"),
        (4711.0, "4711"),
        (0, ""),
        (0.0, ""),
        ("0", ""),
        ("", ""),
        (" ", ""),
        (None, ""),
        (False, ""),
        (True, "true"),
        ("00", "00"),
    ],
)
def test_key(value: Any, key: str) -> None:
    """A number and its text are one key; nothing, zero and blank mean that no run is on."""
    assert key_text(value) == key


def test_run_starts_when_the_key_has_settled() -> None:
    """It starts at the second in which the key changed, once it held for `settle`."""
    before = play(RUNS, order(10.7, "A"), tick(11.1))
    assert before.texts == []
    assert next_due(RUNS, before.state) == pytest.approx(11.2)
    assert play(RUNS, tick(11.2), state=before.state).texts == ["start RUN 1 at 10: A, FILM"]


def test_next_key_ends_the_run_where_the_next_starts() -> None:
    """Two runs that follow each other meet in one second."""
    played = play(RUNS, order(10, "A"), order(20.9, "B", "PIPE"), tick(30))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 20", "start RUN 2 at 20: B, PIPE"]


def test_message_time_counts_not_arrival() -> None:
    """An order that was entered before it arrived starts the run when it was entered."""
    played = play(RUNS, order(10, "A"), order(50, "B", at=20), tick(60))
    assert played.texts[1:] == ["end RUN 1 at 20", "start RUN 2 at 20: B, FILM"]


@pytest.mark.parametrize("empty", ["", "0", 0, None, " "])
def test_empty_key_ends_the_run(empty: object) -> None:
    """No order any more: the run ends then; the same order again is another run."""
    played = play(RUNS, order(10, "A"), order(20, empty), order(30, "A"), tick(40))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 20", "start RUN 2 at 30: A, FILM"]


def test_change_taken_back_within_settle_leaves_nothing() -> None:
    """A key that flickers and goes back was no change."""
    played = play(RUNS, order(10, "A"), order(20, "B"), order(20.3, "A"), order(30, ""), order(30.4, "A"), tick(40))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]


def test_last_of_several_changes_within_settle_counts() -> None:
    """Only what settled becomes a run, at its own time."""
    played = play(RUNS, order(10, "A"), order(20, "B"), order(20.4, ""), order(20.8, "C", "PIPE"), tick(21.29))
    assert len(played.texts) == 1
    played = play(RUNS, tick(21.3), state=played.state)
    assert played.texts == ["end RUN 1 at 20", "start RUN 2 at 20: C, PIPE"]


@pytest.mark.parametrize("again", [order(20, "A"), order(20, "A", retained=True), order(20, "A", at=10)])
def test_p2_known_order_is_no_change(again: Sample) -> None:
    """A retained, repeated or redelivered order says nothing new."""
    assert play(RUNS, order(10, "A"), again, tick(40)).texts == ["start RUN 1 at 10: A, FILM"]


def test_p2_retained_order_at_the_first_start_is_believed() -> None:
    """What the broker kept is the only way to learn of the order that is on."""
    assert play(RUNS, order(500, "A", at=100, retained=True), tick(501)).texts == ["start RUN 1 at 100: A, FILM"]


TAGS = plan(
    inputs={"order": {"source": "plc", "node": "Order"}, "product": {"source": "plc", "node": "Sku"}},
    states=None,
    scrap_yield=None,
    run={"key": "order", "product": "{product}"},
)


def test_product_that_comes_after_the_order_is_gone() -> None:
    """A run that waits for its product is given up when its order is; a product alone begins nothing."""
    played = play(TAGS, tag(10, "Order", 7), tag(20, "Order", 0), tag(30, "Sku", "FILM"), tick(40))
    assert played.texts == []
    assert ["run 7 is not reported" in notice.text for notice in played.notices] == [True]


def test_product_that_follows_within_settle_is_taken() -> None:
    """Order and product may come one after the other; `settle` waits until they agree."""
    events = (tag(5, "Sku", "OLD"), tag(10, "Order", 7), tag(10.4, "Sku", "NEW"), tick(11))
    assert play(TAGS, *events).texts == ["start RUN 1 at 10: NEW"]


def test_run_waits_for_its_product() -> None:
    """Without a product there is no run; when it is known, the run starts at its original time."""
    played = play(RUNS, order(10, "A", None), tick(100))
    assert played.texts == []
    assert play(RUNS, order(120, "A", "FILM"), state=played.state).texts == ["start RUN 1 at 10: A, FILM"]


def test_waiting_run_does_not_take_the_next_order_s_product() -> None:
    """A run whose product never became known is a gap, and the next starts by itself."""
    played = play(RUNS, order(10, "A", "FILM"), order(20, "B", None), order(30, "C", "PIPE"), tick(40))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 20", "start RUN 2 at 30: C, PIPE"]
    assert [notice.kind for notice in played.notices] == ["gap"]
    assert "run B is not reported" in played.notices[0].text


def test_name_is_optional() -> None:
    """A name that cannot be filled in is left out; it does not keep the run back."""
    line = plan(states=None, scrap_yield=None, run={**LINE["run"], "name": "{order}-{state}"})
    assert play(line, order(10, "A"), tick(11)).texts == ["start RUN 1 at 10: FILM"]


def test_condition_that_held_ends_the_run_where_it_became_true() -> None:
    """After `for`, the run has ended when the line stopped."""
    played = play(RUNS, order(10, "A"), tag(50, "State", 1), tag(100.5, "State", 0), tick(100.5 + 1799))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]
    assert play(RUNS, tick(100.5 + 1800), state=played.state).texts == ["end RUN 1 at 100"]


def test_condition_that_turns_false_in_time_ends_nothing() -> None:
    """A stop shorter than `for` belongs to the run."""
    played = play(RUNS, order(10, "A"), tag(100, "State", 0), tag(1000, "State", 1), tick(9000))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]


def test_run_begins_anew_when_the_condition_turns_false() -> None:
    """The same order goes on after a long stop: that is another run of it."""
    played = play(RUNS, order(10, "A"), tag(100, "State", 0), tag(5000.2, "State", 1), tick(9000))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 100", "start RUN 2 at 5000: A, FILM"]


def test_next_order_on_a_line_that_stands_still() -> None:
    """A new order is a new run although the line still stands; the stop from before does not end it."""
    played = play(RUNS, order(10, "A"), tag(100, "State", 0), order(3000, "B"), tag(3500, "State", 1), tick(9000))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 100", "start RUN 2 at 3000: B, FILM"]
    assert play(RUNS, tag(9000, "State", 0), tick(10800), state=played.state).texts == ["end RUN 1 at 9000"]


def test_condition_from_before_the_start_does_not_end_the_run() -> None:
    """A run ends by a condition only if that became true while the run was on."""
    played = play(RUNS, tag(5, "State", 0), order(10, "A"), tick(9000))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]


def test_condition_while_the_key_settles_belongs_to_the_new_run() -> None:
    """Became true after the key had changed: it is the new run that ends, not the old one."""
    line = plan(
        states=None, scrap_yield=None, run={**LINE["run"], "settle": "20s", "end": {"when": "state == 0", "for": "5s"}}
    )
    events = (tag(1, "State", 1), order(10, "A"), tick(40), order(50, "B"), tag(55, "State", 0), tick(90))
    assert play(line, *events).texts == [
        "start RUN 1 at 10: A, FILM",
        "end RUN 1 at 50",
        "start RUN 2 at 50: B, FILM",
        "end RUN 2 at 55",
    ]


def test_order_taken_back_after_the_condition_ended_its_run() -> None:
    """The line goes on while the order flickers: the run begins anew when the order is back."""
    line = plan(states=None, scrap_yield=None, run={**LINE["run"], "settle": "20s"})
    events = (
        order(10, "A"),
        tag(100, "State", 0),
        order(4000, "B"),
        tag(4005, "State", 1),
        order(4010, "A"),
        tick(5000),
    )
    assert play(line, *events).texts == [
        "start RUN 1 at 10: A, FILM",
        "end RUN 1 at 100",
        "start RUN 2 at 4010: A, FILM",
    ]


def test_order_that_flickers_on_a_line_that_stands_still() -> None:
    """While the condition still holds, an order that goes and comes back within `settle` begins nothing."""
    events = (order(10, "A"), tag(100, "State", 0), order(4000, "B"), order(4000.2, "A"), tick(5000))
    assert play(RUNS, *events).texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 100"]


def test_condition_that_is_not_known_changes_nothing() -> None:
    """A value that cannot be compared neither ends a run nor keeps one from ending."""
    line = plan(states=None, scrap_yield=None, run={**LINE["run"], "end": {"when": "state < 1", "for": "30m"}})
    played = play(line, order(10, "A"), tag(100, "State", 0), tag(200, "State", "?"), tick(3000))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 100"]


def test_two_orders_in_one_second() -> None:
    """Oden cannot tell two starts in one second apart: the second is put a second later, and nothing overlaps."""
    played = play(QUICK, order(10.1, "A"), order(10.2, "B"), order(10.3, ""), order(10.4, "C"))
    assert played.texts == [
        "start RUN 1 at 10: A, FILM",
        "end RUN 1 at 11",
        "start RUN 2 at 11: B, FILM",
        "end RUN 2 at 12",
        "start RUN 3 at 12: C, FILM",
    ]


def test_times_that_go_back_do_not_overlap() -> None:
    """An order with a time before the run that is on starts after that run's start all the same."""
    played = play(QUICK, order(100, "A"), order(110, "B", at=50), order(120, "", at=20), order(130, "C", at=30))
    assert played.texts == [
        "start RUN 1 at 100: A, FILM",
        "end RUN 1 at 101",
        "start RUN 2 at 101: B, FILM",
        "end RUN 2 at 102",
        "start RUN 3 at 102: C, FILM",
    ]


def test_unusable_order_changes_nothing() -> None:
    """A message without the order number is refused; the run goes on."""
    played = play(
        RUNS, order(10, "A"), message(20, "order", {"sku": "X", "at": T0}), message(21, "order", "{"), tick(40)
    )
    assert played.texts == ["start RUN 1 at 10: A, FILM"]
    assert {notice.kind for notice in played.notices} == {"reject"}


def test_p5_an_order_that_is_no_order_comes_with_an_old_time() -> None:
    """What no order can be is rejected also where it says a time before that of the order that is on; that stays on."""
    played = play(plan(), order(10, "A"), tick(12), order(20, 10**4400, at=5), order(21, {"of": 1}, at=5), tick(30))
    assert played.texts == ["start RUN 1 at 10: A, FILM"]
    assert [notice.kind for notice in played.notices] == ["reject", "reject"]


def test_condition_that_turns_true_in_the_instant_of_the_start_ends_the_run() -> None:
    """What is true from the instant in which the run begins was not true before it: it ends this run."""
    played = play(RUNS, order(10, "A"), tag(10, "State", 0), tick(10 + 1800))
    assert played.texts == ["start RUN 1 at 10: A, FILM", "end RUN 1 at 11"]


@pytest.mark.parametrize(("pause", "end"), [(1.875, 101), (2, 100), (2.125, 100)])
def test_key_that_was_empty_for_as_long_as_a_change_settles_ended_the_run(pause: float, end: int) -> None:
    """An order that was taken away for `settle` or longer was over, though the next came before `empty_for` is."""
    line = plan(states=None, scrap_yield=None, run={**LINE["run"], "settle": "2s", "empty_for": "1m"})
    played = play(line, order(10, "A"), order(100, ""), order(100 + pause, "B"), tick(200))
    assert played.texts[1] == f"end RUN 1 at {end}"


def test_key_of_an_earlier_run_is_remembered_however_often_the_later_ones_take_turns() -> None:
    """Each key is remembered once: orders that alternate push no earlier one out; its kept message begins nothing."""
    turns = [order(100 + 10 * number, "AB"[number % 2]) for number in range(3 * PAST_KEYS)]
    kept = message(5000, "order", {"number": "First", "sku": "FILM"}, retained=True)
    played = play(QUICK, order(10, "First"), *turns, kept, tick(6000))
    assert "First" not in " ".join(played.texts[1:])
    assert "the broker kept an older message" in played.notices[-1].text


def test_condition_that_turns_true_in_the_instant_of_a_change_waits_for_the_change() -> None:
    """The line stands still in the instant in which the next order comes: that order's run is the one that ends so."""
    run = {**LINE["run"], "settle": "1m", "end": {"when": "state == 0", "for": "10s"}}
    line = plan(states=None, scrap_yield=None, run=run)
    played = play(line, order(10, "A"), order(100, "B", "PIPE"), tag(100, "State", 0), tick(500))
    assert played.texts == [
        "start RUN 1 at 10: A, FILM",
        "end RUN 1 at 100",
        "start RUN 2 at 100: B, PIPE",
        "end RUN 2 at 101",
    ]


COUNTED = plan(batches={"every": 10, "count": "good"}, states=None, scrap_yield=None)


def test_last_part_of_a_batch_is_in_it() -> None:
    """The part that completes a batch belongs to it, what comes after to the next, although both meet in one second."""
    played = play(COUNTED, tag(1, "Good", 0), order(5, "A"), tag(20.25, "Good", 10), tag(20.5, "Good", 13), tick(30))
    last, current = owner(played.state.batches, T0 + 20.25), owner(played.state.batches, T0 + 20.5)
    assert isinstance(last, EndedInterval)
    assert isinstance(current, OpenInterval)
    assert last.end == current.start == T0 + 20
    assert played.state.batches.counted == 3


def test_memory_of_batches_goes_through_its_text() -> None:
    """A batch that is on stays one batch over restarts, and its count goes on."""
    events = (tag(1, "Good", 0), order(5, "A"), tag(20, "Good", 4), tag(30, "Good", 8), tag(40, "Good", 12), tick(50))
    whole, cut = play(COUNTED, *events), play(COUNTED, *events, restarts=True)
    assert cut.records == whole.records
    assert cut.texts[-2:] == ["end BATCH 2 at 40", "start BATCH 3 at 40: "]


@pytest.mark.parametrize(("said", "corrected"), [(610, True), (610.125, False)])
def test_correction_is_possible_until_exactly_its_limit(said: float, corrected: bool) -> None:
    """What an order message says `correct` seconds after the start of its run still corrects it; later it does not."""
    line = plan(states=None, scrap_yield=None, run={**LINE["run"], "correct": "10m"})
    played = play(line, order(10, "A"), tick(20), order(said, "A", "PIPE"), tick(700))
    assert ("update RUN 1: PIPE" in played.texts) is corrected


@pytest.mark.parametrize(
    ("until", "texts"), [(1899.5, []), (1900, ["end RUN 1 at 100", "start RUN 2 at 1900: A, FILM"])]
)
def test_condition_that_held_for_exactly_its_time_ended_the_run(until: float, texts: list[str]) -> None:
    """What the plant's own times show to have held for long enough ended the run, though all came at once."""
    played = play(RUNS, order(10, "A"), tag(4000, "State", 0, source=100), tag(4000, "State", 1, source=until))
    assert played.texts[1:] == texts


@pytest.mark.parametrize(("stopped", "ends"), [(99.5, False), (100, True), (100.5, True)])
def test_event_in_the_instant_of_the_start_ends_the_run(stopped: float, ends: bool) -> None:
    """An end from before the start is that of an earlier run; one of the same instant is that of this run."""
    job = {"source": "mes", "topic": "job", "time": "at"}
    run = {
        "start": {"event": "job", "when": "job.type == 'start'"},
        "end": {"event": "job", "when": "job.type == 'stop'"},
        "product": "FILM",
        "settle": "0s",
    }
    line = plan(states=None, scrap_yield=None, inputs={**PLC, "job": job}, run=run)
    start = message(100, "job", {"type": "start", "at": T0 + 100})
    played = play(line, start, tick(101), message(110, "job", {"type": "stop", "at": T0 + stopped}), tick(200))
    assert played.texts == ["start RUN 1 at 100: FILM", *(["end RUN 1 at 101"] if ends else [])]


@pytest.mark.parametrize(("next_order", "recorded"), [(101.875, False), (102, True), (102.125, True)])
def test_order_that_was_on_for_exactly_the_time_of_settling_was_a_run(next_order: float, recorded: bool) -> None:
    """Orders that all come late: what their own times show to have settled was a run; what did not was none."""
    line = plan(states=None, scrap_yield=None, run={**LINE["run"], "settle": "2s"})
    late = [order(4000, "B", "PIPE", at=100), order(4000, "C", "HOSE", at=next_order)]
    played = play(line, order(10, "A"), tick(20), *late, tick(4100))
    assert ("start RUN 2 at 100: B, PIPE" in played.texts) is recorded


@pytest.mark.parametrize(("until", "recorded"), [(109.875, False), (110, True), (110.125, True)])
def test_start_condition_that_held_for_exactly_its_time_began_a_run(until: float, recorded: bool) -> None:
    """What the plant's own times show to have held for `for` was a run, though all came at once."""
    run = {"start": {"when": "state == 1", "for": "10s"}, "end": {"when": "state != 1"}, "product": "FILM"}
    line = plan(states=None, scrap_yield=None, run=run)
    played = play(line, tag(4000, "State", 1, source=100), tag(4000, "State", 0, source=until), tick(4100))
    assert played.texts == (["start RUN 1 at 100: FILM", "end RUN 1 at 110"] if recorded else [])


def test_batch_in_the_instant_of_an_order_change_is_in_the_next_run() -> None:
    """A batch that begins as the order changes waits until that has settled: it is one batch, in the later run."""
    inputs = {**PLC, "batch": {"source": "plc", "node": "Batch"}}
    run = {**LINE["run"], "settle": "2s"}
    line = plan(states=None, scrap_yield=None, inputs=inputs, run=run, batches={"key": "batch", "settle": "0s"})
    played = play(line, order(10, "A"), tick(20), order(100, "B", "PIPE"), tag(100, "Batch", "X"), tick(200))
    assert played.texts == [
        "start RUN 1 at 10: A, FILM",
        "end RUN 1 at 100",
        "start RUN 2 at 100: B, PIPE",
        "start BATCH 3 at 100: ",
    ]
