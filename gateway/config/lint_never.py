"""Conditions, rungs, ends and zones that are right by themselves and never come to be, always are, or are at other
times than people think: `x > 80 && x < 20` never holds, `x != 1 || x != 2` always does, and a rung is never come to
below one that holds whenever it does.
"""

import math
import re
from collections.abc import Iterable, Iterator

from gateway.config.lint_expressions import Comparison, comparisons, without_texts
from gateway.config.lint_texts import sections_of
from gateway.config.schema import Line
from gateway.config.schema_intervals import Begin, End, States
from gateway.config.schema_messages import OwnTime
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_SIDE = r"(?:[A-Za-z_][\w.]*|-?\d+(?:\.\d+)?|\0+)"
_PLAIN = re.compile(rf"\s*{_SIDE}\s*(?:==|!=|<=?|>=?)\s*{_SIDE}\s*")
"""One comparison and nothing else, in an expression without its texts."""
_BY_NOTHING = re.compile(r"[/%]\s*(0+(?:\.0*)?)(?![\w.])")
_LESS, _MORE = frozenset({"<", "<="}), frozenset({">", ">="})


def find_doubtful_ranges(line: Line, loc: Loc, expressions: Iterable[tuple[Loc, str]]) -> Iterator[ConfigFault]:
    """What of `expressions`, with their places, never or always holds, and the rungs of `line`, which stands at `loc`,
    that are never come to."""
    for at, source in expressions:
        yield from _of_condition(source, at, 0)
        nothing = _BY_NOTHING.search(without_texts(source))
        if nothing is not None:
            text = "nothing can be divided by 0, so that this is never known: write another number"
            yield ConfigFault(at, text, rests_on=(), at=(nothing.start(1),))
    if line.states is not None:
        yield from _rungs(line.states, (*loc, "states", "ladder"))


def _rungs(states: States, loc: Loc) -> Iterator[ConfigFault]:
    """Rungs below one that has some of their conditions and no other, but not below an equal one, which is told by
    itself."""
    above: list[tuple[frozenset[str], str]] = []
    for index, rung in enumerate(states.ladder):
        ways = [frozenset(_squeezed(part) for _, part in _parts(way, "&&")) for _, way in _parts(rung.when, "||")]
        whole = _squeezed(rung.when)
        wider = next(
            (when for way, when in above if all(way <= own for own in ways) and _squeezed(when) != whole), None
        )
        if wider is not None and all(_squeezed(other.when) != whole for other in states.ladder[:index]):
            text = (
                f"a rung above, {quoted(wider)}, holds whenever this one does, and the first that holds decides: write "
                f"this one above it"
            )
            yield ConfigFault((*loc, index, "when"), text, warning=True, rests_on=())
        above += [(way, rung.when) for way in ways]


def _squeezed(source: str) -> str:
    return "".join(source.split())


def _parts(source: str, sign: str) -> list[tuple[int, str]]:
    """What stands between the signs `&&` or `||` that are in no bracket, with where it begins; all of it where `||`
    or `?` makes it another thing."""
    texts, depth, begin = without_texts(source), 0, 0
    parts: list[tuple[int, str]] = []
    for place, character in enumerate(texts):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and (character == "?" or (sign == "&&" and texts.startswith("||", place))):
            return [(0, source)]
        if depth == 0 and texts.startswith(sign, place) and place >= begin:
            parts.append((begin, source[begin:place]))
            begin = place + len(sign)
    return [*parts, (begin, source[begin:])]


def _of_condition(source: str, loc: Loc, offset: int) -> Iterator[ConfigFault]:
    either = _parts(source, "||")
    if len(either) > 1:
        yield from _everything(either, loc, offset)
        for begin, part in either:
            yield from _of_condition(part, loc, offset + begin)
        return
    both = _parts(source, "&&")
    if len(both) > 1:
        yield from _nothing(both, loc, offset)
    for begin, part in both:
        inner = re.fullmatch(r"(\s*\()(.*)\)\s*", part, re.DOTALL)
        if inner is not None:
            yield from _of_condition(inner[2], loc, offset + begin + inner.end(1))


