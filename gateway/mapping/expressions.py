"""Conditions over inputs, written in CEL (https://cel.dev): `state == 0 && speed < 5`.

Only what is deterministic and bounded is let in: comparisons, arithmetic, text functions and conversions; no
clock, and none of the macros that bind names of their own.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

FUNCTIONS = frozenset({"contains", "endsWith", "matches", "size", "startsWith", "double", "int", "string", "uint"})
"""The functions that an expression can call."""

_PROBES: tuple[object, ...] = (0, 1.5, "", True)
_FAILURES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


class Program(Protocol):
    """A compiled CEL expression, as much of it as is used here."""

    def execute(self, context: dict[str, object]) -> object: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that is true or false. `names` are the inputs that it looks at."""

    source: str
    names: tuple[str, ...]
    program: Program

    def holds(self, values: Mapping[str, object]) -> bool | None:
        """Whether the condition is true for `values`, which has each of `names`; None where that is not known.

        Not known: an input has no value yet (None), or the operands do not fit together, such as a text
        compared with a number by `<`.
        """
        if any(values[name] is None for name in self.names):
            return None
        return _outcome(self.program, dict(values))


_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")


def _outcome(program: Program, values: dict[str, object]) -> bool | None:
    try:
        result = program.execute(values)
    except _FAILURES:
        return None
    return result if isinstance(result, bool) else None


def parse(source: str, known: Collection[str]) -> Condition:
    """Compile `source`. Raises ValueError, with a sentence, where it can never be a condition over `known` inputs."""
    import cel  # noqa: PLC0415 - costs 30 MB, so only where a configuration has an expression

    try:
        program = cel.compile(source)
    except ValueError as error:
        found = _SYNTAX.search(str(error))
        where = f"at character {found[2]}: {found[3]}" if found else str(error)
        if _ASSIGNMENT.search(source):
            where += '; write "==" to compare'
        raise ValueError(f'"{source}" is not an expression, {where}') from None
    names = tuple(program.variables())
    for name in names:
        if name not in known:
            raise ValueError(f'"{name}" is not an input of this line; its inputs are: {", ".join(sorted(known))}')
    for function in program.functions():
        if function.isidentifier() and function not in FUNCTIONS:
            raise ValueError(f'there is no function "{function}"; there are: {", ".join(sorted(FUNCTIONS))}')
    if not names:
        raise ValueError(f'"{source}" names no input, so it never changes')
    if not _can_be_condition(program, names):
        raise ValueError(f'"{source}" is never true or false: compare it with something, such as "state == 0"')
    return Condition(source, names, program)


def _can_be_condition(program: Program, names: tuple[str, ...]) -> bool:
    """Whether it yields a truth value for some kind of operand, or fails for all that are tried."""
    results = []
    for probe in _PROBES:
        try:
            results.append(program.execute(dict.fromkeys(names, probe)))
        except _FAILURES:
            continue
    return not results or any(isinstance(result, bool) for result in results)
