"""For how long nothing has been delivered although something waits."""

from dataclasses import replace

from gateway.outbox.entries import Pause, Totals
from gateway.outbox.statistics import Counts, Summary
from gateway.status.findings import Standstill

NOTHING = Summary(Counts(0, 0, 0, 0, 0, None), Totals(), (), (), 0, None, ())


def of(delivered: int = 0, dead: int = 0, **by_line: int) -> Summary:
    """What each line has waiting, and what was done with."""
    counts = replace(NOTHING.counts, waiting=sum(by_line.values()), by_line=by_line)
    return replace(NOTHING, counts=counts, totals=Totals(delivered=delivered, dead=dead))


def told(*looks: Summary, held: tuple[str, ...] = ()) -> list[float | None]:
    """For how long it stands at each look, ten seconds after the one before."""
    standstill, said = Standstill(), []
    for number, summary in enumerate(looks):
        standstill.look(summary, held, 10.0 * number)
        said.append(standstill.seconds(10.0 * number))
    return said


def test_it_counts_from_what_was_done_with_last() -> None:
    """A record that is delivered or refused is done with; more of them that come are none."""
    assert told(NOTHING, of(a=1), of(a=3), of(a=9)) == [None, 0.0, 10.0, 20.0]
    assert told(of(a=2), of(a=2), of(delivered=1, a=1), of(delivered=1, a=1)) == [0.0, 10.0, 0.0, 10.0]
    assert told(of(a=2), of(a=2), of(dead=1, a=1), of(dead=1, a=1)) == [0.0, 10.0, 0.0, 10.0]
    assert told(of(a=1), of(a=1), of(delivered=1), of(delivered=1, a=1)) == [0.0, 10.0, None, 0.0]


def test_what_waits_by_itself_does_not_count() -> None:
    """That is a line which is held, and all while a person has delivery paused."""
    assert told(of(a=1), of(a=1), held=("a",)) == [None, None]
    assert told(of(a=1, b=1), of(a=1, b=1), held=("a",)) == [0.0, 10.0]
    paused = replace(of(a=1), pause=Pause(0.0, "Ann"))
    assert told(of(a=1), paused, of(a=1), of(a=1)) == [0.0, None, 0.0, 10.0]
