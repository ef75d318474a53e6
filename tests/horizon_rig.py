"""Lines that hear a counter and its orders, whose states, records and trails are committed as intake does it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.config.schema import Line
from gateway.horizon import Horizon
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import feed
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.mapping.trail import Feed
from gateway.model import Record, Sample
from gateway.outbox.entries import Commit
from gateway.outbox.store import Outbox

T0 = 1_767_592_800.0


def topic_of(number: int) -> str:
    """Below which the line says `count` and `order`."""
    return f"plant-a/hall-2/L{number:02}"


def plan(number: int) -> LinePlan:
    topic = topic_of(number)
    given: dict[str, Any] = {
        "factory": "Factory A",
        "line": f"Line {number:02}",
        "inputs": {
            "good": {"source": "mes", "topic": f"{topic}/count", "field": "n", "time": "at", "counter": {}},
            "order": {"source": "mes", "topic": f"{topic}/order", "field": "number", "time": "at"},
        },
        "run": {"key": "order", "product": "FILM", "name": "{order}"},
        "scrap_yield": {"every": "60s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]},
    }
    return compile_line(Line.model_validate(given), ("lines", number))


def said(number: int, what: str, value: Mapping[str, object], at: float) -> Sample:
    """What the line says at a time of the plant, received a moment later."""
    return Sample("mes", f"{topic_of(number)}/{what}", {**value, "at": at}, at + 0.02)


class Heard:
    """What lines have heard, over `outbox`."""

    def __init__(self, outbox: Outbox, plans: Sequence[LinePlan]) -> None:
        async def ask(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return call(outbox, *args, **kwargs)

        self._outbox, self._plans, self._horizon = outbox, plans, Horizon(ask)
        self._lines = {one.key: Feed(LineState()) for one in plans}
        self._rows = {key: StateRows({}) for key in self._lines}

    def commit(
        self, number: int, now: float, samples: Iterable[tuple[int, Sample]], *, remembered: bool = True
    ) -> None:
        """Map samples, each with the place of its line's plan, and commit what comes of them; with what lines have
        heard, if it is to be remembered."""
        records = list[Record]()
        for place, sample in samples:
            one = self._plans[place]
            self._lines[one.key], result = feed(one, self._lines[one.key], sample)
            records += result.records
        states = {key: self._rows[key].changes(line.state) for key, line in self._lines.items()}
        commit = Commit(number=number, states=states, records=tuple(records))
        if remembered:
            heard = self._horizon.take(self._lines, number, now)
            commit = replace(commit, heard=heard.row, trails=heard.beginnings, heard_since=heard.since)
        self._outbox.commit(commit)
