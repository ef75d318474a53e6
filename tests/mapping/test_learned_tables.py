"""Tables that learn from messages: however these arrive, the table is the same, and it is bounded."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Line
from gateway.errors import InvalidConfig
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.coverage import missed
from gateway.mapping.inputs import InputMemory
from gateway.mapping.line import Tick
from gateway.model import Learned, Lookup, Sample
from tests.mapping.laws import examples
from tests.mapping.recording import LINE, T0, fed, message, play, tick

INPUTS: dict[str, Any] = {
    "add": {"source": "mes", "topic": "addOrder", "time": "at"},
    "begin": {"source": "mes", "topic": "startOrder", "time": "at"},
}
RUN = {
    "start": {"event": "begin"},
    "product": "{orders[begin.id].sku}",
    "name": "{begin.id}",
    "settle": "0s",
}


class AnyColumn(frozenset[str]):
    """Of a table that learns, columns are not known beforehand."""

    def __contains__(self, _: object) -> bool:
        return True


def orders(keep: int = 500, **changes: Any) -> LinePlan:
    """A line whose runs have the products that their announcements say."""
    line = {**LINE, "inputs": INPUTS, "run": RUN, "states": None, "scrap_yield": None, **changes}
    table = Lookup(AnyColumn(), {}, Learned("add", ("id",), keep))
    return compile_line(Line.model_validate(line), ("lines", 0), {"orders": table})


def add(seconds: float, order: object, received: float | None = None, **fields: object) -> Sample:
    return message(seconds if received is None else received, "addOrder", {"id": order, "at": T0 + seconds, **fields})


def begin(seconds: float, order: object) -> Sample:
    return message(seconds, "startOrder", {"id": order, "at": T0 + seconds})


announcements = st.lists(
    st.tuples(st.integers(0, 600), st.sampled_from("ABC"), st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9))),
    max_size=12,
    unique_by=lambda each: each[0],
)


def table(memory: InputMemory | None) -> dict[str, Any]:
    """The rows, without when they were said."""
    rows = memory.value if memory is not None and isinstance(memory.value, dict) else {}
    return {key: {name: value for name, value in row.items() if name != "at"} for key, row in rows.items()}


@examples(120)
@given(announcements, st.randoms(use_true_random=False), st.booleans())
def test_p13_a_table_is_the_same_however_its_messages_arrive(
    said: Sequence[tuple[int, str, dict[str, int]]], random: Any, restarts: bool
) -> None:
    """Of each field of a row, what was said last by the plant's time; late, out of order, and over restarts."""
    expected: dict[str, dict[str, Any]] = {}
    for _, key, fields in sorted(said, key=lambda each: each[0]):
        expected.setdefault(key, {}).update({"id": key, **fields})
    arrived = [add(at, key, 700, **fields) for at, key, fields in said]
    random.shuffle(arrived)
    assert table(fed(orders(), *arrived, tick(800)).state.inputs.get("orders")) == expected
    in_order = [add(at, key, **fields) for at, key, fields in sorted(said, key=lambda each: each[0])]
    assert table(play(orders(), *in_order, restarts=restarts).state.inputs.get("orders")) == expected


def test_p12_a_table_keeps_its_newest_rows() -> None:
    """Beyond `keep` rows the oldest by the plant's time are forgotten, and each row is small."""
    said = [add(second, f"A{second}", sku="Film") for second in range(50)]
    played = play(orders(keep=10), *said, add(60, "A45", sku="Bag"), add(61, "long", text="x" * 5_000))
    rows = table(played.state.inputs["orders"])
    assert sorted(rows) == sorted(f"A{second}" for second in range(40, 50))
    assert rows["A45"]["sku"] == "Bag"
    assert ["does not keep" in notice.text for notice in played.notices] == [True]


def test_an_order_that_is_announced_after_its_start_is_told_with_its_true_start() -> None:
    """Also where the gateway restarts in between; the miss is listed once."""
    events: list[Sample | Tick] = [begin(5, "A"), tick(30), add(40, "A", sku="Film"), tick(60)]
    for restarts in (False, True):
        played = play(orders(), *events, restarts=restarts)
        assert played.texts == ["start RUN 1 at 5: A, Film"]
        assert (
            len([notice for notice in played.notices if notice.text == 'the table orders has no sku for begin "A" yet'])
            == 1
        )


@pytest.mark.parametrize(("announced", "started"), [("A", "A  "), (" A", "A"), (" A", " A ")])
def test_blanks_around_a_key_make_no_other_key(announced: str, started: str) -> None:
    """PLCs and old programs fill texts up with blanks."""
    played = play(orders(), add(1, announced, sku="Film"), begin(3, started), tick(60))
    assert played.texts == ["start RUN 1 at 3: A, Film"]


def test_conditions_can_look_into_a_table_that_learns() -> None:
    """It is a value like others: a row for each key."""
    states = {
        "ladder": [{"when": 'begin.id in orders && orders[begin.id].kind == "test"', "category": "Trial"}],
        "other": {"category": "Uptime"},
    }
    events = [
        add(1, "A", sku="Film", kind="series"),
        add(2, "B", sku="Film", kind="test"),
        begin(5, "A"),
        begin(9, "B"),
    ]
    texts = play(orders(run=None, states=states), *events).texts
    assert texts == ["start STATE 1 at 5: Uptime", "end STATE 1 at 9", "start STATE 2 at 9: Trial"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"begin": INPUTS["begin"]}, 'learns from the input "add", which this line does not have'),
        ({**INPUTS, "orders": {"source": "plc", "node": "Orders"}}, "give one another name"),
        ({**INPUTS, "add": {**INPUTS["add"], "field": "id"}}, "a table learns from those"),
        ({**INPUTS, "add": {"source": "plc", "node": "Add"}}, "a table learns from those"),
    ],
)
def test_faults_of_a_table_that_learns_are_sentences(inputs: dict[str, Any], said: str) -> None:
    """What it learns from must be there, and say whole messages."""
    with pytest.raises(InvalidConfig) as caught:
        orders(inputs=inputs)
    assert any(said in fault.text for fault in caught.value.faults)


def test_what_is_learned_after_it_was_needed_is_not_missed() -> None:
    """Order C began before it was announced; D never was."""
    line = orders()
    early = (add(0, "A", sku="Film"), begin(10, "C"))
    assert missed(line, play(line, *early).state) == {"orders": ["C"]}
    assert not missed(line, play(line, *early, add(15, "C", sku="Bag")).state)
    assert missed(line, play(line, *early, add(15, "C", sku="Bag"), begin(20, "D")).state) == {"orders": ["D"]}
