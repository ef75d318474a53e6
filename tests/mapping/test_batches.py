"""Batches: to which of two that follow each other a part belongs, and what is remembered of them."""

from gateway.mapping.runs import EndedRun, Run, owner
from tests.mapping.recording import T0, order, plan, play, tag, tick

COUNTED = plan(batches={"every": 10, "count": "good"}, states=None, scrap_yield=None)


def test_last_part_of_a_batch_is_in_it() -> None:
    """The part that completes a batch belongs to it, what comes after to the next, although both meet in one second."""
    played = play(COUNTED, tag(1, "Good", 0), order(5, "A"), tag(20.25, "Good", 10), tag(20.5, "Good", 13), tick(30))
    last, current = owner(played.state.batches, T0 + 20.25), owner(played.state.batches, T0 + 20.5)
    assert isinstance(last, EndedRun)
    assert isinstance(current, Run)
    assert last.end == current.start == T0 + 20
    assert played.state.batches.counted == 3


def test_memory_of_batches_goes_through_its_text() -> None:
    """A batch that is on stays one batch over restarts, and its count goes on."""
    events = (tag(1, "Good", 0), order(5, "A"), tag(20, "Good", 4), tag(30, "Good", 8), tag(40, "Good", 12), tick(50))
    whole, cut = play(COUNTED, *events), play(COUNTED, *events, restarts=True)
    assert cut.records == whole.records
    assert cut.texts[-2:] == ["end BATCH 2 at 40", "start BATCH 3 at 40: "]
