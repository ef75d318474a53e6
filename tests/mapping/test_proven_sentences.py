"""Each sentence of docs/mapping.md about what comes late or again, about sources that are away and about one moment
has its tests (`page_proofs`). A sentence that is added needs one; a test that is named there must be there."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.mapping.page_proofs import AWAY, ELSEWHERE, LATE, MOMENT
from tests.mapping.recording import GOLDEN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Late messages": LATE,
    "When a source is not heard": AWAY,
    "One moment": MOMENT,
}
"""All sentences of these sections."""
PARAGRAPHS = (
    "**Several tags of one",
    "**Each message once.**",
    "**Whose time?**",
    "**A sender's clock",
    "**A sender whose topic changes",
    "**After a gap.**",
    "**When the PLC is",
)
"""How paragraphs of other sections begin that are about the same: all sentences of these,"""
WORDS = re.compile(
    r"\b(late|away|outages?|reconnects?|connection|retained|had kept|twice|very time|moment|heard|older|is off|is back|"
    r"reached|gone|comes? again|lost|restarts?)\b"
)
"""and those of all others in which one of these stands."""
ENDS = re.compile(r"(?<=[.?!])(?:\*\*)?\)? (?=[A-Z`*(\[])")
"""Where a sentence ends and another begins."""


def sentences() -> Iterator[tuple[Mapping[str, str], str]]:
    """Each of them, and the table in which it is; a row of a table is one."""
    for title, text in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL):
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for part in re.split(r"\n\n|\n(?=[*|] ?)", prose):
            whole = " ".join(part.split())
            if not whole or re.match(r"\| (---|of that moment)", whole):
                continue
            for one in [whole] if whole.startswith("|") else ENDS.split(whole):
                if title in SECTIONS:
                    yield SECTIONS[title], one
                elif whole.startswith(PARAGRAPHS) or WORDS.search(one):
                    yield ELSEWHERE, one


def functions() -> set[str]:
    """The names of all tests."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE)}


def test_p13_each_sentence_of_the_page_has_its_tests() -> None:
    """Its own, and each entry of the tables is of one sentence of the page."""
    found = [*sentences()]
    beginnings = [(one[:80], [begin for begin in table if one.startswith(begin)]) for table, one in found]
    assert [one for one, begins in beginnings if len(begins) != 1] == []
    said = [begins[0] for _, begins in beginnings]
    assert len(said) > 120
    assert sorted(said) == sorted(begin for table in (*SECTIONS.values(), ELSEWHERE) for begin in table)


def test_the_tests_of_the_sentences_are_there() -> None:
    """By their names; no sentence is without any."""
    there = functions() | {folder.name for folder in GOLDEN.iterdir()}
    named = [tests.split() for table in (*SECTIONS.values(), ELSEWHERE) for tests in table.values()]
    assert all(named)
    assert [name for names in named for name in names if name not in there] == []
