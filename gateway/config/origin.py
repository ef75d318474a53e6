"""Where each value of the configuration came from: what is wrong, by its key path, as what a person finds in a file."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.config.environment import Override, variable_label, with_values
from gateway.config.near_words import nearest
from gateway.config.schema_walk import Loc
from gateway.config.tree import Finding, Key, LineIndex, Node, Position, printable, told_once
from gateway.errors import ConfigError, ConfigFault, Diagnostic


@dataclass(frozen=True, slots=True)
class Located:
    """A diagnostic and its position in the files, by which it is sorted; None for one of the environment.

    `loc` is the key path of what it is about; None where it is about a file, or the environment, as such."""

    position: Position | None
    diagnostic: Diagnostic
    warning: bool = False
    loc: Loc | None = None
    text_begins: Position | None = None
    """Where the text begins within which it is; None: it is about all of what is at its position."""


def in_order(diagnostics: Collection[Located]) -> list[Diagnostic]:
    """All that was found, in the order of the files, the environment's last. What is equal for many lines but for what
    was filled in is one."""
    groups: dict[tuple[str, str], list[Located]] = {}
    for located in diagnostics:
        text = located.diagnostic.text
        if located.position is not None and located.position.used_at is not None:
            text = _FILLED_IN.sub("''", text)
        groups.setdefault((located.diagnostic.where, text), []).append(located)
    in_files = [group for group in groups.values() if group[0].position]
    files = {located.position.file: None for located in diagnostics if located.position}
    order = {file: number for number, file in enumerate(files)}

    def sort_key(group: list[Located]) -> tuple[int, int, int]:
        position = group[0].position
        return (order[position.file], position.line, position.column) if position else (0, 0, 0)

    in_rows = [group for group in in_files if _is_of_a_row(group[0])]
    for group, text in zip(in_rows, told_once([group[0].diagnostic.text for group in in_rows], "rows"), strict=True):
        if not text:
            in_files.remove(group)
        group[0] = replace(group[0], diagnostic=replace(group[0].diagnostic, text=text))
    in_environment = [group[0].diagnostic for group in groups.values() if not group[0].position]
    return [*(_merged(group) for group in sorted(in_files, key=sort_key)), *in_environment]


def _is_of_a_row(located: Located) -> bool:
    """Whether it is about a whole row of a table, such as a key that each of its lines lacks."""
    position = located.position
    return position is not None and position.column == 1 and position.line > 1 and position.file.suffix == ".csv"


def once_each(found: Collection[Located]) -> list[Located]:
    """`found` without warnings of what something else is said of as well: who mends that will look at it anyway."""
    places = {at: replace(at, used_at=None) for each in found for at in (each.position, each.text_begins) if at}
    wrong = (at for each in found if not each.warning for at in (each.position, each.text_begins) if at)
    told = {places[at] for at in wrong}
    kept: list[Located] = []
    for located in found:
        if located.warning and located.position is not None:
            if places[located.position] in told:
                continue
            told.add(places[located.position])
        kept.append(located)
    return kept


def without_consequences(faults: Sequence[ConfigFault]) -> list[ConfigFault]:
    """`faults` without those that rest on what another one says is wrong: a value that names nothing, or an input
    with a key of another kind."""
    wrong = {fault.loc for fault in faults if not fault.warning}
    wrong |= {fault.loc[:-1] for fault in faults if fault.at_key and fault.loc[2:3] == ("inputs",)}
    return [fault for fault in faults if wrong.isdisjoint(set(fault.rests_on or ()) - {fault.loc})]


def all_wrong(found: Iterable[Located]) -> ConfigError:
    """What was found, of which at least one thing is no warning, as an error."""
    errors, warnings = [list[Located](), list[Located]()]
    for located in found:
        (warnings if located.warning else errors).append(located)
    return ConfigError(in_order(errors), in_order(warnings))


def _merged(group: Sequence[Located]) -> Diagnostic:
    """One diagnostic for equal ones, with the first of the lines for which it is wrong."""
    positions = [located.position.used_at for located in group if located.position and located.position.used_at]
    users = list(dict.fromkeys(map(str, positions)))
    diagnostic = group[0].diagnostic
    if not users:
        return diagnostic
    more = f" and {len(users) - 1} more" if len(users) > 1 else ""
    return replace(diagnostic, text=f"{diagnostic.text} (used at {users[0]}{more})")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where each value came from: the files, as a tree with positions, or a variable of the environment."""

    root: Node
    variables: Mapping[Loc, Override]
    texts: Mapping[Path, str]
    """Of the files."""
    _lines: dict[Path, LineIndex] = field(default_factory=dict)

    def diagnose(self, fault: ConfigFault) -> Located:
        """`fault` with its position."""
        if fault.loc in self.variables:
            label = variable_label(self.variables[fault.loc].variable)
            text = printable(_at_characters(fault))
            return Located(None, Diagnostic(label, text, fault.absent), fault.warning, fault.loc)
        position, text = self._place(fault)
        for section, _ in self._path(fault.loc)[len(fault.loc) :]:
            for key, item in section.value.items() if isinstance(section.value, dict) else ():
                if item.value is None and f"'{key}'" in fault.text:
                    position, text = section.keys[key], f"nothing is written behind '{key}'; {fault.text}"
        begins = self._position(fault.loc, at_key=fault.at_key) if fault.at else None
        located = in_file(Finding(position, text, fault.warning, fault.absent))
        return replace(located, loc=fault.loc, text_begins=begins)

    def where(self, loc: Loc) -> str:
        return self.diagnose(ConfigFault(loc, "")).diagnostic.where

    def unsubstituted(self) -> Any:
        """The values alone, with texts as they were before their parameters were substituted."""
        values = {loc: item.value for loc, item in self.variables.items()}
        return with_values(self.root.tree(substituted=False), values)

    def is_incomplete(self, loc: Loc, *, missing: bool) -> bool:
        """Whether what does not fit the schema at `loc` may only follow from something that could not be read.

        Where a key is `missing`, it may have been in any part around it, and `~` may leave out what was there. Any
        other value that is there but wrong is wrong anyway.
        """
        nodes = [node for node, _ in self._path(loc)]
        anywhere = missing or nodes[-1].value is None
        return any(node.incomplete for node in nodes) if anywhere else nodes[-1].incomplete

    def hides(self, fault: ConfigFault, replaced: Collection[Loc] = (), left_out: Collection[Loc] = ()) -> bool:
        """Whether what seems wrong between parts of the configuration may only follow from something that could not be
        read: it, its section, or what it rests on; where that is not known, any input that it names. At the places
        that are `replaced` there is something else than what was written, and nothing at those `left_out`."""
        loc = fault.loc
        nodes = [node for node, _ in self._path(loc)]
        if fault.rests_on is not None:
            unread = nodes[-1].incomplete and not isinstance(nodes[-1].value, dict | list)
            return unread or any(self._is_unsure(other, replaced, left_out) for other in fault.rests_on)
        around = nodes[2:] if loc[:1] == ("lines",) else nodes  # what lines there are is nothing to one of them
        if any(node.incomplete for node in (*around[-2:], *nodes[-1].children())):
            return True
        if loc[:1] != ("lines",) or not _names_inputs(loc):
            return False
        inputs = self._path((*loc[:2], "inputs"))[-1][0]
        known = inputs.value if isinstance(inputs.value, dict) and len(loc) > 2 else {}
        unsure = {name for name, node in known.items() if node.has_gap() or (*loc[:2], "inputs", name) in replaced}
        if inputs.incomplete or (*loc[:2], "inputs") in replaced:
            return not _words(self._whole(loc)) <= known.keys() - unsure
        return bool(unsure) and not unsure.isdisjoint(_words(self._whole(loc)))

    def _is_unsure(self, loc: Loc, replaced: Collection[Loc], left_out: Collection[Loc]) -> bool:
        """Whether something else may have been meant to stand at `loc` than what could be read there."""
        if any(loc[:depth] in replaced for depth in range(1, len(loc) + 1)):
            return True
        if loc[-1:] == ("*",):
            return self._path(loc[:-1])[-1][0].incomplete
        path = self._path(loc)
        last = path[-1][0]
        if loc[2:3] == ("inputs",) and any(other[:-1] == loc for other in left_out):
            return True  # by a key that is written as another, or elsewhere
        if len(path) > len(loc):
            return last.has_gap() or (len(loc) == 1 and self.root.incomplete)
        misspelt = {str(other[-1]) for other in left_out if other[:-1] == loc[: len(path) - 1]}
        return last.incomplete or nearest(str(loc[len(path) - 1]), misspelt) is not None

    def _whole(self, loc: Loc) -> Node:
        """What says together what `loc` is a part of: an entry of output and a rule stand for themselves."""
        whole = {"scrap_yield": 5, "rules": 4}.get(str(loc[2]), len(loc))
        return self._path(loc[:whole])[-1][0]

    @property
    def sources_incomplete(self) -> bool:
        """Whether there may be sources that could not be read."""
        return any(node.incomplete for node, _ in self._path(("sources",)))

    def _place(self, fault: ConfigFault) -> tuple[Position, str]:
        """The position of what is wrong, and what is said there: of a text that has it more than once also the other
        places. Where it cannot be told where in the text it is, the position of that, and its characters."""
        whole = self._position(fault.loc, at_key=fault.at_key)
        node = self._path(fault.loc)[-1][0]
        if not fault.at or not isinstance(node.value, str):
            return whole, fault.text
        if whole.file not in self._lines:
            self._lines[whole.file] = LineIndex(self.texts[whole.file], whole.file)
        lines = self._lines[whole.file]
        places = [_in_text(lines, node, at) for at in fault.at]
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            return whole, _at_characters(fault)
        first, *others = dict.fromkeys(known)
        again = ", ".join(f"{place.line}:{place.column}" for place in others)
        return first, f"{fault.text} (also at {again})" if again else fault.text

    def _position(self, loc: Loc, *, at_key: bool) -> Position:
        path = self._path(loc)
        node, key = path[-1]
        return node.position if len(path) > len(loc) and not at_key else key

    def _path(self, loc: Loc) -> list[tuple[Node, Position]]:
        """The values on the way to `loc`, as far as there are any, each with the position of its key."""
        node = self.root
        path = [(node, node.position)]
        for part in loc:
            if isinstance(node.value, dict) and part in node.value:
                node, key = node.value[part], node.keys[part]
            elif isinstance(node.value, list) and isinstance(part, int):
                node = node.value[part]
                key = node.position
            else:
                break
            path.append((node, key))
        return path


