"""Products, which lines make them, and their attributes."""

from gateway.oden.models.base import Match, Model
from gateway.oden.models.machine_groups import Line


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
