"""What every kind of rows promises: one suite for rows on disk and in memory."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gateway.outbox.key_value import KeyValueStore, MemoryStore
from gateway.outbox.sqlite_store import SqliteStore

Make = Callable[[], KeyValueStore]

LIMIT = 1_000_000


@pytest.fixture(params=["disk", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the same rows again and again, with a limit."""
    if request.param == "disk":
        return lambda: SqliteStore(tmp_path / "rows", limit=LIMIT)
    memory = MemoryStore(limit=LIMIT)
    return lambda: memory


def test_what_was_put_is_there_and_what_was_dropped_is_not(make: Make) -> None:
    """A row is its newest text; one that was never put, or dropped, is None; dropping what is not there is nothing."""
    rows = make()
    rows.apply({"a": "1", "b": "", "ü/\x00\u2028": "ö\x00"})
    rows.apply({"a": "2"}, ["b", "never"])
    assert [rows.get(key) for key in ("a", "b", "ü/\x00\u2028", "never")] == ["2", None, "ö\x00", None]
    rows.close()


def test_drop_comes_before_put(make: Make) -> None:
    """A key that one change drops and puts is there."""
    rows = make()
    rows.apply({"a": "1", "b": "2"})
    rows.apply({"a": "3"}, iter(["a"]))
    assert sorted(rows.items()) == [("a", "3"), ("b", "2")]
    rows.close()


def test_items_are_all_rows_once(make: Make) -> None:
    """A pass shows each row once, with its newest text, of more rows than are read at once."""
    rows = make()
    rows.apply({str(number): "old" for number in range(1234)})
    rows.apply({"7": "new", "last": "x"}, ["3"])
    keys = [key for key, _ in rows.items()]
    assert sorted(keys) == sorted([*(str(number) for number in range(1234) if number != 3), "last"])
    assert dict(rows.items())["7"] == "new"
    rows.close()


def test_rows_are_there_after_closing(make: Make) -> None:
    """What was applied is there when the rows are opened again."""
    rows = make()
    rows.apply({"a": "1" * 100_000, "b": "2"}, [])
    rows.close()
    rows = make()
    assert dict(rows.items()) == {"a": "1" * 100_000, "b": "2"}
    rows.close()


def test_a_change_that_fails_leaves_nothing(make: Make) -> None:
    """A put that is no text fails, and nothing of its change is there, also no drop; the next change works."""
    rows = make()
    rows.apply({"a": "1"})
    with pytest.raises((TypeError, AttributeError)):
        rows.apply({"b": "2", "c": 7}, ["a"])  # type: ignore[dict-item]
    assert dict(rows.items()) == {"a": "1"}
    rows.apply({"b": "3"})
    assert dict(rows.items()) == {"a": "1", "b": "3"}
    rows.close()


def test_used_follows_what_is_there(make: Make) -> None:
    """Bytes grow with rows and are free again once these are dropped, which the limit sees at once."""
    rows = make()
    rows.apply({"a": "1"})
    small = rows.used()
    assert rows.full() is rows.above_limit() is rows.scarce() is None
    rows.apply({str(number): "x" * 10_000 for number in range(90)})
    assert rows.above_limit() is None
    assert "it " in (rows.scarce() or "")
    rows.apply({str(number): "x" * 10_000 for number in range(120)})
    assert rows.used() > 1_200_000
    why = rows.above_limit()
    assert why is not None
    assert "are allowed" in why
    rows.apply({}, [str(number) for number in range(120)])
    assert rows.used() < small + 20_000
    assert rows.full() is rows.above_limit() is rows.scarce() is None
    rows.close()


KEYS = st.sampled_from(["format", "lane/L", *(f"record/L/{number}" for number in range(12))])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.just("x" * 9000)


class AgainstADict(RuleBasedStateMachine):
    """KeyValueStore do what a dict does, also over closing and opening; a change that fails does nothing."""

    make: Make

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.make()
        self.rows.apply({}, [key for key, _ in self.rows.items()])
        self.model: dict[str, str] = {}

    @rule(put=st.dictionaries(KEYS, TEXTS, max_size=6), drop=st.lists(KEYS, max_size=4))
    def change(self, put: dict[str, str], drop: list[str]) -> None:
        self.rows.apply(put, drop)
        for key in drop:
            self.model.pop(key, None)
        self.model.update(put)

    @rule(put=st.dictionaries(KEYS, TEXTS, max_size=3), drop=st.lists(KEYS, max_size=4))
    def fail(self, put: dict[str, str], drop: list[str]) -> None:
        with pytest.raises((TypeError, AttributeError)):
            self.rows.apply({**put, "bad": 7}, drop)  # type: ignore[dict-item]

    @precondition(lambda self: self.model)
    @rule()
    def reopen(self) -> None:
        self.rows.close()
        self.rows = self.make()

    @invariant()
    def same(self) -> None:
        assert sorted(self.rows.items()) == sorted(self.model.items())
        assert all(self.rows.get(key) == text for key, text in self.model.items())
        assert self.rows.get_all(["format", "record/L/1", "record/none"]) == {
            key: text for key, text in self.model.items() if key in ("format", "record/L/1")
        }
        assert self.rows.get_under("record/L/1") == {
            key: text for key, text in self.model.items() if key.startswith("record/L/1")
        }
        assert self.rows.get("record/none") is None

    def teardown(self) -> None:
        self.rows.close()


def test_rows_behave_like_a_dict(make: Make) -> None:
    """Any sequence of changes, failures and reopenings leaves what a dict would hold."""

    class Machine(AgainstADict):
        pass

    Machine.make = staticmethod(make)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_memory_rows_are_what_the_disk_holds() -> None:
    """The two kinds take the same changes to the same rows."""
    with tempfile.TemporaryDirectory() as place:
        kinds: list[KeyValueStore] = [MemoryStore(), SqliteStore(Path(place) / "rows")]
        for rows in kinds:
            for number in range(50):
                rows.apply(
                    {f"k{number % 7}": str(number), f"n{number}": "x"}, [f"n{number - 5}", f"k{(number * 3) % 7}"]
                )
        memory, disk = (sorted(rows.items()) for rows in kinds)
        assert memory == disk
        for rows in kinds:
            rows.close()
