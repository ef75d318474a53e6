"""Runs: when they begin and end, told as recordings of the example line."""

from typing import Any

import pytest

from gateway.mapping.runs import key_text
from gateway.model import Sample
from tests.mapping.recording import LINE, T0, message, next_due, order, plan, play, tag, tick

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
