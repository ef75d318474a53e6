"""Text with inputs in braces: `"{order}"`, `"PLC code {state}"`, `"{scrap.code}"`.

A pattern is parsed once, when the configuration is compiled. `{{` and `}}` stand for the braces themselves.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.mapping.values import text
from gateway.model import Scalar

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class Reference:
    """One placeholder: an input and, for a message, the field of it."""

    input: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.input, *self.path))


Look = Callable[[Reference], Scalar]
"""Finds what a placeholder stands for at the moment; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: literal text and placeholders in order."""

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def render(self, look: Look) -> Scalar:
        """The pattern filled in; None where a placeholder is not known.

        A pattern that is exactly one placeholder keeps the type of its value.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Reference):
            return look(self.parts[0])
        values = [look(part) if isinstance(part, Reference) else part for part in self.parts]
        return None if None in values else "".join(map(text, values))

    def words(self, look: Look) -> str | None:
        """The pattern filled in, as text; None where a placeholder is not known or nothing but blanks results."""
        return text(self.render(look)).strip() or None


def parse(pattern: str) -> Pattern:
    """Parse `pattern`. Raises ValueError, with a sentence, for braces that enclose no name."""
    parts: list[str | Reference] = []
    for match in _PIECE.finditer(pattern):
        piece, name = match[0], match[1]
        if piece in {"{", "}"}:
            raise ValueError(f'a lone "{piece}": write "{piece}{piece}" for the character itself')
        if name is not None:
            if not _NAME.fullmatch(name):
                raise ValueError(f'"{piece}" is not a placeholder: write the name of an input, such as "{{order}}"')
            first, *path = name.split(".")
            parts.append(Reference(first, tuple(path)))
            continue
        literal = piece[0] if piece in {"{{", "}}"} else piece
        if parts and isinstance(parts[-1], str):
            parts[-1] += literal
        else:
            parts.append(literal)
    return Pattern(tuple(parts))
