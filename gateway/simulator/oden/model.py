"""Oden's documented behaviour in memory: a request in, an answer out.

Pure: no I/O, no clock, no chance. The same requests in the same order give the same ids and answers, which is why a
restarted stand-in, and a comparison of what reached it, can replay a ledger into a fresh model.

A request is answered in this order: a manner that answers `before` the endpoint, or else the endpoint; then the manners
that change an answer `after` it. What the document leaves open is chosen in the modules that hold the endpoints, and
said in their first lines.
"""

from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from urllib.parse import parse_qsl

from gateway.simulator.oden.bodies import (
    Answer,
    ErrorAnswer,
    Fields,
    as_bad_request,
    not_found,
    to_external_ids,
)
from gateway.simulator.oden.intervals import (
    delete_interval,
    delete_intervals,
    search_intervals,
    set_interval,
    set_intervals,
    update_interval,
    update_intervals,
)
from gateway.simulator.oden.manners import Call, Manners
from gateway.simulator.oden.master_data import (
    delete_order,
    delete_type,
    search_factories,
    search_lines,
    search_orders,
    search_types,
    set_order,
    set_type,
)
from gateway.simulator.oden.oql import Csv, execute_dashboard, run_query
from gateway.simulator.oden.products import (
    delete_product,
    search_attributes,
    search_mappings,
    search_metric_groups,
    search_products,
    search_targets,
    set_attribute,
    set_mapping,
    set_product,
    set_target,
)
from gateway.simulator.oden.scrap_and_quality import (
    delete_output,
    delete_test,
    delete_tests,
    search_output,
    search_schemas,
    search_tests,
    set_output,
    set_test,
)
from gateway.simulator.oden.snapshot import from_snapshot, to_snapshot
from gateway.simulator.oden.store import Interval, Line, Organization, ScrapYieldRecord, Store, WorkOrder

Endpoint = Callable[[Store, Fields], object]
"""Answers one endpoint's body with status 200, or raises ErrorAnswer and has then changed nothing."""

ENDPOINTS: Mapping[str, Endpoint] = {
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
"""The path of each endpoint of the document, and what answers it."""

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
    """One organization at Oden. Equal to another when both hold the same; `manners` may change at any time."""

    def __init__(self, organization: Organization, manners: Manners = Manners()) -> None:  # noqa: B008 - frozen
        self._store = Store(organization, manners=manners)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OdenModel) and self._store == other._store

    __hash__ = None  # type: ignore[assignment] # it changes

    @property
    def manners(self) -> Manners:
        return self._store.manners

    @manners.setter
    def manners(self, manners: Manners) -> None:
        self._store.manners = manners

    def snapshot(self) -> dict[str, object]:
        """Everything that it holds, as JSON; `restore` takes it. Manners are no part of it."""
        return to_snapshot(self._store)

    def restore(self, snapshot: Mapping[str, object]) -> None:
        """Hold what another model of this organization held by its snapshot; SnapshotError where that does not fit."""
        self._store = from_snapshot(self._store.organization, snapshot, self.manners)

    def answer(self, path: str, body: bytes) -> Answer:
        """Answer a POST of `body` to `path` (`/v2/{object}/{action}`, with parameters after a `?`).

        A request that is refused changes nothing.
        """
        path, _, parameters = path.partition("?")
        if path not in ENDPOINTS:
            return not_found(f"endpoint {path}").answer
        call = Call(self._store, path, dict(parse_qsl(parameters)), body)
        try:
            answer = self.manners.before(call) or _call_endpoint(call)
        except ErrorAnswer as error:
            answer = _refusal(path, error)
        return self.manners.after(call, answer)

    def intervals(self, interval_type: str, factory: str, line: str) -> list[Interval]:
        """The intervals of one type (`RUN`, `STATE`, `BATCH`, or a custom one) on one line, by start."""
        return self._store.intervals_of(interval_type, Line(factory, line))

    def output(self, interval: Interval) -> list[ScrapYieldRecord]:
        """The scrap/yield records of `interval`, in the order they were made."""
        return list(self._store.output_of(interval).values())

    def orders(self, factory: str, line: str) -> list[WorkOrder]:
        """The maintenance work orders of one line, in the order they were made."""
        return [order for order in self._store.orders.values() if order.line == Line(factory, line)]

    def products(self) -> list[str]:
        """The names of all products, in the order they were made."""
        return list(self._store.products.values())


def _call_endpoint(call: Call) -> Answer:
    body = ENDPOINTS[call.path](call.store, call.fields())
    if isinstance(body, Csv):
        return Answer(200, None, body.text)
    return Answer(200, to_external_ids(body, call.store.organization.ids))


def _refusal(path: str, error: ErrorAnswer) -> Answer:
    """`error` as the document lets the endpoint at `path` answer it."""
    if error.status != 404 or path not in NO_404:
        return error.answer
    return Answer(200, []) if path.endswith("/search") else as_bad_request(error).answer


def only_reads(path: str) -> bool:
    """Whether a request to `path`, with or without parameters, changes nothing."""
    return path.partition("?")[0].endswith(READS)


class LaggingModel:
    """`model`, whose searches see what was written only `manners.search_lag` seconds later.

    So does an index that follows its data. The lag counts from the first request that it holds for: what was there
    before is seen at once. Whoever drives it says what time it is.
    """

    def __init__(self, model: OdenModel) -> None:
        self.model = model
        self._searched: OdenModel | None = None
        self._not_searched: deque[tuple[float, str, bytes]] = deque()

    def answer(self, path: str, body: bytes, now: float) -> Answer:
        """Answer a POST of `body` to `path` at `now`, in seconds; times never go back."""
        manners = self.model.manners
        if manners.search_lag == 0:
            self._searched = None
            self._not_searched.clear()
            return self.model.answer(path, body)
        if self._searched is None:
            self._searched = deepcopy(self.model)
        self._searched.manners = manners.accepting()  # what was accepted then is accepted, whatever holds now
        while self._not_searched and self._not_searched[0][0] <= now - manners.search_lag:
            _, written_path, written_body = self._not_searched.popleft()
            self._searched.answer(written_path, written_body)
        if only_reads(path):
            self._searched.manners = manners
            return self._searched.answer(path, body)
        answer = self.model.answer(path, body)
        if answer.took_effect:
            self._not_searched.append((now, path, body))
        return answer
