"""The schema of rules: what else is set at Oden beside intervals and output. See `schema`."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.schema_base import Duration, Identifier, Name, Section
from gateway.config.schema_intervals import Metadata, PerformanceTarget

_EVENT = (
    "An input of which each message, or each change of a tag to something other than 0, false and empty, is an event."
)
_WHEN = "A condition over inputs; only events for which it is true count."


class Fact(Section):
    """Something that is so for a time. It is told when what it says changes or, with `event`, at each event."""

    event: Identifier | None = Field(
        None, description=f"{_EVENT} Absent, it is told once and then whenever what it says changes."
    )
    when: str | None = Field(
        None, description="A condition over inputs: only while it is true, or for events for which it is, it is told."
    )
    settle: Duration = Field(
        0.5, description="How long to wait after a change for the other inputs to follow; not with `event`."
    )


class ProductRule(Fact):
    """A product, whichever line makes it. Runs and product mappings make the products that they name by themselves."""

    set: Literal["product"]
    name: Name = Field(description='Name of the product: "{product}".')


class IntervalTypeRule(Fact):
    """A type of custom intervals, which is made where it is not there. Without an input in it, it is told once."""

    set: Literal["interval_type"]
    name: Name = Field(description="Name of the type, as `intervals` have it.")
    metadata_schema: str | None = Field(
        None,
        description='What `metadata` its intervals can have, as a JSON schema: `\'{"type": "object"}\'`. Braces are no '
        "placeholders here.",
    )
    tags: list[Name] | None = Field(
        None, description="Tags of the type, as they are written; `[]` takes away those that it has."
    )


class OfProduct(Fact):
    """Something that is so of a product."""

    product: Name | None = Field(None, description='Name of the product: "{product}".')
    product_id: Name | None = Field(
        None, description='Instead of `product`: the id of the product at Oden: "{products[sku].oden_id}".'
    )


class ProductMappingRule(OfProduct):
    """That the line can make a product, which is made where it is not there. A run of the product tells that too."""

    set: Literal["product_mapping"]


class ProductAttributeRule(OfProduct):
    """A property of a product, which must be there already."""

    set: Literal["product_attribute"]
    name: Name = Field(description='Name of the attribute at Oden: "cable_color".')
    display_name: Name | None = Field(None, description='What people read: "Cable color". Absent, the name.')
    value: Name = Field(description='Its value, as text: "{color}".')


class TargetRule(OfProduct, PerformanceTarget):
    """What a metric should be while the line makes a product; for all its runs, while `run.target` is for one."""

    set: Literal["target"]


class QualityTestRule(Section):
    """The result of a quality test of a run or a batch."""

    set: Literal["quality_test"]
    event: Identifier = Field(description=_EVENT)
    when: str | None = Field(None, description=_WHEN)
    of: Literal["run", "batch"] = Field("run", description="Whether a run or a batch was tested.")
    named: Name | None = Field(
        None,
        description='Name of the run or batch that was tested, where the event says it: "{lab.batch}"; it must be the '
        "one that is on or one of the last eight. Absent, it is the newest that began before the time of the event.",
    )
    quality_schema: int | Annotated[str, Field(pattern=r"^\d+$")] = Field(
        description="Id of the quality schema at Oden, a whole number: `66`."
    )
    raw_data: Metadata = Field(
        min_length=1,
        description='The results, in the terms of the quality schema: `{torque: "{lab.torque}"}`. A value that is one '
        "placeholder keeps its type; one that is not known is left out.",
    )


class WorkOrderRule(Section):
    """Maintenance of the line, told by its events: the first that names it makes it, later ones change what they
    say."""

    set: Literal["maintenance_work_order"]
    event: Identifier = Field(description=_EVENT)
    when: str | None = Field(None, description=_WHEN)
    external_id: Name = Field(description='By what all events of one work order know it: "{work.number}".')
    name: Name | None = Field(None, description="What it is called. A new one needs it.")
    started_at: Name | None = Field(
        None,
        description='When work began: "{work.from}", a time with a zone or seconds since 1970; `"{at}"` is the time of '
        "the event. A new one needs it.",
    )
    completed_at: Name | None = Field(None, description='When it was done: "{work.to}", or `"{at}"`.')
    description: str | None = Field(None, description="More words about it.")
    metadata: Metadata = Field({}, description='What else Oden is told: `{technician: "{work.who}"}`.')


Rule = Annotated[
    ProductRule
    | ProductMappingRule
    | ProductAttributeRule
    | TargetRule
    | QualityTestRule
    | WorkOrderRule
    | IntervalTypeRule,
    Field(discriminator="set"),
]
