"""What a plant has: factories and lines, products and what is said of them, targets, and maintenance work orders."""

from pydantic import JsonValue

from gateway.oden.models.base import JsonText, Match, Model, Number, Time


class Factory(Model):
    """A factory, known by `id` or by `name`."""

    id: str | None = None
    name: str | None = None
    secondary_name: str | None = None
    timezone: str | None = None
    match: Match | None = None


class Line(Model):
    """A production line, known by `id`, or by `name` and `factory`."""

    id: str | None = None
    name: str | None = None
    secondary_name: str | None = None
    factory: Factory | None = None
    match: Match | None = None


class Product(Model):
    """A product, known by `id` or by `name`."""

    id: str | None = None
    name: str | None = None
    match: Match | None = None


class ProductMapping(Model):
    """That a line can make a product. There is nothing in it to change: it can only be created."""

    product: Product | None = None
    line: Line | None = None
    match: Match | None = None


class ProductAttribute(Model):
    """A property of a product, such as its colour. A search takes `id`, else `product`, else `display_name`."""

    id: str | None = None
    name: str | None = None
    display_name: str | None = None
    value: str | None = None
    product: Product | None = None
    rule_based: bool | None = None
    match: Match | None = None


class MetricGroup(Model):
    """Tags of several lines that mean the same, known by `id` or by `name`."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    unit_kind_of_quantity: str | None = None
    match: Match | None = None


class Target(Model):
    """What a metric should be, with its lower and upper limit, while a line makes a product."""

    metric_group: MetricGroup | None = None
    product: Product | None = None
    line: Line | None = None
    target_value: Number | None = None
    lsl: Number | None = None
    usl: Number | None = None
    match: Match | None = None


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
