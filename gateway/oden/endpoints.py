"""The 35 endpoints of the Oden API v2: what each does, takes and answers, and whether it may be repeated.

Source: Oden's OpenAPI document, `paths`; every call is a POST to `{url}/{object}/{action}`. An answer `object` is one
that the document leaves open: whatever JSON comes.
"""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from gateway.oden import limits, models
from gateway.oden.limits import Limit, given
from gateway.oden.models import Model

Takes = TypeVar("Takes", bound=Model)
Gives = TypeVar("Gives")

Effect = Literal["reads", "creates", "sets", "changes", "deletes"]
"""What it does at Oden: nothing; makes new things; makes or changes them, depending on the request; changes;
deletes."""

Repeat = Literal["harmless", "with id", "doubles"]
"""What the same request does when it is sent again: nothing more; nothing more if it names an id; the same once
more."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One object and action.

    `answers_json` is whether a success must carry a JSON body to be believed; `id_in` is the part of the request whose
    `id` says that something is there already; `query` is the one parameter that stands in the address.
    """

    object: str
    action: str
    does: str
    effect: Effect
    repeat: Repeat = "harmless"
    answers_json: bool = True
    limit: Limit | None = None
    id_in: Literal["body", "data"] = "body"
    query: Literal["pattern", "format"] | None = None

    @property
    def path(self) -> str:
        return f"{self.object}/{self.action}"

    @property
    def deletes(self) -> bool:
        return self.effect == "deletes"

    def may_repeat(self, body: dict[str, Any]) -> bool:
        """Whether sending `body` a second time would do nothing more than sending it once."""
        if self.repeat == "with id":
            part = body if self.id_in == "body" else body.get(self.id_in)
            return isinstance(part, dict) and part.get("id") is not None
        return self.repeat == "harmless"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Endpoint, Generic[Takes, Gives]):
    """An endpoint with its request and what a success answers, as types."""

    takes: type[Takes]
    gives: type[Gives]


