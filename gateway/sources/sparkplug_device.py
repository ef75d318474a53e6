"""One device behind a Sparkplug host: what its births said of it, and which of the metrics of a message are wanted."""

from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches

from gateway.sources.sparkplug_decode import Metric, value

_COMPARED = 2000
"""With how many of a device's metrics a name that it does not have is compared, at a few microseconds each."""

_FOLDER = "DATA/"
"""What some encoders (mqtt-spb-wrapper) put before the names of metrics in births, and leave out in later messages."""

_NUMBERED = "it comes by a number (alias), which says nothing where births of nodes are optional (`node_birth`)"


@dataclass(slots=True)
class Device:
    """A device, or an edge node as far as its own metrics go.

    `by_name`: what comes by a number counts as no value. `alive`: between its birth and its death; None while neither
    is known, and the mapping has heard nothing of it. `heard`: of which of the `wanted` metrics something has come
    while it was alive. `refused`: why values cannot be used. `flushes`: since its birth it has sent values from before.
    `awaited`: its node was born again, and it has yet to be.

    What its birth said: `datatypes` of the wanted metrics, `called` is a name as it can come -> the wanted metrics that
    are meant, `numbered` the same by alias.
    """

    address: str
    wanted: frozenset[str]
    by_name: bool = False
    alive: bool | None = None
    datatypes: dict[str, int | None] = field(default_factory=dict)
    called: dict[str, tuple[str, ...]] = field(default_factory=dict)
    numbered: dict[int, tuple[str, ...]] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    flushes: bool = False
    awaited: bool = False

    def __post_init__(self) -> None:
        self.learn(())

    def learn(self, metrics: Collection[Metric]) -> dict[str, str]:
        """What a birth with `metrics` says; returns the wanted metrics that it does not have, each with a reason.

        A name is also found with or without `DATA/` before it, unless that is another metric of the device.
        """
        born = {metric.name: metric for metric in metrics if metric.name}
        self.called, self.numbered, self.datatypes = {}, {}, {}
        missing: dict[str, str] = {}
        for name in sorted(self.wanted):
            own = name if name in born or _other(name) not in born else _other(name)
            for spelling in {own} | ({_other(own)} - born.keys()):
                self.called[spelling] = (*self.called.get(spelling, ()), name)
            if own in born:
                self.datatypes[name] = born[own].datatype
            else:
                missing[name] = _missing(name, [*born])
        for metric in metrics:
            if metric.alias is not None and metric.name in self.called:
                self.numbered[metric.alias] = self.called[metric.name]
        return missing

    def meant(self, metric: Metric) -> tuple[str, ...]:
        """The wanted metrics that `metric` is; by its number only where it has no name."""
        if metric.name:
            return self.called.get(metric.name, ())
        return self.numbered.get(metric.alias, ()) if metric.alias is not None else ()

    def value_of(self, name: str, metric: Metric) -> object:
        """The value of the wanted metric `name`. Raises ValueError, with what is wrong, where it has none that can be
        used."""
        if self.by_name and not metric.name:
            raise ValueError(_NUMBERED)
        whole = isinstance(metric.raw, int) and not isinstance(metric.raw, bool)
        if whole and metric.datatype is None and name not in self.datatypes:  # -1 comes as 4294967295
            raise ValueError("neither the message nor a birth says which type this number has")
        return value(metric, self.datatypes.get(name))

    def key(self, name: str) -> str:
        """One of its metrics among the addresses: '#' stands in no name of a device."""
        return f"{self.address}#{name}"


def _other(name: str) -> str:
    return name.removeprefix(_FOLDER) if name.startswith(_FOLDER) else f"{_FOLDER}{name}"


def _missing(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known[:_COMPARED], cutoff=0.3)
    nearest = f"; of its {len(known)}, nearest are {', '.join(matches)}" if matches else ""
    return f'the device has no metric "{name}"{nearest}'
