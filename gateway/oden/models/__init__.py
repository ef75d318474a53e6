"""Every schema of Oden's OpenAPI document as a model of the same name; the modules follow the document's tags.

Request bodies that the document gives no name are named after their endpoint (ScrapYieldSearch, QualityTestsDelete, …).
"""

from gateway.oden.models.base import ANSWER, Format, Match, Model, Pattern, Time
from gateway.oden.models.dashboards import (
    DashboardColumnSpec,
    DashboardCustomInterval,
    DashboardExecuteFilters,
    DashboardExecuteRange,
    DashboardExecuteRequest,
    DashboardExecuteResult,
    DashboardLine,
    DashboardRef,
    DashboardResultRange,
    DashboardStateReason,
    DashboardStates,
)
from gateway.oden.models.failures import GenericError, InternalError, NotUniqueError, ParameterError
from gateway.oden.models.intervals import (
    BatchMetadata,
    CustomMetadata,
    FailedInterval,
    Interval,
    IntervalBulkCreate,
    IntervalBulkDelete,
    IntervalBulkUpdate,
    IntervalsDeleted,
    IntervalsUpdated,
    IntervalType,
    IntervalTypeSet,
    RunMetadata,
    StateCategory,
    StateMetadata,
    StateReason,
)
from gateway.oden.models.machine_groups import Factory, Line
from gateway.oden.models.maintenance import MaintenanceWorkOrder, MaintenanceWorkOrderSearch
from gateway.oden.models.oql import OQLQuery
from gateway.oden.models.products import Product, ProductAttribute, ProductMapping
from gateway.oden.models.quality import QualitySchema, QualityTest, QualityTestsDelete
from gateway.oden.models.scrap_yield import ScrapYieldData, ScrapYieldSchema, ScrapYieldSearch, ScrapYieldSet, Unit
from gateway.oden.models.targets import MetricGroup, Target

__all__ = [
    "ANSWER",
    "BatchMetadata",
    "CustomMetadata",
    "DashboardColumnSpec",
    "DashboardCustomInterval",
    "DashboardExecuteFilters",
    "DashboardExecuteRange",
    "DashboardExecuteRequest",
    "DashboardExecuteResult",
    "DashboardLine",
    "DashboardRef",
    "DashboardResultRange",
    "DashboardStateReason",
    "DashboardStates",
    "Factory",
    "FailedInterval",
    "Format",
    "GenericError",
    "InternalError",
    "Interval",
    "IntervalBulkCreate",
    "IntervalBulkDelete",
    "IntervalBulkUpdate",
    "IntervalType",
    "IntervalTypeSet",
    "IntervalsDeleted",
    "IntervalsUpdated",
    "Line",
    "MaintenanceWorkOrder",
    "MaintenanceWorkOrderSearch",
    "Match",
    "MetricGroup",
    "Model",
    "NotUniqueError",
    "OQLQuery",
    "ParameterError",
    "Pattern",
    "Product",
    "ProductAttribute",
    "ProductMapping",
    "QualitySchema",
    "QualityTest",
    "QualityTestsDelete",
    "RunMetadata",
    "ScrapYieldData",
    "ScrapYieldSchema",
    "ScrapYieldSearch",
    "ScrapYieldSet",
    "StateCategory",
    "StateMetadata",
    "StateReason",
    "Target",
    "Time",
    "Unit",
]
