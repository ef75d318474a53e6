"""What the parts of a line share while one step is taken: the time, what is known of the inputs, and what comes of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.mapping.expressions import Condition
from gateway.mapping.inputs import InputMemory, InputPlan, Reading, gone, looking
from gateway.mapping.patterns import Look
from gateway.mapping.records import Recorder
from gateway.model import Notice, NoticeKind

AT_ONCE = 1.0
"""When something is due that has been due for ever."""

Readings = Mapping[str, Reading]
"""What the sample at hand said, by input; only inputs for which it brought a usable value."""


@dataclass(slots=True)
class Scene:
    """`now` and `inputs` are replaced as the step goes on; records and notices are gathered."""

    now: float
    inputs: Mapping[str, InputMemory]
    plans: Mapping[str, InputPlan]
    recorder: Recorder
    notices: list[Notice] = field(default_factory=list)

    @property
    def look(self) -> Look:
        return looking(self.inputs)

    def value(self, name: str) -> object:
        known = self.inputs.get(name)
        return known.value if known is not None else None

    def holds(self, condition: Condition, readings: Readings | None = None) -> bool | None:
        """Whether the condition is true by what is known, with `readings` on top of it; None where that cannot be told."""
        over = readings or {}
        names = condition.names
        return condition.holds({name: over[name].memory.value if name in over else self.value(name) for name in names})

    def dark(self, names: Iterable[str]) -> bool:
        """Whether one of the inputs has no good value at the moment, because its source is gone or it is quiet."""
        return any(gone(self.plans, self.inputs, name) for name in names)

    def notice(self, kind: NoticeKind, name: str, text: str, *, once: bool = False) -> None:
        """Say something about the input `name`; `once`: unless it has been said of the sample at hand."""
        plan = self.plans[name]
        said = Notice(kind, self.now, plan.source, plan.address, text)
        if not once or said not in self.notices:
            self.notices.append(said)


def changed_at(names: Iterable[str], readings: Readings) -> float | None:
    """When the newest of the inputs changed; None where the sample at hand changed none of them."""
    return max(
        (readings[name].memory.at for name in names if name in readings and readings[name].changed), default=None
    )
