"""A line's state as rows: its parts by themselves, so that what moves every second is written without what moves once
an hour. Pure, but for what `StateRows` remembers.

There is a row of each input's memory, one of each section, one of each sender of which the clock is known
(`clock_rows`), and `head` with the rest. What is as it is by default is left out. Earlier versions had the whole state
in one row, whose name is empty: while that is there, it counts alone.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from gateway.mapping.clock_rows import ROW, clock_text, clocks_in, is_stored, row_of
from gateway.mapping.clocks import SenderClock
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import InputMemory
from gateway.mapping.line import LineState, load
from gateway.mapping.streams import Stream

WHOLE, HEAD = "", "head"
_INPUT = "input "
_INPUT_MEMORY: TypeAdapter[Any] = TypeAdapter(InputMemory)
_IN_HEAD = ("now", "seq", "last_heard")
_SECTIONS: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter(hint) for name, hint in get_type_hints(LineState).items() if name not in (*_IN_HEAD, "inputs")
}


class StateRows:
    """The rows of one line as they are stored, and what is to be written so that they say another state."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        """`stored` are the texts of the rows by their names."""
        self._texts = {name: text for name, text in stored.items() if not name.startswith(ROW)}
        self._clocks = clocks_in(stored)
        self._parts: dict[str, object] = {}
        self._known: set[str] = set()
        """Inputs of which a value is stored."""

    def state(self, plan: LinePlan) -> LineState:
        """The state that the rows say; a line that was never seen begins anew. Raises ValueError where they say
        none."""
        whole = self._texts.get(WHOLE)
        state = load(plan, _joined(self._texts) if whole is None else whole)
        self._known = _known(state)
        return state

    @property
    def clocks(self) -> Mapping[Stream, SenderClock]:
        """What is stored of the clocks of senders."""
        return self._clocks

    def lacks_a_first(self, state: LineState) -> bool:
        """Whether `state` knows a value of an input of which none is stored: what a counter moves from then on could
        not be found again after a crash."""
        return len(self._known) < len(state.inputs) and not _known(state) <= self._known

    def changes(self, state: LineState, clocks: Mapping[Stream, SenderClock] | None = None) -> dict[str, str | None]:
        """What is to be written, by the names of the rows: texts, or None for a row that is to go. It counts as
        written. Without `clocks`, what is stored of these stays."""
        changed = self._changed_clocks(clocks) if clocks is not None else {}
        self._known = _known(state)
        parts = {name: (part, adapter) for name, part, adapter in _parts(state)}
        for name, (part, adapter) in parts.items():
            if self._parts.get(name) is part:
                continue
            self._parts[name] = part
            text = adapter.dump_json(part, by_alias=True, exclude_defaults=True).decode()
            if self._texts.get(name) != text:
                self._texts[name] = changed[name] = text
        for name in self._texts.keys() - parts.keys():
            changed[name] = None
            del self._texts[name]
            self._parts.pop(name, None)
        return changed

    def _changed_clocks(self, clocks: Mapping[Stream, SenderClock]) -> dict[str, str | None]:
        stored, changed = self._clocks, dict[str, str | None]()
        for stream, clock in clocks.items():
            known = stored.get(stream)
            if known is not clock and not is_stored(clock, known):
                changed[row_of(stream)], stored[stream] = clock_text(clock), clock
        if len(stored) > len(clocks):
            for stream in stored.keys() - clocks.keys():
                changed[row_of(stream)] = None
                del stored[stream]
        return changed


_HEAD: TypeAdapter[Any] = TypeAdapter(dict[str, object])


def _known(state: LineState) -> set[str]:
    return {name for name, memory in state.inputs.items() if memory.value is not None}


def _parts(state: LineState) -> Iterator[tuple[str, object, TypeAdapter[Any]]]:
    yield HEAD, {"now": state.now, "seq": state.seq, "heard": state.last_heard}, _HEAD
    for name, memory in state.inputs.items():
        yield f"{_INPUT}{name}", memory, _INPUT_MEMORY
    for name, adapter in _SECTIONS.items():
        yield name, getattr(state, name), adapter


def _joined(texts: Mapping[str, str]) -> str:
    """The whole state as JSON."""
    inputs = ",".join(
        f"{json.dumps(name.removeprefix(_INPUT))}:{text}" for name, text in texts.items() if name.startswith(_INPUT)
    )
    sections = "".join(f',"{name}":{text}' for name, text in texts.items() if name in _SECTIONS)
    head = texts.get(HEAD, "{}").removesuffix("}")
    comma = "," if len(head) > 1 else ""
    return f'{head}{comma}"inputs":{{{inputs}}}{sections}}}'
