"""The rules of a line as configured, as plans: what is recorded beside intervals and output, and when."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from gateway.mapping.compile_intervals import NO_PATTERN, product_template, target_template, value_template
from gateway.mapping.intervals import OwnerKind
from gateway.mapping.rules import EVENT_TIME, RulePlan
from gateway.mapping.scope import Loc, Scope
from gateway.mapping.templates import Template, TextTemplate, TimeTemplate, inputs_of
from gateway.model import Scalar

LIMITS = frozenset({"target_value", "lsl", "usl"})


def compile_rules(
    scope: Scope, rules: Sequence[Rule], loc: Loc, *, possible: Mapping[OwnerKind, bool]
) -> tuple[RulePlan, ...]:
    """The plans of `rules`, whose list stands at `loc`. `possible`: whether there are runs and batches."""
    return tuple(_rule(scope, rule, (*loc, place), possible) for place, rule in enumerate(rules))


def _rule(scope: Scope, rule: Rule, loc: Loc, possible: Mapping[OwnerKind, bool]) -> RulePlan:
    fields = {name: template for name, template in _fields(scope, rule, loc).items() if template is not None}
    if rule.event is not None:
        scope.input(rule.event, (*loc, "event"))
    when = scope.condition(rule.when, (*loc, "when")) if rule.when is not None else None
    inputs = frozenset([*inputs_of(fields), *(when.names if when is not None else ())])
    needed, any_of, settle = frozenset(fields) - LIMITS, frozenset[str](), 0.0
    if isinstance(rule, Fact):
        settle = rule.settle
        if rule.event is not None and "settle" in rule.model_fields_set:
            scope.fault((*loc, "settle"), "an event does not settle: leave out 'settle', or 'event'")
    if isinstance(rule, TargetRule):
        any_of = LIMITS & fields.keys()
        if not any_of:
            scope.missing(loc, "a target needs at least one of 'value', 'lsl' and 'usl'", *sorted(LIMITS))
    elif isinstance(rule, WorkOrderRule):
        needed = frozenset({"external_id"})
    digest = hashlib.blake2b(rule.model_dump_json().encode(), digest_size=8).hexdigest()
    plan = RulePlan(digest, rule.set, rule.event, when, fields, needed, any_of, inputs, settle)
    return _for_interval(scope, rule, loc, plan, possible) if isinstance(rule, QualityTestRule) else plan


def _for_interval(
    scope: Scope, rule: QualityTestRule, loc: Loc, plan: RulePlan, possible: Mapping[OwnerKind, bool]
) -> RulePlan:
    if not possible[rule.of]:
        scope.fault((*loc, "of"), f"a {rule.of} is tested: say under '{SECTIONS[rule.of]}' how they are recognised")
    named = scope.pattern(rule.named, (*loc, "named")) if rule.named is not None else None
    return replace(plan, of=rule.of, named=named, schema=str(rule.quality_schema))


SECTIONS = {"run": "run", "batch": "batches"}


def _fields(scope: Scope, rule: Rule, loc: Loc) -> dict[str, Template | None]:
    """The fields of the request, in Oden's terms (schemas ProductMapping, ProductAttribute, Target,
    QualityTest and MaintenanceWorkOrder)."""

    def text_field(name: str, text: str | None) -> Template | None:
        return None if text is None else TextTemplate(scope.pattern(text, (*loc, name)) or NO_PATTERN)

    def time_field(name: str, text: str | None) -> Template | None:
        return None if text is None else TimeTemplate(scope.pattern(text, (*loc, name), EVENT_TIME) or NO_PATTERN)

    def table_field(name: str, section: Mapping[str, Scalar]) -> Template | None:
        return {key: value_template(scope, value, (*loc, name, key)) for key, value in section.items()} or None

    match rule:
        case ProductRule():
            return {"name": text_field("name", rule.name)}
        case IntervalTypeRule():
            tags = None if rule.tags is None else tuple(rule.tags)
            return {"name": text_field("name", rule.name), "metadata_schema": rule.metadata_schema, "tags": tags}
        case ProductMappingRule():
            return {"product": _product(scope, rule, loc)}
        case ProductAttributeRule():
            display_name = text_field("display_name", rule.display_name or rule.name)
            value = text_field("value", rule.value)
            product = _product(scope, rule, loc)
            return {
                "product": product,
                "name": text_field("name", rule.name),
                "display_name": display_name,
                "value": value,
            }
        case TargetRule():
            return {"product": _product(scope, rule, loc), **target_template(scope, rule, loc)}
        case QualityTestRule():
            return {"raw_data": table_field("raw_data", rule.raw_data)}
        case WorkOrderRule():
            return {
                "external_id": text_field("external_id", rule.external_id),
                "name": text_field("name", rule.name),
                "description": text_field("description", rule.description),
                "started_at": time_field("started_at", rule.started_at),
                "completed_at": time_field("completed_at", rule.completed_at),
                "metadata": table_field("metadata", rule.metadata),
            }


def _product(scope: Scope, rule: OfProduct, loc: Loc) -> Template:
    product = product_template(scope, rule.product, rule.product_id, loc)
    return {"name": product} if isinstance(product, TextTemplate) else product