def _plain(parts: Iterable[tuple[int, str]], offset: int) -> Iterator[tuple[int, Comparison]]:
    """Those of `parts` that are a comparison with one literal, and where each begins."""
    for begin, part in parts:
        if _PLAIN.fullmatch(without_texts(part)):
            blanks = len(part) - len(part.lstrip())
            yield from ((offset + begin + blanks, one) for one in comparisons(part) if len(one.literals) == 1)


def _nothing(parts: Iterable[tuple[int, str]], loc: Loc, offset: int) -> Iterator[ConfigFault]:
    """Comparisons of one value of which all must hold, and that leave it no number."""
    lowest: dict[str, tuple[float, bool, str]] = {}
    highest: dict[str, tuple[float, bool, str]] = {}
    for at, one in _plain(parts, offset):
        kind, word = one.literals[0]
        if kind != "number" or one.sign not in _LESS | _MORE:
            continue
        bound = (float(word), one.sign in {"<", ">"}, f"{one.path} {one.sign} {word}")
        bounds, other = (lowest, highest) if one.sign in _MORE else (highest, lowest)
        bounds[one.path] = bound
        against = other.get(one.path)
        if against is not None and _is_empty(lowest[one.path], highest[one.path]):
            text = f'this never holds together with "{against[2]}": is "||" meant, or are the two exchanged?'
            yield ConfigFault(loc, text, warning=True, rests_on=(), at=(at,))


def _is_empty(low: tuple[float, bool, str], high: tuple[float, bool, str]) -> bool:
    return low[0] > high[0] or (math.isclose(low[0], high[0]) and (low[1] or high[1]))


def _everything(parts: Iterable[tuple[int, str]], loc: Loc, offset: int) -> Iterator[ConfigFault]:
    """Comparisons of one value of which any must hold: that it is not this or not that, as it always is."""
    other: dict[str, tuple[str, str]] = {}
    for at, one in _plain(parts, offset):
        if one.sign != "!=":
            continue
        literal = one.literals[0]
        first = other.setdefault(one.path, literal)
        if first != literal:
            words = ", ".join(f'"{word}"' if kind == "text" else word for kind, word in (first, literal))
            text = f"this always holds, since {one.path} is never both: for none of them write"
            cure = f'"!({one.path} in [{words}])"'
            yield ConfigFault(loc, f"{text} {cure}", warning=True, rests_on=(), at=(at,))
            return


def find_never(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """What of `line`, which stands at `loc`, never is, or is at other times than it seems."""
    yield from _turned_zones(line, loc)
    yield from _never(line, loc)


def _turned_zones(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Zones of which the sign is the other way round than people think."""
    zones: list[tuple[Loc, str]] = [
        ((*loc, "intervals", index, "calendar", "zone"), interval.calendar.zone)
        for index, interval in enumerate(line.intervals)
        if interval.calendar is not None
    ]
    for name, given in line.inputs.items():
        if isinstance(given.time, OwnTime):
            zones.append(((*loc, "inputs", name, "time", "zone"), given.time.zone))
    for at, zone in zones:
        match = re.fullmatch(r"Etc/GMT([+-])([1-9]\d?)", zone)
        if match is not None:
            side = "behind" if match[1] == "+" else "ahead of"
            text = f"this zone is {match[2]} h {side} UTC, since its sign is turned round: write a place, such as"
            yield ConfigFault(at, f"{text} Europe/Berlin", warning=True, rests_on=())


def _never(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Rungs that are never come to, and ends that are what begins the same."""
    rungs = line.states.ladder if line.states is not None else []
    seen: dict[str, int] = {}
    for index, rung in enumerate(rungs):
        first = seen.setdefault("".join(rung.when.split()), index)
        if first != index:
            text = "a rung above has this condition: the first that holds decides, and this one never does"
            yield ConfigFault((*loc, "states", "ladder", index, "when"), text, warning=True, rests_on=())
    for section, at in sections_of(line, loc):
        begin, end = getattr(section, "start", None), getattr(section, "end", None)
        if not isinstance(begin, Begin) or not isinstance(end, End) or begin.event is None:
            continue
        if (begin.event, begin.when) == (end.event, end.when):
            text = "what begins it ends it as well: each event of this input is both; name another, or write 'when'"
            yield ConfigFault((*at, "end", "event"), text, warning=True, rests_on=())
