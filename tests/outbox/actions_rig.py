"""A plant that makes records, an Oden that takes them, and the ways of one record between them."""

from dataclasses import dataclass, replace

from gateway.model import Output, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import Attempt, Work
from gateway.outbox.listing import Cursor, Filter, Listed, page
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines, strays
from tests.outbox.floor import commit

LINES = ("Factory A/Line 01", "Factory A/Line 02")
LINE = LINES[0]
TYPE = "WASH"


@dataclass
class Plant:
    """Makes records with keys of their own; the `n`th has the time 1000 + n."""

    number: int = 0

    def start(self, line: str = LINE, type_: str = TYPE) -> StartInterval:
        at = self._tick()
        return StartInterval(record_key(line, at, at), line, at, type_, at, f"no {at}", {"product": "P"})

    def update(self, of: StartInterval, *, end: bool = False) -> UpdateInterval:
        at = self._tick()
        return UpdateInterval(
            record_key(of.line, at, at),
            of.line,
            at,
            of.type,
            of.key,
            at if end else None,
            None,
            {f"f{at % 3}": str(at)},
        )

    def output(self, of: StartInterval, amount: int = 1) -> Output:
        at = self._tick()
        return Output(record_key(of.line, at, at), of.line, at, of.type, of.key, at, {"yield": amount}, ("yield",))

    def _tick(self) -> int:
        self.number += 1
        return 1000 + self.number


def all_of(outbox: Outbox, wanted: Filter | None = None, rows: int = 3) -> list[Listed]:
    """Everything that fits, read in small pages."""
    found: list[Listed] = []
    begin: Cursor | None = None
    while True:
        some, begin = page(outbox, wanted or Filter(), begin, rows)
        found += some
        if begin is None:
            return found


def dead(outbox: Outbox) -> list[Listed]:
    return all_of(outbox, Filter(where="dead"))


def problems(outbox: Outbox) -> list[str]:
    verdicts = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict is not None]
    return [problem for verdict in verdicts for problem in verdict.problems] + list(strays(outbox))


def send(outbox: Outbox, work: Work) -> Work:
    """Begin `work`, or go on with it."""
    attempt = work.attempt or Attempt(work.lane, work.positions, "interval/set", '{"a":1}', begun=1.0)
    attempt = replace(attempt, phase="sending", tries=attempt.tries + 1)
    assert outbox.begin(work, attempt)
    return replace(work, attempt=attempt)


def refuse(outbox: Outbox, work: Work, error: str = "400: no") -> None:
    outbox.settle(send(outbox, work), {}, dict.fromkeys(work.positions, error), 5.0)


def next_work(outbox: Outbox, kind: str | None = None) -> Work:
    return next(work for work in outbox.work() if kind in (None, work.records[0].kind))


def buried(outbox: Outbox, plant: Plant, type_: str = TYPE) -> StartInterval:
    """A start that Oden has refused."""
    start = plant.start(type_=type_)
    commit(outbox, start)
    refuse(outbox, next_work(outbox, "start"), "400: no such product")
    return start
