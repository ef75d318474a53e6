"""Intervals inside runs that were over before it was known which run is on: an operator who left while the order still
settled was there nevertheless. Pure.

By the time that they can be told, the inputs say what came after them. So what their texts look at is kept as it was.
"""

from collections.abc import Mapping

from gateway.frozen import dataclass
from gateway.mapping.inputs import InputMemory, Reading, resolver_of
from gateway.mapping.templates import Pattern, Reference, Resolver, Template, filled_mapping
from gateway.model import Scalar

MOST_PASSED = 16
"""So many intervals are remembered while it is not known which run is on; older ones are forgotten, and listed."""

BATCH_NUMBER = Reference("batch")
"""The placeholder for the number of a batch in its run."""

Said = Mapping[str, Scalar]
"""By a placeholder, what it stood for."""


@dataclass(frozen=True, slots=True)
class PassedStart:
    """An interval from `begun` to `ended`, of which is known what was `said` while it was on."""

    key: str
    begun: float
    ended: float
    said: Said
    named: str | None = None


def said_by(name: Pattern | None, metadata: Mapping[str, Template], resolve: Resolver) -> Said:
    """What the placeholders of `name` and `metadata` stand for; that of the number of a batch is known only later."""
    said: dict[str, Scalar] = {}

    def noted(reference: Reference) -> Scalar:
        if reference == BATCH_NUMBER:
            return 0
        return said.setdefault(str(reference), resolve(reference))

    filled_mapping(metadata, noted)
    if name is not None:
        name.text_of(noted)
    return said


def resolver_by(said: Said | None, resolve: Resolver) -> Resolver:
    """Finds what placeholders stood for by what was `said`; what is not there, by `resolve`."""
    if said is None:
        return resolve
    return lambda reference: said[str(reference)] if str(reference) in said else resolve(reference)


def resolver_before(memory: Mapping[str, InputMemory], readings: Mapping[str, Reading]) -> Resolver:
    """Finds the values of placeholders as they were before `readings`, by which the inputs are what `memory` has."""
    return resolver_of({**memory, **{name: reading.before for name, reading in readings.items()}})
