"""Oden's documented behaviour in memory: a request in, an answer out.

Pure: no I/O, no clock, no chance. The same requests in the same order give the same ids and answers, which is why
a restarted stand-in, and a comparison of what reached it, can replay a ledger into a fresh model.

What the API leaves open is chosen in the modules that hold its objects, and said in their first lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.simulator.oden_body import Fields, OdenError, not_found, read_body, without_ids
from gateway.simulator.oden_bulk import set_intervals, update_intervals
from gateway.simulator.oden_catalogue import search_factories, search_lines, search_products
from gateway.simulator.oden_intervals import search_intervals, set_interval
from gateway.simulator.oden_modes import Modes
from gateway.simulator.oden_output import search_output, set_output
from gateway.simulator.oden_store import Entry, Factory, Interval, Line, Plant, Store
from gateway.simulator.oden_types import search_types, set_type

__all__ = ["ENDPOINTS", "Answer", "Entry", "Factory", "Interval", "Line", "Modes", "OdenModel", "Plant"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Oden answers: an HTTP status and a JSON value."""

    status: int
    body: object


Handler = Callable[[Store, Fields], object]
"""Answers one endpoint's body with status 200, or raises OdenError and has then changed nothing."""

ENDPOINTS: Mapping[str, Handler] = {
    "/v2/factory/search": search_factories,
    "/v2/line/search": search_lines,
    "/v2/product/search": search_products,
    "/v2/interval/search": search_intervals,
    "/v2/interval/set": set_interval,
    "/v2/intervals/set": set_intervals,
    "/v2/intervals/update": update_intervals,
    "/v2/interval_type/search": search_types,
    "/v2/interval_type/set": set_type,
    "/v2/scrap_yield/search": search_output,
    "/v2/scrap_yield/set": set_output,
}


class OdenModel:
    """One organization at Oden. Equal to another when both hold the same; `modes` say how it answers, at any time."""

    def __init__(self, plant: Plant, modes: Modes = Modes()) -> None:  # noqa: B008 - frozen
        self._store = Store(plant, modes=modes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OdenModel) and self._store == other._store

    __hash__ = None  # type: ignore[assignment] # it changes

    @property
    def modes(self) -> Modes:
        return self._store.modes

    @modes.setter
    def modes(self, modes: Modes) -> None:
        self._store.modes = modes

    def answer(self, path: str, body: bytes) -> Answer:
        """Answer a POST of `body` to `path` (`/v2/{object}/{action}`). A refused request changes nothing."""
        if path not in ENDPOINTS:
            return Answer(404, not_found(f"endpoint {path}").body)
        if path == "/v2/intervals/update" and self.modes.bulk_update != 200:
            return Answer(self.modes.bulk_update, OdenError(self.modes.bulk_update, "not available").body)
        try:
            answer = Answer(200, ENDPOINTS[path](self._store, read_body(body)))
        except OdenError as error:
            answer = Answer(error.status, error.body)
        if path.endswith("/search"):
            return self._nothing(answer)
        if path == "/v2/interval/set" and not self.modes.ids:
            return Answer(answer.status, without_ids(answer.body))
        return answer

    def _nothing(self, answer: Answer) -> Answer:
        """The answer of a search as the mode `nothing` has it."""
        if self.modes.nothing == "empty" and answer.status == 404:
            return Answer(200, [])
        if self.modes.nothing == "404" and answer == Answer(200, []):
            return Answer(404, not_found("entity").body)
        return answer

    def intervals(self, interval_type: str, factory: str, line: str) -> list[Interval]:
        """The intervals of one type (`RUN`, `STATE`, `BATCH`, or a custom one) on one line, by start."""
        return self._store.of(interval_type, Line(factory, line))

    def output(self, interval: Interval) -> list[Entry]:
        """The scrap/yield records of `interval`, in the order they were made."""
        return list(self._store.output_of(interval).values())

    def products(self) -> list[str]:
        """The names of all products, in the order they were made."""
        return list(self._store.products.values())
