"""P10 for files that are not what their names say, and for files that may not be read: told at the file where it is."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from gateway.__main__ import main
from gateway.cli import run
from gateway.cli.startup import read_config
from gateway.errors import ConfigError, Diagnostic
from gateway.log_sink import LogStream
from tests.config.command import GOOD, TOKEN, check, environment, written
from tests.config.factory import HEAD, places_of
from tests.config.plant import PLANT, planted

MAIN = "gateway.yaml"
TAGS, LINES, PRODUCTS = PLANT["tags.csv"], PLANT["lines.csv"], PLANT["products.csv"]


@pytest.mark.parametrize(
    ("name", "content", "where", "words"),
    [
        ("tags.csv", TAGS.replace(";", "\t"), "tags.csv:1:5", "set apart by tabs; save it with ',' or ';'"),
        ("lines.csv", LINES.replace(",", "\t"), "lines.csv:1:5", "set apart by tabs"),
        ("products.csv", PRODUCTS.replace(",", "\t"), "products.csv:1:4", "set apart by tabs"),
        ("codes.csv", PLANT["codes.csv"].replace(",", "|"), "codes.csv:1:5", "set apart by '|'"),
        ("tags.csv", f"sep=;\n{TAGS}", "tags.csv:1:1", "for Excel alone; remove it"),
        ("products.csv", f"sep=,\n{PRODUCTS}", "products.csv:1:1", "for Excel alone; remove it"),
        ("lines.csv", "line,plc,rollover\n", "lines.csv:1:1", "no row below it"),
        ("tags.csv", TAGS.partition("\n")[0], "tags.csv:1:1", "no row below it"),
        ("products.csv", "sku,name\n", "products.csv:1:1", "no row below it"),
        ("tags.csv", b"PK\x03\x04\x14\x00\x06\x00", "tags.csv:1:1", "a workbook of a spreadsheet"),
        ("lines.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "lines.csv:1:1", "a workbook of a spreadsheet"),
        ("products.csv", b"PK\x03\x04\x14\x00\x06\x00", "products.csv:1:1", "a workbook of a spreadsheet"),
        ("tags.csv", TAGS.encode("utf-16"), "tags.csv:1:1", "UTF-16; save the file as UTF-8"),
        ("sources.yaml", PLANT["sources.yaml"].encode("utf-16"), "sources.yaml:1:1", "UTF-16"),
        (
            "lines.csv",
            LINES.replace("line,", "Line,"),
            "lines.csv:1:1",
            "did you mean 'line', a key of the line itself?",
        ),
        (
            "lines.csv",
            LINES.replace("line,", "line ,").replace("L01", "L\u200b01"),
            "lines.csv:2:10",
            "zero width space",
        ),
        ("tags.csv", TAGS.replace(";node", ";Node"), "tags.csv:1:13", "did you mean 'node'"),
        ("tags.csv", TAGS.replace("node;counter.r", "node_id;counter.r"), "tags.csv:1:13", "did you mean 'node'"),
        ("tags.csv", TAGS.replace("max_rate", "max rate"), "tags.csv:1:35", "did you mean 'max_rate'"),
        ("codes.csv", PLANT["codes.csv"].replace("category", "Category"), "codes.csv:1:6", "did you mean 'category'"),
        (
            "tags.csv",
            TAGS.replace('"ns=2;s=${plc}.Good"', "NS=2,S=${plc}.Good"),
            "tags.csv:3:16",
            "did you mean 'ns=2;s=L",
        ),
    ],
)
def test_p10_tables_that_are_none(name: str, content: str | bytes, where: str, words: str, tmp_path: Path) -> None:
    """What is wrong with a table is told in the table, not where it is named, and nothing seems wrong besides."""
    path = planted(tmp_path, {**PLANT, name: content if isinstance(content, str) else ""})
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    told = [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.diagnostics]
    assert any(problem.startswith(f"{where}: ") and words in problem for problem in told), told
    assert all(problem.startswith(f"{name}:") for problem in told if "no value for ${line}" not in problem), told


@pytest.mark.parametrize("heading", ["PLC", "plcs", "Plc"])
def test_p10_a_heading_that_is_nearly_a_parameter_is_told_once(heading: str, tmp_path: Path) -> None:
    """It is told at the heading, not at each row that lacks the parameter."""
    path = planted(tmp_path, {**PLANT, "lines.csv": LINES.replace("plc", heading)})
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    (told,) = (str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.diagnostics)
    assert told.startswith(f"lines.csv:1:6: nothing asks for ${{{heading}}}; did you mean 'plc'"), told


@pytest.mark.parametrize("written", ["$(plc)", "$(plc) of ${line}", "${line} $(plc)", "s=${line}.<plc>"])
def test_p10_a_parameter_as_other_tools_write_it_is_told_once(written: str, tmp_path: Path) -> None:
    """It is text here: told in the template, beside parameters that are written right as well."""
    text = PLANT[MAIN].replace("${plc} of ${line}", written)
    warnings = read_config(planted(tmp_path, {**PLANT, MAIN: text}), environment())[0].warnings
    (told,) = (str(warning).replace(f"{tmp_path}/", "") for warning in warnings)
    assert told.startswith(f"{MAIN}:22:59:"), told
    assert "'plc' is a parameter: it is filled in where it is written ${plc}" in told


TEMPLATE = (
    ("state\n      codes", "▲stat\n      codes", '"stat" is not an input'),
    ("count: good", "count: ▲goood", 'did you mean "good"'),
    ("settle: 1s", "settle: ▲1", "duration with its unit"),
    ("every: 60s", "▲evry: 60s", "did you mean 'every'"),
    ("key: order", "key: ▲ordre", 'did you mean "order"'),
)
OF_LINES: dict[str, tuple[str | bytes, str | None, str]] = {
    "more cells than columns": (LINES.replace("line,plc,rollover\n", "line,plc\n"), "extruder", "lines.csv:1:1"),
    "other separators": (LINES.replace(",", ";").replace("line;plc;", "line,plc,"), "extruder", "lines.csv"),
    "Latin-1": (LINES.replace("Line 01", "Stra\xdfe 1").encode("latin-1"), "extruder", "lines.csv:2:5"),
    "tabs": (LINES.replace(",", "\t"), "extruder", "lines.csv:1:5"),
    "no row": ("line,plc,rollover\n", "extruder", "lines.csv:1:1"),
    "a column that nothing asks for": (LINES.replace("line,", "Linie,"), "extruder", "lines.csv"),
    "another template": (LINES, "extruders", "gateway.yaml"),
    "a template that there is not": (LINES, "filler", "gateway.yaml"),
    "the template in a column": (LINES.replace("line,plc", "line\tplc"), None, "lines.csv"),
}


@pytest.mark.parametrize("case", OF_LINES)
def test_p10_a_table_of_lines_that_is_wrong_hides_nothing_of_its_template(case: str, tmp_path: Path) -> None:
    """What is wrong in the template is told as well, each at its place, and nothing that only follows."""
    content, use, of_table = OF_LINES[case]
    text = PLANT[MAIN].replace(", lines/*.yaml", "").replace(", use: extruder", f", use: {use}" if use else "")
    for old, new, _ in TEMPLATE:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = planted(tmp_path, {**PLANT, MAIN: text.replace("▲", "")})
    (tmp_path / "lines.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    told = [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.diagnostics]
    for place, (_, _, words) in zip(places_of(text), [TEMPLATE[at] for at in (4, 2, 0, 3, 1)], strict=True):
        assert [line for line in told if line.startswith(f"{place}: ") and words in line], (place, words, told)
    others = [line for line in told if not any(line.startswith(f"{place}: ") for place in places_of(text))]
    assert others
    assert all(line.startswith(of_table) for line in others), others
    assert len({line.partition(": ")[0] for line in told}) == len(told)


@pytest.mark.parametrize(
    ("name", "table", "problems", "warnings"),
    [
        # A code may begin as a comment does; one that is in quotes was not meant to be a comment.
        ("codes.csv", 'code,category\n"#E12",Unplanned Downtime\n', [], []),
        ("codes.csv", "code,category\n#E12,Unplanned Downtime\n", [], ["codes.csv:2:1"]),
        ("codes.csv", "code,category\n1,Uptime\n# stops,\n", ["codes.csv:3:1"], []),
        # A number and its unit in a text, and where a number is asked for.
        ("products.csv", "sku,name\n100,500\u00a0ml\n", [], ["products.csv:2:8"]),
        ("products.csv", "sku;name\n100;500\u202fml\n", [], ["products.csv:2:8"]),
        ("lines.csv", LINES.replace("1000", "1\u00a0000"), ["lines.csv:3:14"], []),
        ("tags.csv", TAGS.replace("5/s", "5\u00a0/s"), ["tags.csv:3:50"], []),
    ],
)
def test_p10_cells_that_look_like_a_slip(
    name: str, table: str, problems: list[str], warnings: list[str], tmp_path: Path
) -> None:
    """A table is refused only where what is in it cannot be meant."""
    special = PLANT["lines/special.yaml"].replace("codes: {3: ~, 2: {reason: Cleaning}}", "{}")
    path = planted(tmp_path, {**PLANT, "lines/special.yaml": special, name: table})
    faults: Sequence[Diagnostic] = ()
    try:
        doubts = read_config(path, environment())[0].warnings
    except ConfigError as error:
        faults, doubts = error.diagnostics, error.warnings
    places = [[str(each).replace(f"{tmp_path}/", "").split(": ")[0] for each in found] for found in (faults, doubts)]
    assert places == [problems, warnings]


def test_p10_a_summary_of_all_rows_hides_nothing_else(tmp_path: Path) -> None:
    """What is wrong with one of them in another way is told as well."""
    table = 'sku,name,unit\n100,Pipe\n,Hose\n101,"x"y\n'
    with pytest.raises(ConfigError) as caught:
        read_config(planted(tmp_path, {**PLANT, "products.csv": table}), environment())
    told = [str(problem).replace(f"{tmp_path}/", "").split(": ")[0] for problem in caught.value.diagnostics]
    assert told == ["products.csv:1:1", "products.csv:4:8"]


@pytest.mark.parametrize("name", ["gateway.yaml", "tags.csv"])
def test_p10_permission_denied(name: str, open_folder: Path) -> None:
    """A file that the service's user may not read is told as that, with who that is and what to do."""
    planted(open_folder)
    (open_folder / name).chmod(0)
    once = "main(['check', '-c', 'gateway.yaml', '--json'])"  # what is imported late is there before the user changes
    script = f"import os; from gateway.__main__ import main; {once}; os.getuid() or os.setuid(65534); {once}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=open_folder,
        env=environment(PYTHONPATH=os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    problems = json.loads(done.stdout.splitlines()[-1])["problems"]
    denied = [f"{problem['where']}: {problem['text']}" for problem in problems]
    assert len(denied) == 1, (denied, done.stderr)
    assert "permission denied: the user" in denied[0]
    assert "must be able to read it" in denied[0]
    assert name in denied[0]


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("sku;speed\n100;0,5\n200;1.25\n300;2,5\n", "products.csv:3:5"),
        ("sku;speed\n100;0,5\n200;1.25\n300;2.5\n400;7\n", "products.csv:2:5"),
        ('sku,speed\n100,"0,5"\n200,1.25\n', "products.csv:3:5"),
        ("sku;speed;speed_2\n100;0,5;1.250\n200;2,5;7\n", "products.csv:2:9"),
        ("sku;speed;version\n100;0,5;1.25\n200;2,5;1.3\n", None),
        ("sku;speed;of\n100;0,5;v1.25\n200;2,5;7\n", None),
        ("sku;speed\n100;0,5\n200;2,5\n300;7\n", None),
        ("sku;speed\n100;0,5\n200;v2.5\n", None),
    ],
)
def test_p10_numbers_of_a_column_that_are_written_in_two_ways(table: str, where: str | None, tmp_path: Path) -> None:
    """One of them is most likely another number than was meant."""
    path = planted(tmp_path, {**PLANT, "products.csv": table, MAIN: PLANT[MAIN].replace("].name", "].speed")})
    warnings = [str(warning).replace(f"{tmp_path}/", "") for warning in read_config(path, environment())[0].warnings]
    assert [warning.split(": ")[0] for warning in warnings] == ([] if where is None else [where])
    assert all("Write all alike" in warning for warning in warnings)


