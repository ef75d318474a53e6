"""Phrases for the sentences that commands print: durations, lists, values, numbers."""

import json
from collections.abc import Iterable, Mapping


def span(seconds: float) -> str:
    """A duration in its two largest units: `3 h 38 min`."""
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{amount:g} {unit}" for amount, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if amount]
    whole = round(rest, 3) if not parts else int(rest)
    return " ".join([*parts, *([f"{whole:g} s"] if whole else [])][:2]) or "0 s"


def listed(items: Iterable[object], word: str = "and") -> str:
    """`a, b and c`."""
    *others, last = map(str, items)
    return f"{', '.join(others)} {word} {last}" if others else last


def literal(value: object) -> str:
    """A value as the configuration writes it, texts in quotes."""
    return json.dumps(value, ensure_ascii=False)


def pairs(values: Mapping[str, object]) -> str:
    """`lot "{lot}", pilot true`."""
    return ", ".join(f"{name} {literal(value)}" for name, value in values.items())


def one_line(text: str) -> str:
    """A text, such as a long condition, on one line."""
    return " ".join(text.split())


def number(amount: float) -> str:
    """An amount, such as a number of requests: whole from ten on, with thousands set apart."""
    return f"{amount:,.0f}" if amount >= 10 or amount == int(amount) else f"{amount:.1f}"
