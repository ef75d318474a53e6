"""P10: lines of templates and included files that are indented as they cannot have been meant: one message each."""

from collections import Counter
from pathlib import Path

import pytest

from gateway.config import moved_lines, outline
from gateway.config.files import read_yaml
from gateway.config.moved_lines import put_back
from gateway.config.outline import Frame, Row, Trial
from gateway.config.schema import Config
from tests.config.factory import HERE, places_of

FILE = Path("gateway.yaml")
PLANT = """\
templates:
  filler:
    defaults: {rollover: 65536}
    inputs: {file: tags.csv}
    run:
      key: order
      product: "{sku}"
      settle: 1s
    states:
      input: state
      codes: {file: codes.csv}
      hold: 5s
  packer:
    inputs:
      running: {source: plc, node: "ns=4;s=${unit}.Running"}
      cases: {source: plc, node: "ns=4;s=${unit}.Cases", counter: {signed: 16}}
      order: {source: floor, topic: "dairy/${unit}/order"}
    run: {key: order, product: "{order}"}
    states:
      ladder:
        - {when: "running", category: Uptime}
        - {when: "cases > 1", category: Jam}
      other: {category: Waiting}
lines:
  - {file: lines.csv, use: filler, factory: Dairy}
  - factory: Dairy
    line: Packer 1
    use: packer
    with: {unit: PK1}
  - factory: Dairy
    line: Packer 2
    use: packer
    with: {unit: PK2}
"""
SLIPS = {
    "a section at the left edge": ("    inputs:\n      running", "▲inputs:\n      running", "by 4 blanks more"),
    "another": ("    states:\n      input", "▲states:\n      input", "by 4 blanks more"),
    "a template's name too far in": ("  filler:\n", "    ▲filler:\n", "by 2 blanks less"),
    "and behind another": ("  packer:\n", "    ▲packer:\n", "by 2 blanks less"),
    "the first line of a block": ("      ladder:\n", "         ▲ladder:\n", "by 3 blanks less"),
    "use": ("    line: Packer 1\n    use:", "    line: Packer 1\n  ▲use:", "by 2 blanks more"),
    "an item too far in": (
        "  - factory: Dairy\n    line: Packer 2",
        "    ▲- factory: Dairy\n    line: Packer 2",
        "by 2 blanks less",
    ),
    "a dash too many": ("    run:\n", "    ▲- run:\n", "one too many"),
    "a dash too few": (
        "  - factory: Dairy\n    line: Packer 2",
        "  ▲factory: Dairy\n    line: Packer 2",
        "'- ' is missing",
    ),
    "two lines in one": ("      settle: 1s\n    states:\n", "      settle: 1s ▲states:\n", "a line of its own"),
    "a section and what begins it in one": (
        "      ladder:\n        - {when",
        "      ladder: ▲- {when",
        "belongs below 'ladder'",
    ),
    "two items in one": (
        "category: Uptime}\n        - {when",
        "category: Uptime} ▲- {when",
        "a line of its own",
    ),
    "another sign for a dash": (
        "  - factory: Dairy\n    line: Packer 2",
        "  ▲* factory: Dairy\n    line: Packer 2",
        "- ",
    ),
    "what belongs to a section": (
        '      key: order\n      product: "{sku}"\n      settle: 1s\n    states',
        '  ▲key: order\n  product: "{sku}"\n  settle: 1s\n    states',
        "by 4 blanks more",
    ),
    "a tab": ("    run:\n", "▲\trun:\n", "a tab"),
}
"""What stands there, what stands there instead, and words of what is told at the mark."""


def told(marked: str) -> list[tuple[str, str]]:
    """The place and the text of what is said of a file from which the marks are removed."""
    return [(str(one.position), one.text) for one in read_yaml(marked.replace(HERE, ""), FILE, Config)[1]]


def values(text: str) -> object:
    """What the file is read as."""
    return read_yaml(text.replace(HERE, ""), FILE, Config)[0].tree()


RIGHT = """\
templates:
  filler:
    defaults:
      codes:
        1:
          category: Uptime
      names:
      - a
    inputs:
      file: tags.csv
      begin:
        source: floor
        topic: dairy/events
        only:
          type:
          - start
          - stop
lines:
- file: lines.csv
  use: filler
  factory: Dairy
"""
"""Forms in which hardly anybody writes what is right."""


@pytest.mark.parametrize("text", [PLANT, RIGHT])
def test_what_is_right_is_left_alone(text: str) -> None:
    """Also beside what is not."""
    assert told(text) == []
    assert put_back(text.splitlines(), FILE, Config) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("defaults: {rollover: 65536}", "defaults: rollover: 65536}"),
        ("    run:\n      key: order\n", "    run:\n      - type: a, key: order}\n"),
    ],
)
def test_a_bracket_that_is_missing_is_no_line_that_was_joined(old: str, new: str) -> None:
    assert PLANT.count(old) == 1
    assert not [one for one in told(PLANT.replace(old, new)) if "a line of its own" in one[1]]


def test_p1_a_file_of_which_nothing_fits_is_not_looked_at_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many lines are tried elsewhere grows with the length of the file."""
    tried = Counter[int]()
    placed = outline.placed

    def counted(frame: Frame, row: Row, number: int, trial: Trial) -> tuple[Frame, int]:
        tried[lines] += 1
        return placed(frame, row, number, trial)

    monkeypatch.setattr(moved_lines, "placed", counted)
    for lines in (2_000, 8_000):
        put_back([f"{' ' * (number % 3 * 2)}key{number}: {number}" for number in range(lines)], FILE, Config)
        assert tried[lines] < 30 * lines + 250_000


@pytest.mark.parametrize("name", SLIPS)
def test_p10_one_message_at_its_place(name: str) -> None:
    """And what is read is what was meant."""
    old, new, words = SLIPS[name]
    assert PLANT.count(old) == 1
    marked = PLANT.replace(old, new)
    answer = told(marked)
    assert [where for where, _ in answer] == places_of(marked), answer
    assert words in answer[0][1]
    assert values(marked) == values(PLANT)


def test_p10_several_in_one_file() -> None:
    """Each is told, and none hides another."""
    marked = PLANT
    for name in ("and behind another", "two lines in one", "an item too far in"):
        old, new, _ = SLIPS[name]
        marked = marked.replace(old, new)
    assert sorted(where for where, _ in told(marked)) == sorted(places_of(marked))
    assert values(marked) == values(PLANT)
