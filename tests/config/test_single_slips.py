"""P10: slips of which what is told depends on the rest of the plant's file: each in a file of its own."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.config.command import check, written
from tests.config.factory import HEAD, LINE, WHEN, places_of, said_of, slip, spoilt


def test_p10_a_source_that_nobody_knows_is_told_once() -> None:
    """Where a source is renamed and the inputs of the whole plant still name the old one, one line says so."""
    renamed = slip("  plc: {type", "  ▲plc1: {type", "unknown source 'plc'")
    with TemporaryDirectory() as folder:
        problems = said_of(Path(folder) / "c", [renamed], ()).problems
    assert len(problems) == 1
    assert "did you mean 'plc1'" in problems[0][1]
    assert "in 879 more inputs" in problems[0][1]


def test_p10_the_syntax_of_a_condition_rests_on_no_input() -> None:
    """Where an input that a condition names cannot be read, what is wrong with the condition itself is said as well."""
    slips = (
        slip("s=L00.State", "s=▲${PLC}.State", "no value for ${PLC}"),
        slip(WHEN, '▲"state == 1 && speed > 5,0"', 'write the number with a point: "5.0"'),
    )
    with TemporaryDirectory() as folder:
        problems = said_of(Path(folder) / "c", (), (), slips).problems
    assert len(problems) == 2
    assert all(word in text for one, (_, text) in zip(slips, problems, strict=True) for word in one.words)


def test_p10_of_two_names_that_are_there_once_the_usual_one_is_right() -> None:
    """Wherever it stands: what Oden usually has is not blamed for the slip above it."""
    slipped = slip("1: {category: Uptime}", "1: {category: ▲Planed Downtime}", "one letter apart", warning=True)
    with TemporaryDirectory() as folder:
        answer = said_of(Path(folder) / "c", (), (), [slipped], lines=1)
    assert answer.problems == []
    assert [where for where, _ in answer.warnings] == [answer.expected[slipped]]


def test_p10_a_category_of_the_page_is_blamed_for_its_own_slip() -> None:
    """`status.categories` says how categories are shown; one that is spelt wrong there is told there."""
    slipped = slip(
        "listen: 127.0.0.1:8321", "categories: {▲Unplaned Downtime: stopped}", "one letter apart", warning=True
    )
    with TemporaryDirectory() as folder:
        answer = said_of(Path(folder) / "c", [slipped], (), lines=2)
    assert [where for where, _ in (*answer.problems, *answer.warnings)] == [answer.expected[slipped]]


def test_p10_the_port_of_the_other_kind_of_connection() -> None:
    slipped = slip('"mqtt://broker.plant-a.local"', '▲"mqtt://broker.plant-a.local:8883"', "mqtts://", warning=True)
    with TemporaryDirectory() as folder:
        answer = said_of(Path(folder) / "c", [slipped], (), lines=1)
    ((where, text),) = (*answer.problems, *answer.warnings)
    assert where == answer.expected[slipped]
    assert "write mqtts://" in text


def test_p10_a_field_of_a_tag_is_told_where_it_is_named_and_not_of_the_tag() -> None:
    """The key of a run that is a tag is no whole message because somebody wrote `{order.name}`."""
    key = slip("{type: Recipe, key: sku,", "{type: Recipe, key: t1,")
    slipped = slip('lot: "{order}"', 'lot: ▲"{t1.name}"', "has no fields")
    line = LINE.replace(key.old, key.new)
    with TemporaryDirectory() as folder:
        path = written(Path(folder) / "c", HEAD + spoilt(line, slipped).replace("▲", ""))
        problems = check(path).problems
    assert len(problems) == 1
    assert "has no fields" in problems[0]


def test_p10_a_topic_of_all_lines_that_begins_with_a_slash() -> None:
    """However many lines a template makes of it."""
    slips = [
        slip("topic: plant-a/L00/events/scrap", "topic: ▲/plant-a/L00/events/scrap", "begins with a '/'", warning=True)
    ]
    with TemporaryDirectory() as folder:
        answer = said_of(Path(folder) / "c", (), [*slips] * 8, lines=9)
    assert answer.problems == []
    assert len(answer.warnings) == 8


GOALS = "tables:\n  goals: {file: goals.csv}\nlines:\n"


@pytest.mark.parametrize("value", ["{▲goals[sku].speed}", "{▲goals[sku].speed|12}", "{speed|{▲goals[sku].speed}}"])
def test_p10_a_target_from_a_column_without_numbers(value: str, tmp_path: Path) -> None:
    """No target is told by what the table holds now, and the gateway starts; where some cells are numbers, those are
    told."""
    text = HEAD.replace("lines:\n", GOALS) + LINE.replace("value: 12.5", f'value: ▲"{value.replace("▲", "")}"')
    for cells, expected in (("12 1/min", 1), ("12,5 m", 1), ("12.5", 0)):
        folder = tmp_path / cells.replace("/", "")
        path = written(folder, text.replace("▲", ""))
        (folder / "goals.csv").write_text(f'sku,speed\nA,"{cells}"\nB,fast\n', encoding="utf-8")
        answer = check(path)
        told = [problem for problem in answer.problems if "'speed' of 'goals' has none" in problem]
        assert (answer.code, len(told)) == (0, expected), answer.problems
        assert all(f"{places_of(text)[0]}: warning: " in problem for problem in told)


def test_p10_a_word_of_a_spreadsheet_for_false_in_a_cell(tmp_path: Path) -> None:
    """It is told in the table."""
    tags = 'name;source;node;default\nt99;plc;"ns=2;s=T99";FALSCH\n'
    line = LINE.replace("    inputs:\n", "    inputs:\n      file: tags.csv\n")
    path = written(tmp_path / "c", HEAD + line)
    path.with_name("tags.csv").write_text(tags, encoding="utf-8")
    (problem,) = check(path).problems
    assert problem.startswith("tags.csv:2:22: warning: a spreadsheet writes this for false")
