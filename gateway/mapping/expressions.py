"""Expressions over inputs, written in CEL (https://cel.dev): `state == 0 && speed < 5`, `raw * 0.1`.

Only what is deterministic and bounded is let in: comparisons, arithmetic, text functions and conversions; no clock, and
none of the macros that bind names of their own; and `bit(alarms, 3)`, which CEL does not have: whether that bit of a
whole number is set. CEL itself does not mix whole and decimal numbers; people who write
`speed * 2` do, so an expression that calculates does so with decimal numbers wherever that has a meaning.
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol

from gateway.config.lint_expressions import (
    EMPTY,
    contradictions,
    meant_name,
    unknown_names,
    why_unreadable,
    without_texts,
)
from gateway.config.near_words import most_alike, suggestion
from gateway.config.patterns import why_no_pattern
from gateway.mapping.values import ABSENT, find, flaw, number, whole

FUNCTIONS = frozenset({"contains", "endsWith", "matches", "size", "startsWith", "double", "int", "string", "uint"})
"""The functions that an expression can call."""

LONGEST_SOURCE = 1_000
"""Characters of an expression: it is evaluated for each change."""

ValueKind = Literal["number", "truth", "text"]
"""What kind of values an input has, where that is known."""

_PROBES: Mapping[ValueKind | None, tuple[object, ...]] = {
    "number": (0, 1.5),
    "truth": (True, False),
    "text": ("", "0"),
    None: (0, 1.5, "", True),
}
_KINDS: Mapping[ValueKind, str] = {"number": "a number", "truth": "true or false", "text": "text"}
_MOST_PROBES = 256
_CALCULATES = frozenset({"_+_", "_-_", "_*_", "_/_", "-_"})
_FAILURES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
_BIT = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?<![\w.])bit\s*\(\s*(?P<of>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)\s*,\s*(?P<bit>\d{1,2})\s*\)"
)
MOST_BITS = 64
"""How many bits a whole number has."""

_NO_BIT = f"bits are counted from 0 to {MOST_BITS - 1}, and there is no bit {{}}"
_NEAR = 0.7
"""How much like an input's a name is that is most likely a slip of it, and no text without its quotes."""
_PATTERN = re.compile(r"""\.\s*matches\s*\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\)""")
"""A text in which a pattern stands."""
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): ")
_TOKENS = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<names>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)(?P<call>\s*\()?"
    r"|(?P<whole>(?<![\w.])\d+(?![\w.]))|\d[\w.]*"
)


