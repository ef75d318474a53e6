"""Oden's documented behaviour in memory: a request in, an answer out.

Pure: no I/O, no clock, no chance. The same requests in the same order give the same ids and answers, which is why
a restarted stand-in, and a comparison of what reached it, can replay a ledger into a fresh model.

What the API leaves open is chosen in the modules that hold its objects, and said in their first lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from gateway.simulator.oden_body import Fields, OdenError, not_found, read_body, unlisted, without_ids
from gateway.simulator.oden_bulk import delete_intervals, set_intervals, update_intervals
from gateway.simulator.oden_catalogue import search_factories, search_lines
from gateway.simulator.oden_ids import meant, shown
from gateway.simulator.oden_intervals import delete_interval, search_intervals, set_interval, update_interval
from gateway.simulator.oden_modes import Modes
from gateway.simulator.oden_oql import Csv, execute_dashboard, run_query
from gateway.simulator.oden_output import delete_output, search_output, set_output
from gateway.simulator.oden_products import (
    delete_product,
    search_attributes,
    search_mappings,
    search_products,
    set_attribute,
    set_mapping,
    set_product,
)
from gateway.simulator.oden_quality import delete_test, delete_tests, search_schemas, search_tests, set_test
from gateway.simulator.oden_saved import loaded, saved
from gateway.simulator.oden_store import Entry, Factory, Interval, Line, Plant, Store
from gateway.simulator.oden_targets import search_metric_groups, search_targets, set_target
from gateway.simulator.oden_types import delete_type, search_types, set_type
from gateway.simulator.oden_work_orders import delete_order, search_orders, set_order

__all__ = ["ENDPOINTS", "Answer", "Entry", "Factory", "Interval", "Line", "Modes", "OdenModel", "Plant"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Oden answers: an HTTP status and a JSON value or, as `text`, a table of comma-separated values."""

    status: int
    body: object
    text: str | None = None


Handler = Callable[[Store, Fields], object]
"""Answers one endpoint's body with status 200, or raises OdenError and has then changed nothing."""

ENDPOINTS: Mapping[str, Handler] = {
    "/v2/dashboard/execute": execute_dashboard,
    "/v2/factory/search": search_factories,
    "/v2/interval/delete": delete_interval,
    "/v2/interval/search": search_intervals,
    "/v2/interval/set": set_interval,
    "/v2/interval/update": update_interval,
    "/v2/interval_type/delete": delete_type,
    "/v2/interval_type/search": search_types,
    "/v2/interval_type/set": set_type,
    "/v2/intervals/delete": delete_intervals,
    "/v2/intervals/set": set_intervals,
    "/v2/intervals/update": update_intervals,
    "/v2/line/search": search_lines,
    "/v2/maintenance_work_order/delete": delete_order,
    "/v2/maintenance_work_order/search": search_orders,
    "/v2/maintenance_work_order/set": set_order,
    "/v2/metric_group/search": search_metric_groups,
    "/v2/oql/query": run_query,
    "/v2/product/delete": delete_product,
    "/v2/product/search": search_products,
    "/v2/product/set": set_product,
    "/v2/product_attribute/search": search_attributes,
    "/v2/product_attribute/set": set_attribute,
    "/v2/product_mapping/search": search_mappings,
    "/v2/product_mapping/set": set_mapping,
    "/v2/quality_schema/search": search_schemas,
    "/v2/quality_test/delete": delete_test,
    "/v2/quality_test/search": search_tests,
    "/v2/quality_test/set": set_test,
    "/v2/quality_tests/delete": delete_tests,
    "/v2/scrap_yield/delete": delete_output,
    "/v2/scrap_yield/search": search_output,
    "/v2/scrap_yield/set": set_output,
    "/v2/target/search": search_targets,
    "/v2/target/set": set_target,
}
"""All endpoints of the document, and what answers each."""

NO_404 = frozenset(
    f"/v2/{path}"
    for path in (
        "interval/set",
        "intervals/update",
        "product/search",
        "product/set",
        "product_attribute/search",
        "product_attribute/set",
        "product_mapping/search",
    )
)
"""Endpoints for which the document lists no 404: a search finds nothing then, anything else is 400."""
READS = ("/search", "/query", "/execute")
"""How the paths end that change nothing."""


class OdenModel:
    """One organization at Oden. Equal to another when both hold the same; `modes` say how it answers, at any time."""

    def __init__(self, plant: Plant, modes: Modes = Modes()) -> None:  # noqa: B008 - frozen
        self._store = Store(plant, modes=modes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OdenModel) and self._store == other._store

    __hash__ = None  # type: ignore[assignment] # it changes

    def saved(self) -> dict[str, object]:
        """Everything that it holds, as JSON; `load` takes it. Modes are no part of it."""
        return saved(self._store)

    def load(self, state: Mapping[str, object]) -> None:
        """Hold what another model of this plant held; StateError where `state` does not fit the plant, or is none."""
        self._store = loaded(self._store.plant, state, self.modes)

    @property
    def modes(self) -> Modes:
        return self._store.modes

    @modes.setter
    def modes(self, modes: Modes) -> None:
        self._store.modes = modes

    def answer(self, path: str, body: bytes) -> Answer:
        """Answer a POST of `body` to `path` (`/v2/{object}/{action}`, with parameters after a `?`). A refused request changes nothing."""
        path, _, parameters = path.partition("?")
        if path not in ENDPOINTS:
            return Answer(404, not_found(f"endpoint {path}").body)
        if path == "/v2/intervals/update" and self.modes.bulk_update != 200:
            return Answer(self.modes.bulk_update, OdenError(self.modes.bulk_update, "not available").body)
        answer = self._answer(path, body, dict(parse_qsl(parameters)))
        if path.endswith("/search"):
            return self._nothing(answer)
        if path == "/v2/interval/set" and not self.modes.ids:
            return Answer(answer.status, without_ids(answer.body))
        return answer

    def _answer(self, path: str, body: bytes, query: Mapping[str, str]) -> Answer:
        ids, about = self._store.plant.ids, path.split("/")[2].removesuffix("s")
        try:
            read = meant(read_body(body), about, ids)
            answer = ENDPOINTS[path](self._store, Fields(read.values, read.where, query))
        except OdenError as error:
            if error.status != 404 or path not in NO_404:
                return Answer(error.status, error.body)
            told = unlisted(error)
            return Answer(200, []) if path.endswith("/search") else Answer(told.status, told.body)
        return Answer(200, None, answer.text) if isinstance(answer, Csv) else Answer(200, shown(answer, ids))

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
