"""Every endpoint as a method: `oden.interval.set(Interval(…))` is the call `interval/set`. The types are those of the
table.

A method raises the errors of `gateway.oden.errors`, and no others.
"""

from typing import Protocol

from gateway.oden import endpoints as table
from gateway.oden import models
from gateway.oden.endpoints import Call, Gives, Takes


class Caller(Protocol):
    """Makes a call; `query` is the value of the endpoint's parameter in the address."""

    async def __call__(self, endpoint: Call[Takes, Gives], request: Takes, query: str | None = None) -> Gives: ...


class _Object:
    def __init__(self, call: Caller) -> None:
        self._call = call


class Factory(_Object):
    """`factory/…`."""

    async def search(self, request: models.Factory) -> list[models.Factory]:
        return await self._call(table.FACTORY_SEARCH, request)


class Line(_Object):
    """`line/…`."""

    async def search(self, request: models.Line) -> list[models.Line]:
        return await self._call(table.LINE_SEARCH, request)


class MetricGroup(_Object):
    """`metric_group/…`."""

    async def search(self, request: models.MetricGroup) -> list[models.MetricGroup]:
        return await self._call(table.METRIC_GROUP_SEARCH, request)


class Product(_Object):
    """`product/…`."""

    async def search(self, request: models.Product) -> list[models.Product]:
        return await self._call(table.PRODUCT_SEARCH, request)

    async def set(self, request: models.Product) -> object:
        return await self._call(table.PRODUCT_SET, request)

    async def delete(self, request: models.Product) -> object:
        return await self._call(table.PRODUCT_DELETE, request)


class ProductMapping(_Object):
    """`product_mapping/…`."""

    async def search(self, request: models.ProductMapping) -> list[models.ProductMapping]:
        return await self._call(table.PRODUCT_MAPPING_SEARCH, request)

    async def set(self, request: models.ProductMapping) -> object:
        return await self._call(table.PRODUCT_MAPPING_SET, request)


class ProductAttribute(_Object):
    """`product_attribute/…`."""

    async def search(self, request: models.ProductAttribute) -> list[models.ProductAttribute]:
        return await self._call(table.PRODUCT_ATTRIBUTE_SEARCH, request)

    async def set(self, request: models.ProductAttribute) -> list[models.ProductAttribute]:
        return await self._call(table.PRODUCT_ATTRIBUTE_SET, request)


class Target(_Object):
    """`target/…`."""

    async def search(self, request: models.Target) -> list[models.Target]:
        return await self._call(table.TARGET_SEARCH, request)

    async def set(self, request: models.Target) -> models.Target:
        return await self._call(table.TARGET_SET, request)


class Interval(_Object):
    """`interval/…`."""

    async def search(self, request: models.Interval) -> list[models.Interval]:
        return await self._call(table.INTERVAL_SEARCH, request)

    async def set(self, request: models.Interval) -> list[models.Interval]:
        return await self._call(table.INTERVAL_SET, request)

    async def update(self, request: models.Interval) -> list[models.Interval]:
        return await self._call(table.INTERVAL_UPDATE, request)

    async def delete(self, request: models.Interval) -> list[models.Interval]:
        return await self._call(table.INTERVAL_DELETE, request)


class Intervals(_Object):
    """`intervals/…`."""

    async def set(self, request: models.IntervalBulkCreate) -> list[str]:
        return await self._call(table.INTERVALS_SET, request)

    async def update(self, request: models.IntervalBulkUpdate) -> models.IntervalsUpdated:
        return await self._call(table.INTERVALS_UPDATE, request)

    async def delete(self, request: models.IntervalBulkDelete) -> models.IntervalsDeleted:
        return await self._call(table.INTERVALS_DELETE, request)


class IntervalType(_Object):
    """`interval_type/…`."""

    async def search(self, request: models.IntervalType) -> list[models.IntervalType]:
        return await self._call(table.INTERVAL_TYPE_SEARCH, request)

    async def set(self, request: models.IntervalTypeSet) -> models.IntervalType:
        return await self._call(table.INTERVAL_TYPE_SET, request)

    async def delete(self, request: models.IntervalType) -> models.IntervalType:
        return await self._call(table.INTERVAL_TYPE_DELETE, request)


class ScrapYield(_Object):
    """`scrap_yield/…`."""

    async def search(self, request: models.ScrapYieldSearch) -> object:
        return await self._call(table.SCRAP_YIELD_SEARCH, request)

    async def set(self, request: models.ScrapYieldSet, pattern: models.Pattern | None = None) -> object:
        return await self._call(table.SCRAP_YIELD_SET, request, pattern)

    async def delete(self, request: models.ScrapYieldSearch) -> object:
        return await self._call(table.SCRAP_YIELD_DELETE, request)


class QualitySchema(_Object):
    """`quality_schema/…`."""

    async def search(self, request: models.QualitySchema) -> object:
        return await self._call(table.QUALITY_SCHEMA_SEARCH, request)


class QualityTest(_Object):
    """`quality_test/…`."""

    async def search(self, request: models.QualityTest) -> object:
        return await self._call(table.QUALITY_TEST_SEARCH, request)

    async def set(self, request: models.QualityTest) -> object:
        return await self._call(table.QUALITY_TEST_SET, request)

    async def delete(self, request: models.QualityTest) -> object:
        return await self._call(table.QUALITY_TEST_DELETE, request)


class QualityTests(_Object):
    """`quality_tests/…`."""

    async def delete(self, request: models.QualityTestsDelete) -> object:
        return await self._call(table.QUALITY_TESTS_DELETE, request)


class Oql(_Object):
    """`oql/…`."""

    async def query(self, request: models.OQLQuery, format: models.Format = "json") -> object:  # noqa: A002 - Oden's name
        return await self._call(table.OQL_QUERY, request, format)


class Dashboard(_Object):
    """`dashboard/…`."""

    async def execute(self, request: models.DashboardExecuteRequest) -> list[models.DashboardExecuteResult]:
        return await self._call(table.DASHBOARD_EXECUTE, request)


class MaintenanceWorkOrder(_Object):
    """`maintenance_work_order/…`."""

    async def search(self, request: models.MaintenanceWorkOrderSearch) -> list[models.MaintenanceWorkOrder]:
        return await self._call(table.MAINTENANCE_WORK_ORDER_SEARCH, request)

    async def set(self, request: models.MaintenanceWorkOrder) -> models.MaintenanceWorkOrder:
        return await self._call(table.MAINTENANCE_WORK_ORDER_SET, request)

    async def delete(self, request: models.MaintenanceWorkOrder) -> list[models.MaintenanceWorkOrder]:
        return await self._call(table.MAINTENANCE_WORK_ORDER_DELETE, request)


class Objects:
    """One attribute for each object of the API."""

    def __init__(self, call: Caller) -> None:
        self.factory = Factory(call)
        self.line = Line(call)
        self.metric_group = MetricGroup(call)
        self.product = Product(call)
        self.product_mapping = ProductMapping(call)
        self.product_attribute = ProductAttribute(call)
        self.target = Target(call)
        self.interval = Interval(call)
        self.intervals = Intervals(call)
        self.interval_type = IntervalType(call)
        self.scrap_yield = ScrapYield(call)
        self.quality_schema = QualitySchema(call)
        self.quality_test = QualityTest(call)
        self.quality_tests = QualityTests(call)
        self.oql = Oql(call)
        self.dashboard = Dashboard(call)
        self.maintenance_work_order = MaintenanceWorkOrder(call)