MANY = """\
sku,name,name,
100,Pipe,a,b
100,Hose,a,b
200,Rod,a
,Bar,a,b
300,"Tube"x,a,b
400,'5,a,b
500,"Wire,a,b
"""


def test_p10_all_that_is_wrong_with_a_table_in_one_run(tmp_path: Path) -> None:
    """A row that cannot be read hides no other, and nothing seems wrong that only follows from it."""
    tags = TAGS.replace("state;", "# the state\nstate;").replace("5/s", "5")
    codes = PLANT["codes.csv"].replace("2,Planned Downtime", "2,Planned, Downtime").replace("3,Unpl", "3;Unpl")
    codes = codes.replace("reason\n", "reason\n// states\n")
    files = {**PLANT, "products.csv": MANY, "tags.csv": tags, "codes.csv": codes}
    path = planted(tmp_path, files)
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    told = [str(problem).replace(f"{tmp_path}/", "").split(": ")[0] for problem in caught.value.diagnostics]
    rows = ["1:10", "1:15", "3:1", "4:1", "5:1", "6:11", "8:5"]
    expected = {*(f"products.csv:{row}" for row in rows), "tags.csv:2:1", "tags.csv:4:49"}
    assert sorted(told) == sorted({*expected, "codes.csv:2:1", "codes.csv:4:1", "codes.csv:5:1"})
    warnings = [str(warning).replace(f"{tmp_path}/", "").split(": ")[0] for warning in caught.value.warnings]
    assert warnings == ["products.csv:7:5"]