FACTORY_SEARCH = Call("factory", "search", "finds factories", "reads", takes=models.Factory, gives=list[models.Factory])
LINE_SEARCH = Call("line", "search", "finds lines of a factory", "reads", takes=models.Line, gives=list[models.Line])
METRIC_GROUP_SEARCH = Call(
    "metric_group",
    "search",
    "finds groups of tags that mean the same",
    "reads",
    takes=models.MetricGroup,
    gives=list[models.MetricGroup],
)
PRODUCT_SEARCH = Call("product", "search", "finds products", "reads", takes=models.Product, gives=list[models.Product])
PRODUCT_SET = Call(
    "product",
    "set",
    "creates a product, or renames the one with the id",
    "sets",
    "with id",
    answers_json=False,
    limit=given("name"),
    takes=models.Product,
    gives=object,
)
PRODUCT_DELETE = Call(
    "product",
    "delete",
    "deletes a product; its intervals stay",
    "deletes",
    answers_json=False,
    limit=given("id|name"),
    takes=models.Product,
    gives=object,
)
PRODUCT_MAPPING_SEARCH = Call(
    "product_mapping",
    "search",
    "finds which lines can make which products",
    "reads",
    takes=models.ProductMapping,
    gives=list[models.ProductMapping],
)
PRODUCT_MAPPING_SET = Call(
    "product_mapping",
    "set",
    "says that a line can make a product, which is created where it is not there",
    "creates",
    answers_json=False,
    limit=given("product", "line"),
    takes=models.ProductMapping,
    gives=object,
)
PRODUCT_ATTRIBUTE_SEARCH = Call(
    "product_attribute",
    "search",
    "finds attributes by id, product or displayed name",
    "reads",
    limit=given("id|product|display_name"),
    takes=models.ProductAttribute,
    gives=list[models.ProductAttribute],
)
PRODUCT_ATTRIBUTE_SET = Call(
    "product_attribute",
    "set",
    "sets an attribute of a product, and creates the attribute where it is not there",
    "sets",
    limit=given("product"),
    takes=models.ProductAttribute,
    gives=list[models.ProductAttribute],
)
TARGET_SEARCH = Call(
    "target",
    "search",
    "finds targets by line, metric group and product",
    "reads",
    takes=models.Target,
    gives=list[models.Target],
)
TARGET_SET = Call(
    "target",
    "set",
    "sets a target of a product on a line; creates product and mapping where they are not there",
    "sets",
    limit=given("line", "metric_group", "product"),
    takes=models.Target,
    gives=models.Target,
)
INTERVAL_SEARCH = Call(
    "interval",
    "search",
    "finds intervals by type, line, and id, name or time",
    "reads",
    limit=limits.placed,
    takes=models.Interval,
    gives=list[models.Interval],
)
INTERVAL_SET = Call(
    "interval",
    "set",
    "creates an interval, or changes the one with the id; a run creates its product and mapping",
    "sets",
    "with id",
    limit=limits.interval_set,
    takes=models.Interval,
    gives=list[models.Interval],
)
INTERVAL_UPDATE = Call(
    "interval",
    "update",
    "changes the interval with the id",
    "changes",
    limit=limits.interval_by_id,
    takes=models.Interval,
    gives=list[models.Interval],
)
INTERVAL_DELETE = Call(
    "interval",
    "delete",
    "deletes the interval with the id",
    "deletes",
    limit=limits.interval_by_id,
    takes=models.Interval,
    gives=list[models.Interval],
)
INTERVALS_SET = Call(
    "intervals",
    "set",
    "creates up to 2,500 custom intervals of one type and line",
    "creates",
    "doubles",
    limit=limits.intervals_set,
    takes=models.IntervalBulkCreate,
    gives=list[str],
)
INTERVALS_UPDATE = Call(
    "intervals",
    "update",
    "changes up to 2,500 intervals of one type and line",
    "changes",
    limit=limits.intervals_update,
    takes=models.IntervalBulkUpdate,
    gives=models.IntervalsUpdated,
)
INTERVALS_DELETE = Call(
    "intervals",
    "delete",
    "deletes the intervals of one type and line from up to 30 days",
    "deletes",
    limit=limits.intervals_delete,
    takes=models.IntervalBulkDelete,
    gives=models.IntervalsDeleted,
)
INTERVAL_TYPE_SEARCH = Call(
    "interval_type",
    "search",
    "finds interval types, built-in and custom ones",
    "reads",
    takes=models.IntervalType,
    gives=list[models.IntervalType],
)
INTERVAL_TYPE_SET = Call(
    "interval_type",
    "set",
    "creates a custom interval type, or changes schema and tags of the one with the id",
    "sets",
    "with id",
    limit=limits.interval_type_set,
    takes=models.IntervalTypeSet,
    gives=models.IntervalType,
)
INTERVAL_TYPE_DELETE = Call(
    "interval_type",
    "delete",
    "deletes the custom interval type with the id",
    "deletes",
    limit=limits.interval_type_delete,
    takes=models.IntervalType,
    gives=models.IntervalType,
)
SCRAP_YIELD_SEARCH = Call(
    "scrap_yield",
    "search",
    "finds the output of an interval",
    "reads",
    limit=limits.scrap_yield,
    takes=models.ScrapYieldSearch,
    gives=object,
)
SCRAP_YIELD_SET = Call(
    "scrap_yield",
    "set",
    "adds output to an interval, or changes the record with the id",
    "sets",
    "with id",
    answers_json=False,
    limit=limits.scrap_yield,
    id_in="data",
    query="pattern",
    takes=models.ScrapYieldSet,
    gives=object,
)
SCRAP_YIELD_DELETE = Call(
    "scrap_yield",
    "delete",
    "deletes the record of output with the id",
    "deletes",
    answers_json=False,
    limit=limits.scrap_yield_delete,
    takes=models.ScrapYieldSearch,
    gives=object,
)
QUALITY_SCHEMA_SEARCH = Call(
    "quality_schema",
    "search",
    "finds what the quality tests of a factory hold",
    "reads",
    limit=given("factory"),
    takes=models.QualitySchema,
    gives=object,
)
QUALITY_TEST_SEARCH = Call(
    "quality_test",
    "search",
    "finds quality tests by id or by run or batch",
    "reads",
    limit=limits.quality_test,
    takes=models.QualityTest,
    gives=object,
)
QUALITY_TEST_SET = Call(
    "quality_test",
    "set",
    "creates a quality test, or changes what is given of the one with the id",
    "sets",
    "with id",
    answers_json=False,
    limit=limits.quality_test,
    takes=models.QualityTest,
    gives=object,
)
QUALITY_TEST_DELETE = Call(
    "quality_test",
    "delete",
    "deletes a quality test, by id or as the only one of its interval",
    "deletes",
    answers_json=False,
    limit=limits.quality_test,
    takes=models.QualityTest,
    gives=object,
)
QUALITY_TESTS_DELETE = Call(
    "quality_tests",
    "delete",
    "deletes quality tests by ids, or all of a line from a stretch of time",
    "deletes",
    answers_json=False,
    limit=limits.quality_tests_delete,
    takes=models.QualityTestsDelete,
    gives=object,
)
OQL_QUERY = Call(
    "oql",
    "query",
    "runs a query in Oden's query language",
    "reads",
    query="format",
    takes=models.OQLQuery,
    gives=object,
)
DASHBOARD_EXECUTE = Call(
    "dashboard",
    "execute",
    "runs all modules of a dashboard and gives their rows",
    "reads",
    limit=limits.dashboard,
    takes=models.DashboardExecuteRequest,
    gives=list[models.DashboardExecuteResult],
)
MAINTENANCE_WORK_ORDER_SEARCH = Call(
    "maintenance_work_order",
    "search",
    "finds work orders by id, or of a line in a stretch of time",
    "reads",
    limit=limits.work_order_search,
    takes=models.MaintenanceWorkOrderSearch,
    gives=list[models.MaintenanceWorkOrder],
)
MAINTENANCE_WORK_ORDER_SET = Call(
    "maintenance_work_order",
    "set",
    "creates a work order, or changes what is given of the one with the id",
    "sets",
    "with id",
    limit=limits.work_order_set,
    takes=models.MaintenanceWorkOrder,
    gives=models.MaintenanceWorkOrder,
)
MAINTENANCE_WORK_ORDER_DELETE = Call(
    "maintenance_work_order",
    "delete",
    "deletes a work order by either of its ids",
    "deletes",
    limit=limits.work_order_delete,
    takes=models.MaintenanceWorkOrder,
    gives=list[models.MaintenanceWorkOrder],
)

ENDPOINTS: dict[str, Call[Any, Any]] = {
    endpoint.path: endpoint for endpoint in list(globals().values()) if isinstance(endpoint, Call)
}
"""Path -> endpoint, in the order above."""
