"""What Oden makes of its data: dashboards, of which all modules can be run, and queries."""

from pydantic import JsonValue

from gateway.oden.models.base import Model, Time


class DashboardRef(Model):
    """The dashboard to run."""

    id: str


class DashboardExecuteRange(Model):
    """The time that every module covers: `start` and `end`, or `anchor` and `offset` such as `now` and `-7D`."""

    start: Time | None = None
    end: Time | None = None
    anchor: str | None = None
    offset: str | None = None
    timezone: str | None = None


class DashboardLine(Model):
    """A line by `id`, by `name`, or by both."""

    id: str | None = None
    name: str | None = None


class DashboardStateReason(Model):
    """A state category and, to narrow it down, a reason."""

    state_category: int
    state_reason: str | None = None


class DashboardStates(Model):
    """Which states count."""

    state_types: list[str] | None = None
    state_category_and_reasons: list[DashboardStateReason] | None = None


class DashboardCustomInterval(Model):
    """Custom intervals of a type whose value contains a text."""

    type: str
    value_contains: str


class DashboardExecuteFilters(Model):
    """What every module is limited to; what is absent is not limited."""

    lines: list[DashboardLine] | None = None
    shifts: list[int] | None = None
    product_ids: list[str] | None = None
    product_attribute_value_ids: list[str] | None = None
    scrap_categories: list[str] | None = None
    states: DashboardStates | None = None
    custom_intervals: list[DashboardCustomInterval] | None = None


class DashboardExecuteRequest(Model):
    """A dashboard to run, with its time and filters."""

    dashboard: DashboardRef
    range: DashboardExecuteRange | None = None
    filters: DashboardExecuteFilters | None = None


class DashboardColumnSpec(Model):
    """A column: `type` is string, number, boolean or datetime."""

    name: str
    type: str


class DashboardResultRange(Model):
    """The time that a module did cover."""

    start: Time | None = None
    end: Time | None = None


class DashboardExecuteResult(Model):
    """What one module gave: columns and rows, or `error`."""

    module_id: str
    module_name: str
    module_type: str
    range: DashboardResultRange | None = None
    filters_applied: dict[str, JsonValue] | None = None
    columns: list[DashboardColumnSpec] | None = None
    rows: list[dict[str, JsonValue]] | None = None
    error: str | None = None


class OQLQuery(Model):
    """A query in OQL."""

    query: str
