"""`outbox verify` names each damage of the rows, and takes what moves for none."""

from collections.abc import Callable

import pytest

from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check
from tests.outbox.actions_rig import LINE, Plant, problems
from tests.outbox.floor import commit

DAMAGE: dict[str, tuple[Callable[[MemoryStore, list[str]], None], str]] = {
    "a record is gone": (lambda rows, keys: rows.apply({}, [keys[0]]), "records are there, and"),
    "a record is no record": (lambda rows, keys: rows.apply({keys[0]: "{}"}), "this is not a record"),
    "a record is in the wrong lane": (
        lambda rows, keys: rows.apply({keys[0]: rows.get(keys[1]) or ""}),
        "does not belong into this lane",
    ),
    "an interval is gone": (
        lambda rows, keys: rows.apply({}, [key for key, _ in list(rows.items()) if key.startswith("interval/")]),
        "is not known",
    ),
    "a record that no lane leads to": (
        lambda rows, keys: rows.apply({f"record/{LINE}/output/99": "{}"}),
        "a record that no lane leads to",
    ),
    "an attempt that no lane leads to": (
        lambda rows, keys: rows.apply({f"attempt/{LINE}/output/99": "{}"}),
        "an attempt that no lane leads to",
    ),
    "output is miscounted": (
        lambda rows, keys: _miscount(rows, '"outputs":1', '"outputs":2'),
        "entries of output are there, and 2 should be",
    ),
    "parked ones are miscounted": (
        lambda rows, keys: _miscount(rows, '"outputs":1', '"outputs":1,"parked":4'),
        "records are parked with it, and 4 should be",
    ),
    "the start is elsewhere": (
        lambda rows, keys: _miscount(rows, '"start_at":0', '"start_at":7'),
        "its start should wait as",
    ),
}


def _miscount(rows: MemoryStore, old: str, new: str) -> None:
    (key,) = (key for key, _ in rows.items() if key.startswith("interval/"))
    text = rows.get(key)
    assert text is not None
    assert old in text
    rows.apply({key: text.replace(old, new)})


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_finds_what_is_wrong(damage: str) -> None:
    """Each kind of damage to rows is found and said; without it there is nothing to say."""
    rows, plant = MemoryStore(), Plant()
    outbox = Outbox(rows)
    start = plant.start()
    commit(outbox, start, plant.output(start))
    assert problems(outbox) == []
    change, complaint = DAMAGE[damage]
    change(rows, [key for key, _ in rows.items() if key.startswith("record/")])
    assert any(complaint in problem for problem in problems(Outbox(rows)))


def test_verify_does_not_count_what_moves() -> None:
    """Records that come while a line is read are no problem: it says that it could not count."""
    outbox, plant = Outbox(MemoryStore()), Plant()
    commit(outbox, *(plant.start(type_="STATE") for _ in range(600)))
    steps = check(outbox, LINE)
    assert next(steps) is None
    commit(outbox, plant.start(type_="STATE"))
    verdict = list(steps)[-1]
    assert verdict is not None
    assert (verdict.problems, verdict.moved) == ([], True)