def test_p10_a_row_that_cannot_be_read_hides_nothing_beside_its_table(tmp_path: Path) -> None:
    """Whatever stands in it, what is wrong with an input beside it is."""
    alarm = 'alarm: {source: plc, node: "ns=2;s=Alarm", capture: "^ALARM .+$"}'
    head = f"{HEAD}  - factory: F\n    line: A\n"
    line = f"    inputs:\n      file: tags.csv\n      {alarm}\n    run: {{key: alarm, product: x}}\n"
    path = written(tmp_path / "c", head + line)
    path.with_name("tags.csv").write_text("name,source,node\na,plc,ns=2;s=A,x\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    told = [problem.where.rpartition("/")[2] for problem in caught.value.diagnostics]
    assert told == ["tags.csv:2:1", "gateway.yaml:19:59"]


@pytest.mark.parametrize(
    ("table", "where", "words"),
    [
        ("Products of 2024\nsku,name\n100,Pipe\n", "products.csv:1:1", "a title above the table?"),
        ("sku,name,unit\n100,Pipe\n200,Hose\n", "products.csv:1:1", "3 columns, and each row below it has 2 cells"),
        ("sku,name\n" + "100;Pipe\n" * 9, "products.csv:2:1", "so it is in 8 more rows"),
    ],
)
def test_p10_what_is_wrong_with_all_rows_is_told_once(table: str, where: str, words: str, tmp_path: Path) -> None:
    path = planted(tmp_path, {**PLANT, "products.csv": table})
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    (told,) = [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.diagnostics]
    assert told.startswith(f"{where}: ")
    assert words in told


@pytest.mark.parametrize("instead", ["$rollover", "{rollover}", "§{rollover}", "$ {rollover}", "%rollover%"])
def test_p10_a_parameter_that_is_written_in_another_way_is_told_once(instead: str, tmp_path: Path) -> None:
    """What gives it is not told to be of no use."""
    path = planted(tmp_path, {**PLANT, "tags.csv": TAGS.replace("${rollover}", instead)})
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    (told,) = [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.diagnostics]
    assert told.startswith("tags.csv:3:37: a parameter of a template is written ${name}")


def test_p10_a_slip_of_a_parameter_is_told_in_the_template(tmp_path: Path) -> None:
    """Once, whichever lines use it."""
    path = planted(tmp_path, {**PLANT, "tags.csv": TAGS.replace("${plc}.Good", "${pcl}.Good")})
    with pytest.raises(ConfigError) as caught:
        read_config(path, environment())
    (told,) = [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.diagnostics]
    assert told == "tags.csv:3:16: no value for ${pcl}; did you mean ${plc}?"


def test_warnings_leave_the_file_right(tmp_path: Path) -> None:
    """What may be meant is told at its place; the file is right, but for --strict, and scripts find it in the JSON."""
    path = written(tmp_path / "c", GOOD.replace('name: "{order}"', "name: order"))
    place = f"gateway.yaml:{GOOD[: GOOD.index('name: ')].count(chr(10)) + 1}:13"
    plain = check(path)
    assert (plain.code, "gateway.yaml is right." in plain.output) == (0, True)
    assert [problem.startswith(f"{place}: warning: 'order' is the name of an input") for problem in plain.problems] == [
        True
    ]
    strict = check(path, "--strict")
    assert (strict.code, strict.output, strict.problems) == (2, "", plain.problems)
    machine = check(path, "--json")
    answer = json.loads(machine.output)
    assert (machine.code, answer["ok"], answer["problems"], machine.problems) == (0, True, [], [])
    assert [warning["where"] for warning in answer["warnings"]] == [place]
    machine = check(path, "--json", "--strict")
    answer = json.loads(machine.output)
    assert (machine.code, answer["ok"], len(answer["warnings"])) == (2, False, 1)


def test_strict_has_nothing_against_a_file_without_warnings(tmp_path: Path) -> None:
    """A right file is right in a pipeline as well."""
    assert check(written(tmp_path / "c", GOOD), "--strict").code == 0


def test_p10_run_logs_warnings_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` starts with what may be meant, and says it once in its log."""
    path = written(tmp_path / "c", GOOD.replace('name: "{order}"', "name: order"))

    class Stopped(Exception):
        pass

    def stopped(*_: object) -> None:
        raise Stopped

    monkeypatch.setattr("gateway.app.App.run", stopped)
    monkeypatch.setattr(run, "configure_logging", lambda _: LogStream(io.StringIO()))
    monkeypatch.setattr(run, "EXIT_WITHIN", 1e6)
    with structlog.testing.capture_logs() as logged, pytest.raises(Stopped):
        main(["run", "-c", str(path)])
    said = [entry for entry in logged if entry["event"] == "configuration_warning"]
    assert [(entry["log_level"], entry["where"].rpartition("/")[2]) for entry in said] == [
        ("warning", "gateway.yaml:24:13")
    ]


def test_eight_mistakes_in_one_line_of_the_plant(tmp_path: Path) -> None:
    """Syntax, schema, references, what is compiled, and a table: none of them waits for another to be mended."""
    text = GOOD.replace('product: "{product}"', "product: {product}x")
    for old, new in (
        ("type: opcua", "tpye: opcua"),
        ('source: press_plc, node: "nsu=urn:acme:line;s=L01.Good"', 'source: pres_plc, node: "i=1"'),
        ("max_rate: 1/s", "max_rate: 1"),
        ("key: order ", "key: odrer "),
        ('"state == 0"', '"state = 0"'),
        ("hold: 5s", "hold:5s"),
        ("count: scrap.qty", "count: scrp.qty"),
        ("lines:\n", "tables: {products: {file: products.csv}}\nlines:\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    answer = check(written(tmp_path / "c", text))
    assert answer.code == 2
    lines = [int(problem.split(":")[1]) for problem in answer.problems]
    assert lines == [8, 11, 17, 18, 23, 24, 27, 35, 41], answer.problems
    assert TOKEN not in "".join(answer.problems)


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("{from: scrab, key: number}", 18, "no line has the input 'scrab'; did you mean 'scrap'?"),
        ('{from: scrap, key: "{number}"}', 30, "without braces: write 'number'"),
        ("{from: scrap, key: scrap.number}", 30, "write 'number' alone"),
        ("{from: scrap, key: /job/number}", 30, "did you mean 'job.number'?"),
        ("{from: scrap, key: $.number}", 30, "JSONPath"),
    ],
)
def test_a_table_that_would_learn_nothing(tmp_path: Path, table: str, column: int, words: str) -> None:
    """It is told where the table is, with its cure."""
    text = GOOD.replace("lines:\n", f"tables:\n  orders: {table}\nlines:\n")
    answer = check(written(tmp_path / "c", text))
    line = text.splitlines().index(f"  orders: {table}") + 1
    (problem,) = [problem for problem in answer.problems if f"gateway.yaml:{line}:" in problem]
    assert f"gateway.yaml:{line}:{column}: " in problem
    assert words in problem
