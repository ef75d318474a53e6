"""P10: several mistakes in one line of a plant: what cannot be read hides nothing that does not rest on it."""

from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.config.factory import Slip, said_of, slip
from tests.config.plant import PLANT, planted

NODE = 'source: plc, node: "nsu=urn:acme:line;s=L00.T3"'
UNSURE = slip(NODE, f"source: ▲{NODE.removeprefix('source: ').replace(', node', ' tag')}", "a ',' is missing")
WRONG_FORM = slip(f"t3: {{{NODE}}}", "t3: ▲5", "keys and values")
OTHERS = (
    slip("line: Line 00", "line: ▲Line 00,", "the ',' at its end", warning=True),
    slip("rollover: 65536, max", "rollover: ▲2^16, max", "write a number"),
    slip("plant-a/L00/events/scrap", "▲plant-a/L00/events/scrap/", "at the end", warning=True),
    slip('product: "{sku}"\n', 'product: "{▲skus}"\n', 'did you mean "sku"'),
    slip("reason: Changeover", "reason: ▲Change over", "'Changeover' elsewhere", warning=True),
    slip('"speed > 5.0"', '"speed > ▲5,0"', "with a point"),
    slip("hold: 5s", "hold▲:5s", "a blank is missing"),
)


@pytest.mark.parametrize("unreadable", [UNSURE, WRONG_FORM], ids=["unsure", "another form"])
def test_p10_what_cannot_be_read_hides_no_other_mistake_of_its_line(unreadable: Slip, tmp_path: Path) -> None:
    """An input of which nothing is known, and seven mistakes of other kinds beside it: all are told in one run, and
    nothing else. What names that input is not told."""
    answer = said_of(tmp_path / "c", (), (), (unreadable, *OTHERS))
    for case in (unreadable, *OTHERS):
        told = answer.warnings if case.warning else answer.problems
        here = [text for where, text in told if where == answer.expected[case]]
        assert any(all(word in text for word in case.words) for text in here), (case, told)
    assert len(answer.problems) + len(answer.warnings) == 1 + len(OTHERS)
    counted = slip("- {count: reject,", "- {count: ▲t3,", "")  # whether it is a counter is not known
    assert len(said_of(tmp_path / "names", (), (), (unreadable, counted)).problems) == 1


T4 = 't4: {source: plc, node: "nsu=urn:acme:line;s=L00.T4"}'
NAMES_IT = (
    slip(T4, 't4: {expr: "▲stat == 1 && t3 > 5 && t3 < size(stat)"}', '"stat" is not an input'),
    slip('name: "{order}"', 'name: "{▲ordr} {t3}"', '"ordr" is not an input'),
    slip('product: "{sku}", metric', 'product: "{t3}{▲skus}", metric', '"skus" is not an input'),
    slip('lot: "{order}"', 'lot: "{▲goals[t3].x}"', '"goals" is not one of the tables'),
    slip("- {count: good, raw_data", "- {count: ▲goods, raw_data", '"goods" is not an input'),
)


@pytest.mark.parametrize("unreadable", [UNSURE, WRONG_FORM], ids=["unsure", "another form"])
def test_p10_a_name_that_is_unsure_hides_nothing_said_of_another(unreadable: Slip, tmp_path: Path) -> None:
    """Where a text names an input of which nothing is known and one that there is not, the latter is told."""
    answer = said_of(tmp_path / "c", (), (), (unreadable, *NAMES_IT), lines=2)
    expected = {answer.expected[case]: case for case in (unreadable, *NAMES_IT)}
    assert sorted(where for where, _ in answer.problems) == sorted(expected)
    assert all(word in text for where, text in answer.problems for word in expected[where].words)


def test_p10_a_missing_comma_before_a_key_leaves_nothing_open(tmp_path: Path) -> None:
    """It is one mistake at one place, and what stands behind it is read."""
    slips = (
        slip(NODE, 'source: ▲plc node: "ns=2,s=${plc}.Speed"', "a ',' is missing"),
        slip('name: "{order}"', 'name: ▲"{ordr} {t3}"', '"ordr" is not an input'),
    )
    wheres = [where for where, _ in said_of(tmp_path / "c", (), (), slips, lines=2).problems]
    line, column = next(iter(wheres)).rsplit(":", 2)[1:]
    assert wheres[1] == f"gateway.yaml:{line}:{int(column) + 10}"
    assert len(wheres) == 3


def test_p10_what_two_names_of_one_expression_are_not(tmp_path: Path) -> None:
    """Each name that is no input, and each function that there is not, is told."""
    wrong = slip(T4, 't4: {expr: ▲"stat == 1 && goods > max(speeds)"}', "")
    texts = [text for _, text in said_of(tmp_path / "c", (), (), (wrong,), lines=2).problems]
    assert sorted(text.split('"')[1] for text in texts) == ["goods", "max", "speeds", "stat"]


def test_p10_an_included_file_that_is_not_there_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the lines name may be in it: no template, source or table is called unknown because of that."""
    main_file = PLANT["gateway.yaml"]
    begin, end = main_file.index("templates:"), main_file.index("lines:\n")
    without = main_file[:begin] + main_file[end:]
    files = {**PLANT, "gateway.yaml": without.replace("[sources.yaml,", "[sources.yaml, templates.yaml,")}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", "gateway.yaml"]) == 2
    assert [line.split(": ")[0] for line in capsys.readouterr().err.splitlines()] == ["gateway.yaml:1:25"]
