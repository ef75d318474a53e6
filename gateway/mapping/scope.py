"""What the parts of a line's configuration may name, and the faults where they name something else."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from gateway.config.lint_expressions import meant_name
from gateway.config.message_schemas import NO_SCHEMAS, Schemas
from gateway.config.near_words import most_alike, nearest, suggestion
from gateway.config.schema_io import EVENT_FIELDS, Input
from gateway.errors import ConfigFault
from gateway.mapping import expressions, templates
from gateway.mapping.derived import RUN, RUN_FIELDS
from gateway.mapping.expressions import Condition, Expression, ExpressionError, ValueKind
from gateway.mapping.sampled import AT_ONCE, NOT_WATCHED, Held, Watching, held_by_default
from gateway.mapping.templates import Pattern, PatternError, Reference
from gateway.model import NO_LOOKUPS, Lookups

Loc = tuple[str | int, ...]
Parsed = TypeVar("Parsed")


def _meant_zone(name: str) -> str | None:
    """The time zone that is most likely meant by `name`: never one of abbreviations that are alike, which may be hours
    apart, nor Etc/GMT+1, which is an hour behind GMT."""
    zones, word = sorted(available_timezones()), _word(name)
    places = [zone for zone in zones if "/" in zone and not zone.startswith("Etc/")]
    same = [zone for zone in zones if _word(zone) == word]
    of_city = [zone for zone in places if _word(zone.rpartition("/")[2]) == word]
    if same or len(of_city) == 1:
        return (same or of_city)[0]
    return nearest(name, places, 0.8)


def _word(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")


class Scope:
    """The inputs of one line, and the tables in which they are looked up. Gathers the faults of all its parts, so that
    a person sees them all at once."""

    def __init__(
        self,
        inputs: Mapping[str, Input],
        lookups: Lookups = NO_LOOKUPS,
        schemas: Schemas = NO_SCHEMAS,
        watching: Watching = NOT_WATCHED,
        *,
        with_run: bool = False,
    ) -> None:
        """`with_run`: the line has runs."""
        self._watching = watching
        self.held: dict[Loc, Held] = {}
        """By where it stands, for how long by default something must be so that several tags decide."""
        self.inputs = inputs
        self.schemas = schemas
        self.has_run = with_run and RUN not in inputs
        self.reads_run = False
        """Whether an expression looks at the run that is on."""
        self._lookups = lookups
        self.learned = {name: table.learned for name, table in lookups.items() if table.learned is not None}
        """The tables that learn from an input that this line has."""
        for name in [name for name, learned in self.learned.items() if learned.input not in inputs]:
            del self.learned[name]
        self.kinds: dict[str, ValueKind] = {}
        """What is known of the values of inputs."""
        self.fields: dict[str, set[tuple[str, ...]]] = {}
        """The fields of messages that are named, by their inputs."""
        self.faults: list[ConfigFault] = []

    def fault(self, loc: Loc, text: str, *, rests_on: Iterable[Loc] | None = None, at: tuple[int, ...] = ()) -> None:
        """Note what is wrong at `loc`; `rests_on` and `at` as of a ConfigFault."""
        self.faults.append(ConfigFault(loc, text, rests_on=None if rests_on is None else tuple(rests_on), at=at))

    def missing(self, loc: Loc, text: str, *keys: str) -> None:
        """Note that of the `keys` of the section at `loc` there are too few, or too many."""
        self.fault(loc, text, rests_on=[(*loc, key) for key in keys])

    def unknown(self, name: str, loc: Loc, *at: int) -> None:
        """Note that what is named at `loc`, in a text at the character `at`, is no input."""
        known = most_alike(name, sorted(self.inputs))
        text = f'"{name}" is not an input of this line; its inputs are: {known}{meant_name(name, self.inputs)}'
        self.fault(loc, text, rests_on=[_input(loc, name)], at=at)

    def has_table(self, name: str) -> bool:
        return name in self._lookups

    def input(self, name: str, loc: Loc) -> Input | None:
        """The input that is named at `loc`."""
        section = self.inputs.get(name)
        if section is None:
            self.unknown(name, loc)
        return section

    def pattern(
        self, pattern: str, loc: Loc, *extra: Reference, lookups: Lookups = NO_LOOKUPS, begin: int = 0
    ) -> Pattern | None:
        """The parsed pattern; its placeholders are inputs, or one of `extra`. `lookups` are further tables, for it
        alone. It begins at the character `begin` of what is written."""
        try:
            tables = {**self._lookups, **lookups}
            parsed, whole = templates.parse(pattern, tables, begin), True
        except PatternError as error:
            for wrong in (error, *error.more):
                tables_there: list[Loc] = [("tables", wrong.table)] if wrong.table else []
                self.fault(loc, str(wrong), rests_on=tables_there, at=wrong.at)
            parsed, whole = error.rest, False
        for looked_up in parsed.lookups:
            learned = looked_up.table.learned
            if learned is not None and looked_up.name not in self.learned:
                problem = f'"{looked_up.name}" learns from the input "{learned.input}", which this line does not have'
                rests_on = [_input(loc, learned.input), ("tables", looked_up.name, "from")]
                self.fault(loc, problem, rests_on=rests_on, at=(looked_up.reference.at,))
        for reference in parsed.references:
            table = tables.get(reference.input)
            if table is not None and table.learned is not None and not reference.path:
                continue
            section = self.inputs.get(reference.input)
            if section is None and reference not in extra and table is not None and reference.path:
                key, *column = reference.path
                text = templates.look_up_is_written(reference.input, table, key, column[-1] if column else None)
                self.fault(loc, text, rests_on=[_input(loc, reference.input)], at=(reference.at,))
            elif section is None and reference not in extra:
                self.unknown(reference.input, loc, reference.at)
            elif reference.path and section is not None and (not section.has_fields or section.counter is not None):
                text = f'"{reference.input}" is a plain value and has no fields: write "{{{reference.input}}}"'
                self.fault(loc, text, rests_on=[_input(loc, reference.input)], at=(reference.at,))
            elif reference.path and section is not None:
                self.field(reference.input, section, reference.path, loc, reference.at)
        return parsed if whole else None

    def field(self, name: str, section: Input, path: Sequence[str], loc: Loc, *at: int) -> None:
        """Note that a field of the input `name` is named at `loc`; of events it is known whether they have it."""
        self.fields.setdefault(name, set()).add((*path,))
        known = (*EVENT_FIELDS, *section.fields)
        if section.event is not None and section.field is None and path[0] not in known:
            text = f"the event has no field '{path[0]}': name it under 'fields'{suggestion(path[0], known)}"
            self.fault(loc, text, at=at)

    def condition(self, source: str, loc: Loc) -> Condition | None:
        """The compiled condition over inputs."""
        condition = self._try(loc, lambda: expressions.parse(source, self._known, self.kinds))
        self._note_run(condition, loc)
        return condition

    def expression(self, source: str, loc: Loc) -> tuple[Expression, ValueKind | None] | None:
        """The compiled expression over inputs, and the kind of its values where that is known."""
        parsed = self._try(loc, lambda: expressions.parse_value(source, self._known, self.kinds))
        self._note_run(parsed[0] if parsed is not None else None, loc)
        return parsed

    def _note_run(self, expression: Expression | None, loc: Loc) -> None:
        """Whether the expression looks at the run that is on, and whether there are the fields that it names."""
        if expression is None:
            return
        for name, paths in (expression.fields or {}).items():
            section = self.inputs.get(name)
            if section is not None and (not section.has_fields or section.counter is not None):
                text = f'"{name}" is a plain value and has no fields: write "{name}"'
                self.fault(loc, text, rests_on=[_input(loc, name)], at=expression.places(name))
            elif section is not None:
                for path in filter(None, paths):
                    self.field(name, section, path, loc, *expression.places(name, path))
        if not self.has_run or RUN not in expression.names:
            return
        self.reads_run = True
        fields = (expression.fields or {}).get(RUN, ((),))
        for path in fields:
            if len(path) != 1 or path[0] not in RUN_FIELDS:
                text = f"of the run that is on there is: {', '.join(f'{RUN}.{name}' for name in RUN_FIELDS)}"
                self.fault(loc, text, at=expression.places(RUN, path))

    def held_by_default(self, names: Iterable[str], loc: Loc, *, below: float = math.inf) -> Held:
        """How long what stands at `loc` and is decided by the inputs `names` must be so where nothing is said of that;
        not at all where that is not `below` so many seconds."""
        held = held_by_default(names, self.inputs, self._watching)
        if not held.hold < below or not held.hold:
            return AT_ONCE
        self.held[loc] = held
        return held

    def zone(self, name: str, loc: Loc) -> ZoneInfo | None:
        """The time zone of this name."""
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            near = _meant_zone(name)
            meant = f"did you mean '{near}'?" if near is not None else "write a place, such as Europe/Berlin"
            self.fault(loc, f"this time zone is not known; {meant}")
            return None

    @property
    def _known(self) -> Collection[str]:
        """What expressions can name."""
        return {*self.inputs, *self.learned, *((RUN,) if self.has_run else ())}

    def _try(self, loc: Loc, parse: Callable[[], Parsed]) -> Parsed | None:
        try:
            return parse()
        except ExpressionError as error:
            for text, name, at in error.faults:
                self.fault(loc, text, rests_on=[] if name is None else [_input(loc, name)], at=at)
        except ValueError as error:
            self.fault(loc, str(error))
        return None


def _input(loc: Loc, name: str) -> Loc:
    """Where in the configuration the input `name` is, of the same line as `loc`."""
    return (*loc[:2], "inputs", name)
