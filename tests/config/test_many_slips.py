"""P10: any ten mistakes of a line of a plant at once, and all that the tables have in one of 5,000 inputs: each is told
once, at its place, and nothing besides."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.config import yaml_brackets, yaml_lines, yaml_repair
from gateway.config.files import read_yaml
from gateway.config.tree import BrokenFileError, Position
from gateway.config.yaml_repair import _Repaired
from gateway.config.yaml_tree import stopped
from tests.config.factory import HEAD as HEAD_OF_PLANT
from tests.config.factory import LINE, Slip, said_of
from tests.config.more_slips import HEADS
from tests.config.test_slips import GROUPS, HEAD, HEAD_2

AT_ONCE = 10
NOT_BESIDE_ANY = (
    "input: ▲order",  # which is wrong where it names the run as well
    "▲alarms:",  # what stands below it is of a section that nobody knows
    "▲factory: B",  # twice only where the first is right
    '- ▲{count: good, raw_data: {yield: "{n}"}}',  # told twice only where the first is as it was
    "▲t4: {source: plc,",  # the same of a tag
)
"""Slips that are one, or hide others, because of what stands beside them."""
OF_A_BLOCK = 6
"""Lines of text that may be of one block."""
ALL = [*dict.fromkeys(one for name in GROUPS if "all kinds" not in name for one in GROUPS[name][1])]
SLIPS = [one for one in ALL if not any(text in one.new for text in NOT_BESIDE_ANY)]
INPUTS = {
    name: LINE.count("\n", 0, match.start())
    for name, match in ((match[1], match) for match in re.finditer(r"^      (\w+): \{source", LINE, re.MULTILINE))
}
"""Name of an input -> the number of its line of text."""


def lines_of(one: Slip) -> set[int]:
    """The numbers of the lines of text in which `one` is."""
    begin = LINE.index(one.old)
    return {*range(LINE.count("\n", 0, begin), LINE.count("\n", 0, begin + len(one.old) - 1) + 1)}


def is_moved(one: Slip) -> bool:
    """Whether it is the blanks of a line that are wrong, and nothing else."""
    return one.old.split() == one.new.replace("▲", "").split()


def beside_each_other(one: Slip, other: Slip) -> bool:
    """Whether they are in different lines of text, neither is in an input that the other names, about which nothing
    could be said, and they are not both moved within one block, where none of a few lines says which are right."""
    places = lines_of(one), lines_of(other)
    if is_moved(one) and is_moved(other) and min(abs(a - b) for a in places[0] for b in places[1]) <= OF_A_BLOCK:
        return False
    names = [set(re.findall(r"\w+", each.old + each.new)) for each in (one, other)]
    unread = ({name for name, line in INPUTS.items() if line in lines} for lines in reversed(places))
    return not places[0] & places[1] and not any(used & spoilt for used, spoilt in zip(names, unread, strict=True))


def some(seed: int) -> list[Slip]:
    """Slips by chance that can stand beside each other."""
    chosen: list[Slip] = []
    for one in random.Random(seed).sample(SLIPS, len(SLIPS)):
        if len(chosen) < AT_ONCE and all(beside_each_other(one, other) for other in chosen):
            chosen.append(one)
    return chosen


@pytest.mark.parametrize(("third", "head"), [*enumerate((HEAD, HEAD_2, HEADS[0]))])
def test_p10_every_slip_in_a_plant_of_5000_inputs(third: int, head: tuple[Slip, ...], tmp_path: Path) -> None:
    """More than 200 lines of 25 inputs, with a third of the slips, each in a line of its own: each is told with its
    cure, at its place and once, and nothing else is."""
    slips = ALL[third::3]
    answer = said_of(tmp_path / "c", head, slips, lines=len(slips) + 1)
    places = [where for where, _ in (*answer.problems, *answer.warnings)]
    assert sorted(places) == sorted(answer.expected.values())
    told = {True: dict(answer.warnings), False: dict(answer.problems)}
    missed = [one for one in (*head, *slips) if answer.expected[one] not in told[one.warning]]
    assert missed == []
    wrong = [
        (str(one), told[one.warning][answer.expected[one]])
        for one in (*head, *slips)
        if not all(word in told[one.warning][answer.expected[one]] for word in one.words)
    ]
    assert wrong == []


@pytest.mark.parametrize("lines", [1, 3])
def test_a_long_line_is_looked_at_no_oftener_than_is_tried(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many guesses a line gives, only those that are tried are made, and looked for in the lines beside it."""
    times = Counter[str]()
    scan, true = yaml_brackets.scan, _Repaired._true

    def scanned(text: str) -> yaml_brackets.Line:
        times["scanned"] += 1
        return scan(text)

    def placed(self: _Repaired, position: Position) -> Position:
        times["placed"] += 1
        return true(self, position)

    monkeypatch.setattr(yaml_lines, "scan", scanned)
    monkeypatch.setattr(_Repaired, "_true", placed)
    keys = ", ".join(f'k{number}: "x, b: y"' for number in range(40))
    line = f'  - {{{keys}, c: "\n'
    root, faults = read_yaml("lines:\n" + line * lines, Path("gateway.yaml"))
    assert [fault.position.line for fault in faults] == [*range(2, lines + 2)]
    assert times["scanned"] < 100 * lines
    assert times["placed"] < 150 * lines
    assert root.value


