"""Metric groups, and the targets that a product on a line has for them."""

from gateway.oden.models.base import Match, Model, Number
from gateway.oden.models.machine_groups import Line
from gateway.oden.models.products import Product


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