class Program(Protocol):
    """A compiled CEL expression, as much of it as is used here."""

    def execute(self, context: dict[str, object]) -> object: ...
    def variables(self) -> list[str]: ...
    def functions(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `names` are the inputs that it looks at, `fields` the fields of them where it names only
    such.

    `decimal` is the same with decimal numbers for whole ones, which is tried first where it calculates. `bits` are what
    stands in it for bits of inputs: of the input, or the field of it, at a path the bit with that number.
    """

    source: str
    names: tuple[str, ...]
    program: Program
    decimal: Program | None = None
    fields: Mapping[str, tuple[tuple[str, ...], ...]] | None = None
    bits: Mapping[str, tuple[tuple[str, ...], int]] = field(default_factory=dict)

    def value(self, values: Mapping[str, object]) -> object:
        """What comes out for `values`, which has each of `names`, none of them None; None where the operands do not fit
        together, such as a text compared with a number by `<`, or the result is nothing that can be kept."""
        operands = {name: self._part(name, values[name]) for name in self.names}
        for name, (path, bit) in self.bits.items():
            word = number(find(values[path[0]], path[1:]))
            if not isinstance(word, int):
                return None
            operands[name] = bool(word >> bit & 1)
        result: object = None
        if self.decimal is not None:
            numbers = {name: float(value) if type(value) is int else value for name, value in operands.items()}
            result = _outcome(self.decimal, numbers)
        if result is None:
            result = _outcome(self.program, operands)
        return whole(result) if isinstance(result, float) else result

    def places(self, name: str, path: Sequence[str] = ()) -> tuple[int, ...]:
        """The first character, from 0, at which the expression names this field of an input, or any."""
        named = r"\s*\.\s*".join((name, *path))
        return place_of(rf"(?<![.\w]){named}\b", self.source)

    def _part(self, name: str, value: object) -> object:
        """Of a message only the fields that are named: handing over a large one costs more than all the rest."""
        paths = (self.fields or {}).get(name)
        if not paths or not isinstance(value, dict):
            return value
        part: dict[str, object] = {}
        for path in paths:
            _copy(value, part, path)
        return part


@dataclass(frozen=True, slots=True)
class Condition(Expression):
    """An expression that is true or false."""

    def holds(self, values: Mapping[str, object]) -> bool | None:
        """Whether the condition is true for `values`, which has each of `names`; None where that is not known.

        Not known: an input has no value yet (None), or the operands do not fit together.
        """
        if any(values[name] is None for name in self.names):
            return None
        result = self.value(values)
        return result if isinstance(result, bool) else None

    def misfits(self, values: Mapping[str, object]) -> bool:
        """Whether it is neither true nor false because the operands do not fit together, all that it looks at being
        known: no input without a value, no message that lacks a field, or says null in it."""
        return all(self._says_all(name, values[name]) for name in self.names) and self.holds(values) is None

    def _says_all(self, name: str, value: object) -> bool:
        if value is None:
            return False
        if not isinstance(value, dict | list):
            return True
        if re.search(rf"\b{name}\s*(\.\s*\w+\s*)*\[", self.source):
            return False  # which element or field that is, nobody but CEL knows
        paths = (self.fields or {}).get(name, ()) if isinstance(value, dict) else ()
        return all(find(value, path) not in (ABSENT, None) for path in paths)


def _outcome(program: Program, values: dict[str, object]) -> object:
    try:
        result = program.execute(values)
    except _FAILURES:
        return None
    return result if isinstance(result, bool | int | float | str) and flaw(result) is None else None


def _copy(message: dict[str, object], part: dict[str, object], path: tuple[str, ...]) -> None:
    first, *rest = path
    if first not in message:
        return
    inner = message[first]
    if not rest or not isinstance(inner, dict):
        part[first] = inner
        return
    below = part.setdefault(first, {})
    if isinstance(below, dict) and below is not inner:
        _copy(inner, below, tuple(rest))


class ExpressionError(ValueError):
    """A text can be no expression over the inputs that there are. `faults` says all that is wrong with it."""

    def __init__(self, *faults: "Fault") -> None:
        self.faults = faults
        super().__init__("; ".join(fault.text for fault in faults))


class Fault(NamedTuple):
    """What is wrong with an expression: with the name that is no input, None: it is wrong whatever inputs there are;
    and with the characters where, from 0, none of them: all of it."""

    text: str
    name: str | None = None
    at: tuple[int, ...] = ()


def parse(source: str, known: Collection[str], kinds: Mapping[str, ValueKind] | None = None) -> Condition:
    """Compile a condition. Raises ValueError, with a sentence, where it can never be one over `known` inputs, of which
    `kinds` says what is known of their values: an ExpressionError where it is wrong whatever those are."""
    condition = _parse(source, known)
    results = _probe(condition, kinds or {})
    if results and not any(isinstance(result, bool) for result in results):
        raise ValueError(f'"{source}" is never true or false: compare it with something, such as "state == 0"')
    return condition


def parse_value(
    source: str, known: Collection[str], kinds: Mapping[str, ValueKind] | None = None
) -> tuple[Expression, ValueKind | None]:
    """Compile an expression with any result, and say of which kind that is, if it is always the
    same. Raises ValueError as `parse`."""
    condition = _parse(source, known)
    return condition, _kind_of(_probe(condition, kinds or {}))


def names_in(source: str) -> frozenset[str]:
    """The names that can be inputs in an expression, which may yet turn out to be none."""
    return frozenset(re.split(r"[\s.]", token["names"])[0] for token in _TOKENS.finditer(source) if token["names"])


def _engine() -> Any:
    """The package of CEL, only where a configuration has an expression; without the command line that it imports for
    itself, which would cost 16 MB."""
    sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
    import cel  # noqa: PLC0415

    return cel


def _parse(source: str, known: Collection[str]) -> Condition:
    cel = _engine()
    if len(source) > LONGEST_SOURCE:
        text = f"an expression has up to {LONGEST_SOURCE} characters: take it apart into derived inputs ('expr')"
        raise ExpressionError(Fault(text))
    null = next((token for token in _TOKENS.finditer(source) if token["names"] == "null"), None)
    wrong: list[Fault] = []
    if null is not None:
        wrong.append(Fault(f"this can never hold: {EMPTY}", at=(null.start(),)))
    written, bits = _without_bits(source)
    wrong += (
        Fault(_NO_BIT.format(match["bit"]), at=(match.start("bit"),))
        for match in _BIT.finditer(source)
        if match["bit"] and int(match["bit"]) >= MOST_BITS
    )
    try:
        program: Program = cel.compile(written)
    except ValueError:
        wrong += (
            Fault(f"this is not an expression: {text}", at=at) for at, text in why_unreadable(source, _stopped(source))
        )
        unknown = dict.fromkeys(unknown_names(source, known, _NEAR))
        raise ExpressionError(*wrong, *(_unknown(name, source, known) for name in unknown)) from None
    named = dict.fromkeys(program.variables())
    names = tuple(dict.fromkeys(bits[name][0][0] if name in bits else name for name in named))
    wrong += _wrong_patterns(cel, source)
    faults = [*wrong, *(_unknown(name, source, known) for name in names if name not in known)]
    faults += (Fault(text, at=at) for at, text in contradictions(source))
    for function in program.functions():
        if function == "bit":
            text = 'write "bit(alarms, 3)": the name of an input, and the number of the bit, from 0'
            faults.append(Fault(text, at=place_of(r"\bbit\s*\(", _without_calls(source))))
        elif function.isidentifier() and function not in FUNCTIONS:
            near = suggestion(function, sorted({*FUNCTIONS, "bit"}))
            text = f'there is no function "{function}"{near}'
            if function.startswith("equals"):
                text = f'write "==" to compare, not "{function}"'
            faults.append(Fault(text, at=place_of(rf"\b{function}\s*\(", source)))
    if not names and not faults:
        faults.append(Fault(f'"{source}" names no input, so it never changes'))
    if faults:
        raise ExpressionError(*faults)
    decimal = None
    if not _CALCULATES.isdisjoint(program.functions()):
        decimal = cel.compile(_TOKENS.sub(lambda token: f"{token[0]}.0" if token["whole"] else token[0], written))
    return Condition(source, names, program, decimal, _fields(source, names), bits)


def _wrong_patterns(cel: Any, source: str) -> Iterator[Fault]:
    """The patterns in `source` that CEL can read none of: what they are looked for in would never match."""
    for match in _PATTERN.finditer(source):
        try:
            cel.compile(f'"".matches({match[1]})').execute({})
        except (RuntimeError, ValueError):
            text, at = why_no_pattern(match[1][1:-1]) or ("CEL cannot read it", None)
            yield Fault(f"{match[1]} is no pattern: {text}", at=(match.start(1) + (0 if at is None else at + 1),))


def _unknown(name: str, source: str, known: Collection[str]) -> Fault:
    text = (
        f'"{name}" is not an input of this line; its inputs are: {most_alike(name, sorted(known))}'
        f"{meant_name(name, known, _NEAR) or f'; a text stands in quotes: {name!r}'}"
    )
    return Fault(text, name, place_of(rf"(?<![.\w]){re.escape(name)}\b", source))


def place_of(pattern: str, source: str) -> tuple[int, ...]:
    """The character at which `pattern` is first, outside of quoted texts; none: it is nowhere."""
    match = re.search(pattern, without_texts(source))
    return () if match is None else (match.start(),)


def _stopped(source: str) -> int | None:
    """The character at which CEL can read `source`, which is no expression, no further; None: it does not say."""
    written = _without_calls(source)
    try:
        _engine().compile(written)
    except ValueError as error:
        match = _SYNTAX.search(str(error))
        lines = written.split("\n")
        return None if match is None else sum(len(line) + 1 for line in lines[: int(match[1]) - 1]) + int(match[2]) - 1
    return None


def _without_calls(source: str) -> str:
    """`source` with a name of the same length in the place of each bit."""
    return _BIT.sub(lambda match: match["text"] or "b" * len(match[0]), source)


def _without_bits(source: str) -> tuple[str, dict[str, tuple[tuple[str, ...], int]]]:
    """The expression with a name in the place of each bit, and what these names stand for."""
    bits: dict[str, tuple[tuple[str, ...], int]] = {}

    def name_of(match: re.Match[str]) -> str:
        if match["text"]:
            return match[0]
        path, bit = tuple(re.split(r"\s*\.\s*", match["of"])), int(match["bit"])
        name = f"bit_{bit}_of_{'_of_'.join(reversed(path))}"
        while name in source or bits.get(name, (path, bit)) != (path, bit):
            name += "_"
        bits[name] = (path, bit)
        return name

    return _BIT.sub(name_of, source), bits


def _fields(source: str, names: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The fields that the expression names of each input; an input that it names as a whole is left out."""
    paths: dict[str, set[tuple[str, ...]]] = {name: set() for name in names}
    for token in _TOKENS.finditer(source):
        if not token["names"]:
            continue
        first, *path = re.split(r"\s*\.\s*", token["names"])
        if first in paths:
            paths[first].add(tuple(path[:-1] if token["call"] else path))
    bracketed = {name for name in names if re.search(rf"\b{name}\s*\[", source)}
    return {name: tuple(sorted(named)) for name, named in paths.items() if () not in named and name not in bracketed}


def _probe(expression: Expression, kinds: Mapping[str, ValueKind]) -> list[object]:
    """What comes out for some of the values that the inputs can have. Raises ValueError where it never works."""
    probes = [_PROBES[kinds.get(name)] for name in expression.names]
    operands = [dict(zip(expression.names, values, strict=True)) for values in islice(product(*probes), _MOST_PROBES)]
    results = [result for result in map(expression.value, operands) if result is not None]
    if not results and all(name in kinds for name in expression.names):
        reasons = " and ".join(f'"{name}" is {_KINDS[kinds[name]]}' for name in expression.names)
        raise ValueError(f'"{expression.source}" never has a value, because {reasons}')
    return results


def _kind_of(results: list[object]) -> ValueKind | None:
    kinds: set[ValueKind] = {
        "truth" if isinstance(result, bool) else "text" if isinstance(result, str) else "number" for result in results
    }
    return kinds.pop() if len(kinds) == 1 else None
