"""P10: mistakes of syntax beside each other, and many of them: each is told, at its own place, in one run."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from gateway.config.files import read_yaml
from gateway.config.yaml_repair import MOST_FAULTS
from tests.config.factory import HEAD, HERE, LINE, Slip, places_of
from tests.config.test_slips import SYNTAX, SYNTAX_2

FILE = Path("gateway.yaml")
RUNS = {
    "quotes": (r'(t\d+: .*)"(.*)"}', r'\1▲"\2}', "never closed"),
    "brackets": (r"(t\d+: .*)}", r"\1▲", "closing bracket is missing"),
    "comments": (r'(t\d+: .*)"(.*)"}', r"\1\2 ▲#1}", "' #' begins a comment"),
    "commas": (r"(t\d+: .*)plc,", r"\1▲plc", "a ',' is missing"),
    "braces": (r'( {6}(?:product|name)): "{(\w+)}"', r"\1: ▲{\2}x", "needs quotes"),
    "blanks": (r"(t\d+):", "\\1:▲\u00a0", "no-break space"),
    "no blanks": (r"( {6}(?:settle|metadata|end)): ", r"\1▲:", "a blank is missing"),
    "colons": (r'( {6}(?:product|name|settle)): (["5].*)', r"\1▲ \2", "a ':' is missing"),
    "tabs": (r" {8}(\d: )", "▲\t\\1", "a tab"),
    "items": (r"- ({count: )", r"▲\1", "'- ' is missing"),
    "indents": (r" {6}(name|settle|metadata):", r"     ▲\1:", "by 6"),
    "texts": (r"(category): (\w+ \w+), reason", r"\1: ▲\2: \2, reason", "needs quotes"),
}
"""Pieces of a plant's line, what stands in each of them instead, and what is told of it."""


def told(marked: str) -> list[tuple[str, str]]:
    """The place and the text of what is said of a file from which the marks are removed."""
    return [(str(finding.position), finding.text) for finding in read_yaml(marked.replace(HERE, ""), FILE)[1]]


@pytest.mark.parametrize("name", RUNS)
def test_p10_the_same_slip_in_neighbouring_lines(name: str) -> None:
    """Each of the lines is told, not only every other or the last, and no line beside them."""
    piece, instead, words = RUNS[name]
    marked, count = re.subn(piece, instead, HEAD + LINE + LINE)
    assert count > 2
    answer = told(marked)
    assert [where for where, _ in answer] == places_of(marked)
    assert all(words in text.replace("put all of the text in quotes", "needs quotes") for _, text in answer)


def beside(one: Slip, other: Slip) -> str | None:
    """A plant's line with both slips, then one that is right; None where they do not fit beside each other."""
    line = LINE.replace(one.old, one.new)
    return HEAD + line.replace(other.old, other.new) + LINE if line.count(other.old) == 1 else None


PAIRS = [pair for pair in combinations([*SYNTAX, *SYNTAX_2], 2) if beside(*pair) is not None][::8]


@pytest.mark.parametrize("number", range(0, len(PAIRS), 5))
def test_p10_two_slips_in_one_line_of_a_plant(number: int) -> None:
    """Of two different slips, close to each other, neither hides the other."""
    for pair in PAIRS[number : number + 5]:
        marked = beside(*pair)
        assert marked is not None
        places = {where for where, _ in told(marked)}
        hidden = {where for where in places_of(marked) if where not in places}
        assert not hidden, (pair, hidden)


def test_p10_more_than_are_told() -> None:
    """Where there are more mistakes than are told, that is said where the last was, and nothing else follows."""
    marked = HEAD + LINE.replace('.State"}', '.State▲"}').replace('▲"}', "▲") * (MOST_FAULTS + 50)
    answer = told(marked)
    assert len(answer) == MOST_FAULTS + 1
    assert f"{MOST_FAULTS} mistakes of syntax" in answer[-1][1]
    assert answer[-1][0].startswith(f"{FILE}:")


def test_p10_eighty_mistakes_in_one_run() -> None:
    """All mistakes of a file are told at once, however many lines have one."""
    marked = HEAD + LINE.replace("      settle: 500ms", "     ▲settle: 500ms") * 80
    assert [where for where, _ in told(marked)] == places_of(marked)
