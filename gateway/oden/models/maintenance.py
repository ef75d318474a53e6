"""Maintenance work orders, as MaintainX keeps them."""

from pydantic import JsonValue

from gateway.oden.models.base import JsonText, Match, Model, Time
from gateway.oden.models.machine_groups import Line


class MaintenanceWorkOrder(Model):
    """Work on a line. `metadata` is declared an object; one of the document's examples gives a text that holds one."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    external_id: str | None = None
    line: Line | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    metadata: dict[str, JsonValue] | JsonText | None = None
    match: Match | None = None


class MaintenanceWorkOrderSearch(Model):
    """Request of `maintenance_work_order/search`: by `id`, by `external_id`, or by line and a stretch of time."""

    id: str | None = None
    external_id: str | None = None
    line: Line | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    match: Match | None = None
