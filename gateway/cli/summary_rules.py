"""What else Oden is told of a line, in sentences. Pure."""

from collections.abc import Iterator

from gateway.cli.phrases import one_line, pairs, quoted, span
from gateway.cli.summary_inputs import event
from gateway.config.schema import Line
from gateway.config.schema_rules import Fact, IntervalTypeRule, QualityTestRule, Rule, WorkOrderRule

SAID_BEFORE = {"set", "event", "when", "settle", "of", "named", "quality_schema", "raw_data"}
"""Keys of a rule that have words of their own in its sentence."""


def rules(line: Line) -> Iterator[str]:
    """Each rule: when it is told, and what."""
    for rule in line.rules:
        yield f"{_what(rule)} is told {_when(line, rule)}: {_fields(rule)}."


def _what(rule: Rule) -> str:
    if isinstance(rule, QualityTestRule):
        named = f" named {quoted(rule.named)}" if rule.named is not None else " that was on"
        return f"A quality test of schema {rule.quality_schema}, of the {rule.of}{named},"
    if isinstance(rule, WorkOrderRule):
        return "A maintenance work order"
    return f"{'An' if isinstance(rule, IntervalTypeRule) else 'A'} {rule.set.replace('_', ' ')}"


def _when(line: Line, rule: Rule) -> str:
    for_which = f" for which {one_line(rule.when)}" if rule.when is not None else ""
    if rule.event is not None:
        return f"with each {event(line, rule.event)}{for_which}"
    settle = f", {span(rule.settle)} later" if isinstance(rule, Fact) and rule.settle else ""
    only = f", while {one_line(rule.when)}" if rule.when is not None else ""
    return f"when it changes{settle}{only}"


def _fields(rule: Rule) -> str:
    if isinstance(rule, QualityTestRule):
        return pairs(rule.raw_data)
    given = rule.model_dump(exclude=SAID_BEFORE, exclude_none=True, exclude_defaults=True)
    metadata = given.pop("metadata", {})
    return pairs({**given, **metadata})
