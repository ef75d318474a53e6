"""What else is told, as configured, as the plans that it is told by."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from gateway.config.schema_rules import (
    Fact,
    IntervalTypeRule,
    OfProduct,
    ProductAttributeRule,
    ProductMappingRule,
    ProductRule,
    QualityTestRule,
    Rule,
    TargetRule,
    WorkOrderRule,
)
from gateway.mapping.compile_tracks import NO_PATTERN, filled_in, limits, product_of
from gateway.mapping.details import Moment, Template, Words, inputs_of
from gateway.mapping.naming import Loc, Names
from gateway.mapping.rules import AT, RulePlan
from gateway.model import Scalar

LIMITS = frozenset({"target_value", "lsl", "usl"})


def compile_rules(
    names: Names, rules: Sequence[Rule], loc: Loc, *, possible: Mapping[Literal["run", "batch"], bool]
) -> tuple[RulePlan, ...]:
    """The plans of `rules`, whose list stands at `loc`. `possible`: whether there are runs and batches."""
    return tuple(_rule(names, rule, (*loc, place), possible) for place, rule in enumerate(rules))


def _rule(names: Names, rule: Rule, loc: Loc, possible: Mapping[Literal["run", "batch"], bool]) -> RulePlan:
    fields = {name: template for name, template in _fields(names, rule, loc).items() if template is not None}
    if rule.event is not None:
        names.input(rule.event, (*loc, "event"))
    when = names.condition(rule.when, (*loc, "when")) if rule.when is not None else None
    looked_at = frozenset([*inputs_of(fields), *(when.names if when is not None else ())])
    needed, any_of, settle = frozenset(fields) - LIMITS, frozenset[str](), 0.0
    if isinstance(rule, Fact):
        settle = rule.settle
        if rule.event is not None and "settle" in rule.model_fields_set:
            names.fault((*loc, "settle"), "an event does not settle: leave out 'settle', or 'event'")
    if isinstance(rule, TargetRule):
        any_of = LIMITS & fields.keys()
        if not any_of:
            names.fault(loc, "a target needs at least one of 'value', 'lsl' and 'usl'")
    elif isinstance(rule, WorkOrderRule):
        needed = frozenset({"external_id"})
    digest = hashlib.blake2b(rule.model_dump_json().encode(), digest_size=8).hexdigest()
    plan = RulePlan(digest, rule.set, rule.event, when, fields, needed, any_of, looked_at, settle)
    return _of_interval(names, rule, loc, plan, possible) if isinstance(rule, QualityTestRule) else plan


def _of_interval(
    names: Names, rule: QualityTestRule, loc: Loc, plan: RulePlan, possible: Mapping[Literal["run", "batch"], bool]
) -> RulePlan:
    if not possible[rule.of]:
        names.fault((*loc, "of"), f"a {rule.of} is tested: say under '{SECTIONS[rule.of]}' how they are recognised")
    named = names.pattern(rule.named, (*loc, "named")) if rule.named is not None else None
    return replace(plan, of=rule.of, named=named, schema=str(rule.quality_schema))


SECTIONS = {"run": "run", "batch": "batches"}


def _fields(names: Names, rule: Rule, loc: Loc) -> dict[str, Template | None]:
    """The fields of the request, in Oden's terms (schemas ProductMapping, ProductAttribute, Target, QualityTest and
    MaintenanceWorkOrder)."""

    def words(name: str, text: str | None) -> Template | None:
        return None if text is None else Words(names.pattern(text, (*loc, name)) or NO_PATTERN)

    def time(name: str, text: str | None) -> Template | None:
        return None if text is None else Moment(names.pattern(text, (*loc, name), AT) or NO_PATTERN)

    def table(name: str, given: Mapping[str, Scalar]) -> Template | None:
        return {key: filled_in(names, value, (*loc, name, key)) for key, value in given.items()} or None

    match rule:
        case ProductRule():
            return {"name": words("name", rule.name)}
        case IntervalTypeRule():
            tags = None if rule.tags is None else tuple(rule.tags)
            return {"name": words("name", rule.name), "metadata_schema": rule.metadata_schema, "tags": tags}
        case ProductMappingRule():
            return {"product": _product(names, rule, loc)}
        case ProductAttributeRule():
            shown = words("display_name", rule.display_name or rule.name)
            value = words("value", rule.value)
            product = _product(names, rule, loc)
            return {"product": product, "name": words("name", rule.name), "display_name": shown, "value": value}
        case TargetRule():
            return {"product": _product(names, rule, loc), **limits(names, rule, loc)}
        case QualityTestRule():
            return {"raw_data": table("raw_data", rule.raw_data)}
        case WorkOrderRule():
            return {
                "external_id": words("external_id", rule.external_id),
                "name": words("name", rule.name),
                "description": words("description", rule.description),
                "started_at": time("started_at", rule.started_at),
                "completed_at": time("completed_at", rule.completed_at),
                "metadata": table("metadata", rule.metadata),
            }


def _product(names: Names, rule: OfProduct, loc: Loc) -> Template:
    product = product_of(names, rule.product, rule.product_id, loc)
    return {"name": product} if isinstance(product, Words) else product