_FILLED_IN = re.compile(r"'[^']*'|its inputs are: [^;]*")
"""What differs for each line in what is said of a template."""
_NAMING = frozenset({"run", "batches", "states", "intervals", "scrap_yield", "rules"})
"""Sections of a line that name its inputs."""
_DERIVING = frozenset({"expr", "words", "stale", "counter"})
"""Keys of an input that name others."""
_WORD = re.compile(r"[A-Za-z_]\w*")


def _in_text(lines: LineIndex, node: Node, at: int) -> Position | None:
    """The position of the character `at` of a text; None where that cannot be told."""
    if node.filled is None:
        return lines.place(node.position, str(node.value), at)
    return lines.place(node.position, node.filled.written, node.filled.before(at))


def _at_characters(fault: ConfigFault) -> str:
    """What is said of a text, with the characters at which it is wrong."""
    if not fault.at:
        return fault.text
    return f"at character {' and '.join(str(at + 1) for at in fault.at)}: {fault.text}"


def _names_inputs(loc: Loc) -> bool:
    """Whether what stands at `loc`, in a line, can name inputs."""
    return len(loc) > 2 and (loc[2] in _NAMING or (loc[2] == "inputs" and not _DERIVING.isdisjoint(loc[4:5])))


def _words(node: Node) -> set[Key]:
    """The words of all texts in `node`, of which some may be the names of inputs."""
    words: set[Key] = set(_WORD.findall(node.value)) if isinstance(node.value, str) else set()
    return words.union(*map(_words, node.children()))


def in_file(finding: Finding) -> Located:
    """A finding as a diagnostic of a file."""
    diagnostic = Diagnostic(str(finding.position), printable(finding.text), finding.absent)
    return Located(finding.position, diagnostic, finding.warning)
