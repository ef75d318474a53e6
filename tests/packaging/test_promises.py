"""What `make promises` tells: every promise has tests, and how they ended is kept from run to run."""

from pathlib import Path

import pytest

from tests import promises
from tests.promises import PROMISES, NamedTest, Result

PASSED, FAILED = Result("passed", "2026-11-02T08:00:00+00:00"), Result("failed", "2026-11-03T08:00:00+00:00")


def test_every_promise_has_tests_and_every_number_is_a_promise() -> None:
    """A number in a name that no promise has would be counted for nothing."""
    numbers = {number for test in promises.tests() for number in test.promises}
    assert numbers == set(PROMISES)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("test_p2_p4_kills", (2, 4)),
        ("test_p10_x", (10,)),
        ("test_p95_of", (95,)),
        ("test_pace", ()),
        ("test_a_p4_x", ()),
    ],
)
def test_the_numbers_in_a_name(name: str, numbers: tuple[int, ...]) -> None:
    """They stand at the beginning, one after the other."""
    assert promises.promises(name) == numbers


def test_results_of_runs_are_kept_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run replaces what it has run, and all of a file that it has run whole, where cases may have gone."""
    monkeypatch.setattr(promises, "RESULTS", tmp_path / "results.json")
    assert promises.read() == {}
    promises.note({"a.py::x[1]": FAILED, "a.py::x[2]": PASSED, "b.py::y": FAILED}, set())
    promises.note({"a.py::x[1]": PASSED}, set())
    assert promises.read() == {"a.py::x[1]": PASSED, "a.py::x[2]": PASSED, "b.py::y": FAILED}
    promises.note({"a.py::x[3]": PASSED}, {"a.py"})
    assert promises.read() == {"a.py::x[3]": PASSED, "b.py::y": FAILED}
    promises.RESULTS.write_text("{")
    assert promises.read() == {}


def test_what_is_told() -> None:
    """Each promise with its tests; for a test of several cases how many passed, and the latest time."""
    tests = [NamedTest("tests/a.py::test_p1_x", (1,)), NamedTest("tests/b.py::test_p1_p2_y", (1, 2))]
    results = {"tests/a.py::test_p1_x[1]": PASSED, "tests/a.py::test_p1_x[2]": FAILED}
    text = "\n".join(promises.told(tests, results))
    first, second, third = text.split("\n\n")[:3]
    assert "1 failed, 1 passed, 2026-11-03" in first
    assert "never run " in first.splitlines()[2]
    assert second.splitlines()[1].endswith("b.py::test_p1_p2_y")
    assert "no test yet" in third
    assert text.endswith("2 tests, 1 of them never run; cases: 1 failed, 1 passed")
