"""A service that does not last begins again ever more seldom."""

from pathlib import Path

import pytest

from gateway.status.notify import AT_ONCE, FILE, LONGEST, Restarts, pause_after


def test_the_pauses_grow_up_to_five_minutes() -> None:
    """The first starts are made at once; whatever the number, the pause has an end."""
    pauses = [pause_after(starts) for starts in range(12)]
    assert pauses[: AT_ONCE + 5] == [0.0, 0.0, 0.0, 10.0, 20.0, 40.0, 80.0, 160.0]
    assert pauses[-1] == pause_after(10**9) == LONGEST


def test_starts_are_counted_until_one_lasts(tmp_path: Path) -> None:
    """From one process to the next."""
    assert [Restarts(tmp_path).begin() for _ in range(5)] == [0, 1, 2, 3, 4]
    Restarts(tmp_path).forget()
    assert Restarts(tmp_path).begin() == 0


@pytest.mark.parametrize("text", ["", "many", "-7", "\x00"])
def test_a_mark_that_says_nothing_is_none(tmp_path: Path, text: str) -> None:
    """Nobody is held up by it."""
    (tmp_path / FILE).write_text(text)
    assert Restarts(tmp_path).begin() == 0


@pytest.mark.parametrize("directory", [None, Path("/nowhere/at/all")])
def test_without_a_place_each_start_is_the_first(directory: Path | None) -> None:
    """And nothing raises."""
    restarts = Restarts(directory)
    assert [restarts.begin(), restarts.begin()] == [0, 0]
    restarts.forget()
