"""P10: keys whose values stand elsewhere: told once, at their place, with a cure that works, and nothing besides."""

from pathlib import Path

import pytest

from tests.config.factory import HERE, LINE, Slip, said_of, slip

INPUTS = LINE[LINE.index("    inputs:\n") : LINE.index("    run:\n")]
RUN = LINE[LINE.index("    run:\n") : LINE.index("    states:\n")]
STATES = LINE[LINE.index("    states:\n") : LINE.index("    intervals:\n")]
CODES = STATES[STATES.index("      codes:\n") : STATES.index("      other:")]
OUTPUT = LINE[LINE.index("    scrap_yield:\n") : LINE.index("    rules:\n")]
SPEED = '      speed: {source: plc, node: "nsu=urn:acme:line;s=L00.Speed"}\n'
GOOD = '      good: {source: plc, node: "nsu=urn:acme:line;s=L00.Good", counter: {rollover: 65536, max_rate: 5/s}}\n'


def too_far_out(section: str) -> str:
    """The lines below the first by two blanks less, and the mark at the first of them."""
    head, *below = section.splitlines(keepends=True)
    indent = len(below[0]) - len(below[0].lstrip()) - 2
    moved = "".join(line[2:] for line in below)
    return head + moved[:indent] + HERE + moved[indent:]


TOO_FAR_OUT = (
    slip(INPUTS, too_far_out(INPUTS), "belongs to 'inputs' of line", "by 2 blanks more, and all down to line"),
    slip(RUN, too_far_out(RUN), "belongs to 'run' of line", "and all down to line"),
    slip(STATES, too_far_out(STATES), "belongs to 'states' of line", "and all down to line"),
    slip(CODES, too_far_out(CODES), "belongs to 'codes' of line", "and all down to line"),
    slip(OUTPUT, too_far_out(OUTPUT), "belongs to 'scrap_yield' of line", "and all down to line"),
    slip('      end: {when: "state == 0"', '    ▲end: {when: "state == 0"', "belongs to 'run' of line", "blanks more"),
    slip("      hold: 5s\n", "    ▲hold: 5s\n", "belongs to 'states' of line", "by 2 blanks more"),
    slip(
        SPEED,
        '      speed:\n      ▲source: plc\n      node: "nsu=urn:acme:line;s=L00.Speed"\n',
        "belongs to the key of line",
        "and all down to line",
    ),
    slip(
        GOOD,
        "      good:\n      ▲source: plc\n"
        '      node: "nsu=urn:acme:line;s=L00.Good"\n      counter: {rollover: 65536, max_rate: 5/s}\n',
        "belongs to the key of line",
        "and all down to line",
    ),
)
TOO_FAR_IN = (
    slip("    run:\n", "      ▲run:\n", "beside 'inputs' of line", "by 2 blanks less"),
    slip(
        RUN,
        "      ▲" + "\n  ".join(RUN.splitlines()).lstrip() + "\n",
        "beside 'inputs' of line",
        "by 2 blanks less, and all down to line",
    ),
    slip("        2: {cat", "      ▲2: {cat", "indented by 6 blanks; its neighbours are by 8"),
)
OF_THE_FIRST = (
    slip("oden:\n", " ▲oden:\n", "indented by 1 blank; its neighbours are not indented"),
    slip("oden:\n", "  ▲oden:\n", "indented by 2 blanks; its neighbours are not indented"),
)
SHARED = (
    slip(CODES, "      codes: {▲1, 2, 3: {category: Uptime}}\n", "cannot share a value", "a line of its own"),
    slip(CODES, "      codes: {1: {category: Uptime}, ▲2, 3: {category: Idle}}\n", "cannot share a value"),
)


@pytest.mark.parametrize(
    "slips",
    [TOO_FAR_OUT, TOO_FAR_IN, SHARED],
    ids=["indented too little", "indented too much", "codes that share a value"],
)
def test_p10_what_is_misplaced_is_told_once(slips: tuple[Slip, ...], tmp_path: Path) -> None:
    """And what is meant counts from then on: nothing else is said that only follows."""
    answer = said_of(tmp_path / "c", (), slips)
    assert sorted(where for where, _ in answer.problems) == sorted(answer.expected.values())
    assert answer.warnings == []
    told = dict(answer.problems)
    assert [one for one in slips if not all(word in told[answer.expected[one]] for word in one.words)] == []


@pytest.mark.parametrize("slip", OF_THE_FIRST, ids=["one blank", "two blanks"])
def test_p10_the_first_section_is_indented(slip: Slip, tmp_path: Path) -> None:
    """It is told of that, not of all sections behind it, which are not."""
    answer = said_of(tmp_path / "c", (slip,), ())
    ((where, text),) = answer.problems
    assert where == answer.expected[slip]
    assert all(word in text for word in slip.words)


def test_the_cure_works(tmp_path: Path) -> None:
    """Indented by two blanks from the place named down to the line named, the file is as it was."""
    answer = said_of(tmp_path / "c", (), (TOO_FAR_OUT[2],))
    ((where, text),) = answer.problems
    lines = (tmp_path / "c" / "gateway.yaml").read_text().splitlines(keepends=True)
    first, last = int(where.split(":")[1]), int(text.rsplit(" ", 1)[1])
    lines[first - 1 : last] = [f"  {line}" for line in lines[first - 1 : last]]
    assert STATES.replace("L00", "L01") in "".join(lines)