@pytest.mark.parametrize(("old", "new"), [("hold: 5s", "hold:5s"), ('product: "{sku}"\n', 'product: "{sku}\n')])
def test_a_long_section_is_read_once_and_not_for_each_of_its_mistakes(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has a name in it, as templates have, is looked through by itself, as an item of a list is."""
    read = Counter[str]()

    def counted(text: str, file: Path, beyond: int) -> BrokenFileError | None:
        read["characters"] += len(text)
        return stopped(text, file, beyond)

    monkeypatch.setattr(yaml_repair, "stopped", counted)
    begin = LINE[: LINE.index("    inputs:\n")]
    texts = [LINE.replace(begin, f"  t{number}:\n").replace(old, new, 1) for number in range(16)]
    text = f"{HEAD_OF_PLANT.replace('lines:', 'templates:')}{''.join(texts)}"
    _, faults = read_yaml(text, Path("gateway.yaml"))
    assert [fault.position.line for fault in faults] == [
        number for number, line in enumerate(text.splitlines(), 1) if new.strip() in line and old.strip() not in line
    ]
    assert read["characters"] < 15 * len(text)


@pytest.mark.parametrize("seed", range(16))
def test_p10_any_slips_at_once(seed: int, tmp_path: Path) -> None:
    """Each is told with its cure, at its place and once, none is hidden by another, and none is invented: so once they
    are mended there is nothing left to tell."""
    slips = some(seed)
    assert len(slips) == AT_ONCE
    answer = said_of(tmp_path / "c", (), (), slips, lines=3)
    told = [*answer.problems, *answer.warnings]
    assert Counter(where for where, _ in told) == Counter(answer.expected[one] for one in slips)
    for one in slips:
        (text,) = [text for where, text in told if where == answer.expected[one]]
        assert all(word in text for word in one.words)


def test_a_line_whose_likelier_guess_leads_nowhere_hides_nothing_behind_it(tmp_path: Path) -> None:
    """Each guess is gone on from once, so that there are tries enough for the one that is right."""
    pair = [one for one in ALL if one.new.strip() in {'▲"inputs:', '▲"ns=3;s="DB1"."Speed""'}]
    answer = said_of(tmp_path / "c", (), (), pair, lines=3)
    assert len(pair) == 2
    assert sorted(where for where, _ in answer.problems) == sorted(answer.expected.values())


def test_what_stands_behind_a_whole_node_id_is_told_also_where_keys_have_names_of_their_own() -> None:
    _, faults = read_yaml('metadata: {lot: A, node: "ns=2;s=Lot", i=5}\n', Path("gateway.yaml"))
    assert [(fault.position.column, fault.text[:15]) for fault in faults] == [(40, "unknown key 'i'")]
