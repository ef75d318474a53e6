"""P10 for a configuration of several files: each mistake is reported where it was written, in whichever file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.config.command import TOKEN
from tests.config.plant import PLANT, planted

HERE = "▲"
"""Stands in the texts below where the problem is reported; it is removed before the files are written."""


@dataclass(frozen=True)
class Wrong:
    """Files, and words of the one sentence that must come at HERE."""

    files: Mapping[str, str]
    words: tuple[str, ...]

    @property
    def where(self) -> str:
        ((name, text),) = [(name, text) for name, text in self.files.items() if HERE in text]
        before = text[: text.index(HERE)].split("\n")
        return f"{name}:{len(before)}:{len(before[-1]) + 1}: "


def edit(name: str, old: str, new: str, *words: str, **others: str) -> Wrong:
    """The plant with one piece of one file replaced, and with more files."""
    assert PLANT[name].count(old) == 1, f"{old!r} is there {PLANT[name].count(old)} times"
    more = {f"{stem}.yaml": text for stem, text in others.items()}
    return Wrong({**PLANT, name: PLANT[name].replace(old, new), **more}, words)


def without_use(item: str, lines: str, *words: str) -> Wrong:
    """The plant with this table of `lines`, of which the main file names no template."""
    old = "- {file: lines.csv, use: extruder, factory: Factory A}"
    main = PLANT["gateway.yaml"].replace(old, f"{item}file: lines.csv, factory: Factory A}}")
    return Wrong({**PLANT, "gateway.yaml": main, "lines.csv": lines}, words)


MAIN, SPECIAL = "gateway.yaml", "lines/special.yaml"
INCLUDE = "include: [sources.yaml, lines/*.yaml]"
SPECIAL_LINE = PLANT[SPECIAL][PLANT[SPECIAL].index("- factory") : PLANT[SPECIAL].index("    inputs:")]

CASES: dict[str, Wrong] = {
    # Included files
    "no such file": edit(MAIN, "[sources.yaml,", "[▲sorces.yaml,", "sorces.yaml", "no such file"),
    "nothing matches": edit(MAIN, "lines/*.yaml]", "▲line/*.yaml]", "no file is called like this"),
    "twice": edit(MAIN, "lines/*.yaml]", "lines/*.yaml, ▲lines/special.yaml]", "lines/special.yaml", "already"),
    "itself": edit(MAIN, "lines/*.yaml]", "lines/*.yaml, ▲gateway.yaml]", "gateway.yaml", "already"),
    "cycle": edit("sources.yaml", "sources:", "include: [▲gateway.yaml]\nsources:", "gateway.yaml", "already"),
    "not a list": edit(MAIN, INCLUDE, "include: ▲sources.yaml", "list of files"),
    "not a name": edit(MAIN, INCLUDE, "include: [sources.yaml, ▲7, lines/*.yaml]", "name of a file"),
    "key in two files": edit(
        "sources.yaml",
        "sources:",
        "oden: {timeout: 5s, ▲token: x}\nsources:",
        "'token' of 'oden'",
        "gateway.yaml:2:8",
        "keep one",
    ),
    "another form": edit("sources.yaml", "sources:", "▲lines: {}\nsources:", "'lines'", "another form"),
    "included list": edit(MAIN, "lines/*.yaml]", "lines/*.yaml, more.yaml]", "sections", more="▲- lines\n"),
    "included nothing": edit(MAIN, "lines/*.yaml]", "lines/*.yaml, more.yaml]", "empty", more="▲# nothing\n"),
    "included no yaml": edit(MAIN, "lines/*.yaml]", "lines/*.yaml, more.yaml]", "not YAML", more="log: ▲: x\n"),
    "value in an included file": edit(SPECIAL, "line: Line 09", "line: ▲9", "write text"),
    "value in included sources": edit("sources.yaml", '"opc.tcp://10', '▲"http://10', "opc.tcp://host:port"),
    # Templates
    "unknown template": edit(SPECIAL, "use: extruder", "use: ▲extruders", "unknown template", "mean 'extruder'"),
    "unknown inner template": edit(MAIN, "use: base", "use: ▲bases", "unknown template", "mean 'base'"),
    "template of itself": edit(MAIN, "use: base", "use: ▲extruder", "extruder uses extruder"),
    "template that is a list": edit(MAIN, "  base:\n", "  base: ▲[]\n  other:\n", "'key: value' lines"),
    "section indented as a template": edit(
        MAIN,
        "    scrap_yield:\n      every: 60s\n      entries:\n        - {count",
        "  ▲scrap_yield:\n      every: 60s\n      entries:\n        - {count",
        "its neighbours are by 4",
        "indent it by 2 blanks more",
    ),
    "template that is no name": edit(SPECIAL, "use: extruder", "use: ▲7", "unknown template"),
    "missing parameter": edit(
        SPECIAL,
        SPECIAL_LINE,
        "- ▲factory: Factory B\n    line: Line 09\n    use: extruder\n",
        "no value for ${plc}",
        "'with'",
    ),
    "input as a parameter": edit(
        MAIN, 'machine: "${plc} of ${line}"', 'machine: ▲"${order}"', 'an input is written "{order}"'
    ),
    "unknown parameter": edit(
        SPECIAL, "rollover: 256}", "▲rolover: 256}", "has no ${rolover}", "did you mean 'rollover'"
    ),
    "unused default": edit(MAIN, "{rollover: 65536}", "{rollover: 65536, ▲speed: 1}", "${speed}", "remove"),
    "unknown inner parameter": edit(MAIN, "{site: plant-a,", "{▲sight: 1, site: plant-a,", "has no ${sight}", "'site'"),
    "own key as parameter": edit(SPECIAL, "{plc: L09,", "{▲line: x, plc: L09,", "key of the line itself"),
    "with without use": edit(SPECIAL, "    use: extruder\n    with:", "    ▲with:", "by 'use'"),
    "parameter outside of lines": edit("sources.yaml", "edge-01", '▲"${HOST}-01"', "lines and templates", "$${"),
    "parameter outside of a template": edit(
        SPECIAL, "use: extruder", 'id: ▲"${number}"\n    use: extruder', "no value for ${number}"
    ),
    "parameter in a key": edit(SPECIAL, "      speed:", '      ▲"${plc}_speed":', "cannot stand in a key"),
    "no name": edit(SPECIAL, 'node: "ns', 'node: ▲"${my plc}ns', "letters, digits", "$${"),
    "parameter in a parameter": edit(SPECIAL, "rollover: 256}", 'rollover: ▲"${plc}"}', "lines and templates"),
    "table in a text": edit(SPECIAL, "plc: L09", "plc: ▲[L09]", "cannot be filled in for ${plc}", "single value"),
    "value of a parameter": edit(
        SPECIAL, "rollover: 256}", "rollover: ▲many}", "write a number here", "used at tags.csv:3:37"
    ),
    "value of a default": edit(MAIN, "rollover: 65536", "rollover: ▲0", "more than 0", "used at tags.csv:3:37"),
    "value in a template": edit(MAIN, "settle: 1s", "settle: ▲1", "duration", "used at lines.csv:2:1 and 2 more"),
    "key in a template": edit(MAIN, "every: 60s", "▲evry: 60s", "mean 'every'", "used at lines.csv:2:1 and 2 more"),
    "reference in a template": edit(
        MAIN, "key: order", "key: ▲ordre", "not an input", "used at lines.csv:2:1 and 2 more"
    ),
    "parameter without with": edit(
        SPECIAL, "    use: ex", "    ▲plc: L09\n    use: ex", "unknown key 'plc'", "under 'with'"
    ),
    "unknown key of a line": edit(SPECIAL, "    use: ex", "    ▲usr: ex", "unknown key 'usr'", "did you mean 'use'"),
    # CSV
    "a table as an input": edit(
        MAIN,
        '"{products[order].name}"',
        '"{products[order].name|Product {▲products}}"',
        '"products" is not an input',
    ),
    "no such table": edit(MAIN, "lines.csv", "▲line.csv", "line.csv", "no such file"),
    "no table for lines": edit(MAIN, "lines.csv", "▲lines.yaml", "CSV", "'include'"),
    "no such tags": edit(MAIN, "file: tags.csv", "file: ▲tag.csv", "tag.csv: there is no such file"),
    "impossible name": edit(MAIN, "file: tags.csv", 'file: ▲"ta\\0.csv"', "called like this"),
    "unknown kind of table": edit(MAIN, "file: tags.csv", "file: ▲tags.txt", ".csv, .yaml or .yml"),
    "cell of a line": edit("lines.csv", "L02,1000", "L02,▲1000x", "write a number here", "used at tags.csv:3:37"),
    "column for nothing": edit("lines.csv", "rollover\n", "▲roll\n", "has no ${roll}", "did you mean 'rollover'"),
    "parameter not in the row": edit("lines.csv", "Line 02,L02", "▲Line 02,", "no value for ${plc}"),
    "same line twice": edit("lines.csv", "Line 02,", "▲Line 01,", "there already"),
    "empty cell": edit("lines.csv", "Line 02,L02", "▲,L02", "no value for ${line}"),
    "short row": edit("lines.csv", "Line 02,L02,1000", "▲Line 02,L02", "2 cells", "3", "quotes"),
    "long row": edit("lines.csv", "Line 02,L02,1000", "▲Line 02,L02,1000,", "4 cells"),
    "no heading": edit("lines.csv", "line,plc,rollover", "line,▲,rollover", "no heading"),
    "heading twice": edit("lines.csv", "line,plc,rollover", "line,plc,▲plc", "'plc' is there already"),
    "quote": edit("lines.csv", "Line 02,", 'Line 02,▲"', "never closed"),
    "quote before the next row's": edit("tags.csv", '"ns=2;s=${plc}.State"', '▲"ns=2;s=${plc}.State', "never closed"),
    "after a quote": edit("lines.csv", "Line 02,", '"Line 02"▲x,', "after the closing quote"),
    "unknown column": edit("tags.csv", ";counter.max_rate", ";▲counter.maxrate", "unknown key 'maxrate'", "max_rate"),
    "cell of a tag": edit("tags.csv", "good;press_plc", "good;▲pres_plc", "unknown source", "'press_plc'"),
    "parameter in a cell never closed": edit(
        "tags.csv", '"ns=2;s=${plc}.State"', '▲"ns=2;s=${plc.State"', "${plc} is never closed", "a '}' is missing"
    ),
    "parameter in a topic never closed": edit(
        MAIN, '"${site}/${plc}/order"', '▲"${site}/${plc/order"', "${plc} is never closed"
    ),
    "parameter before another never closed": edit(
        MAIN, '"${site}/${plc}/order"', '▲"${site/${plc}/order"', "${site} is never closed"
    ),
    "node in a cell": edit(
        "tags.csv", '"ns=2;s=${plc}.Good"', "▲${plc}.Good", "not a node id", "used at lines.csv:2:1"
    ),
    "row without a name": edit("tags.csv", "good;press", "▲;press", "first column", "'name'"),
    "columns that exclude each other": edit(
        "tags.csv", "counter.rollover;counter.max_rate", "counter;▲counter.max_rate", "that of another"
    ),
    "same code twice": edit("codes.csv", "3,Unplanned", "▲2,Unplanned", "'2' stands at codes.csv:3:1 already"),
    "missing cell": edit("codes.csv", "3,Unplanned Downtime", "▲3,", "'category' is missing"),
    "table of nothing": edit("lines.csv", PLANT["lines.csv"], "▲", "the table is empty"),
    "list with more": edit(
        MAIN,
        '      entries:\n        - {count: good, raw_data: {yield: "{n}", machine: "${plc} of ${line}"}}\n',
        "      entries: ▲{file: entries.yaml, more: 1}\n",
        "nothing else can stand beside 'file'",
        entries='- {count: good, raw_data: {yield: "{n}", machine: "${plc}"}}\n',
    ),
    # Tables in which inputs are looked up
    "no such lookup": edit(MAIN, "file: products.csv", "file: ▲product.csv", "product.csv", "no such file"),
    "no such key": edit("products.csv", "sku,", "▲sku_,", "no column 'sku'", "did you mean 'sku_'"),
    "row twice": edit("products.csv", "100,Pipe\n", "100,Pipe\n▲100,Hose\n", "'100' stands at", "products.csv:2:1"),
    "row without key": edit("products.csv", "100,Pipe", "▲,Pipe", "'sku' is empty"),
    "codes in a workbook": edit(MAIN, "{file: codes.csv}", "{file: ▲codes.xlsx}", "workbook", "save it there as CSV"),
    "of another system": edit(MAIN, "file: products.csv", r"file: ▲C:\plant\products.csv", "set apart by '/'"),
    # Tables of lines
    "a row without its template": without_use(
        "- {", "line,plc,use\nLine 01,L01,extruder\n▲Line 02,L02,\n", "'use' is empty"
    ),
    "a heading of a template": without_use("- {", "line,plc,▲Use\nLine 01,L01,extruder\n", "did you mean 'use'"),
    "no template at all": without_use("- ▲{", "line,plc\nL1,L01\nL2,L02\n", "the parameter 'plc'", "write 'use'"),
    "unknown table": edit(MAIN, '"{products[', '"{▲product[', '"product" is not one of the tables', "mean 'products'"),
    "unknown column of a table": edit(MAIN, '"{products[order].name}"', '"{products[order].▲nam}"', "mean 'name'"),
    "unknown input looked up": edit(MAIN, '"{products[order].name}"', '"{products[▲ordr].name}"', "not an input"),
}


@pytest.mark.parametrize("name", CASES)
def test_p10_wrong_plant(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each wrong file ends with code 2, and one sentence at the right position says what would be right."""
    case = CASES[name]
    path = planted(tmp_path, {name: text.replace(HERE, "") for name, text in case.files.items()})
    monkeypatch.chdir(path.parent)
    assert main(["check", "-c", path.name]) == 2
    printed = capsys.readouterr()
    problems = printed.err.splitlines()
    matching = [line for line in problems if line.startswith(case.where)]
    assert any(all(word in line for word in case.words) for line in matching), (case.where, problems)
    assert printed.out == ""
    assert TOKEN not in printed.err
    assert len(problems) == 1 or "template" not in name


def test_p10_a_heading_that_is_misspelt_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cells below it are numbers, as they would be under the right one; and each mistake of a template's table is
    told once, for all lines that use it. A column of lines that is misspelt is told at its heading."""
    tags = (
        PLANT["tags.csv"]
        .replace("counter.rollover", "counter.rolover")
        .replace("ns=2;s=${plc}.State", "ns=2,s=${plc}.State")
    )
    files = {**PLANT, "tags.csv": tags, "lines.csv": PLANT["lines.csv"].replace("line,", "Lines,")}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", "gateway.yaml"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in said] == ["lines.csv:1:1", "tags.csv:1:18", "tags.csv:2:17"]
    assert all("(used at lines.csv:2:1 and 2 more)" in line for line in said[1:])


@pytest.mark.parametrize("given", ["", ", with: {line: 7}"])
def test_p10_a_line_without_the_name_that_its_template_asks_for(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told once, and the cure is one that is taken: a key of the line itself."""
    text = PLANT[MAIN].replace("{file: lines.csv, use: extruder, factory: Factory A}", f"{{use: one{given}}}")
    one = '  one:\n    factory: A\n    inputs: {x: {source: floor, topic: "${line}/x"}}\n'
    one += '    run: {key: x, product: "{x}"}\n'
    files = {**PLANT, MAIN: text.replace("templates:\n", f"templates:\n{one}")}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", MAIN]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "a key of the line itself" in said
    assert given or "under 'with'" not in said


def test_p10_an_input_written_as_a_parameter_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The template is wrong, whichever lines use it."""
    files = {**PLANT, MAIN: PLANT[MAIN].replace('"${plc} of ${line}"', '"${order}"')}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", "gateway.yaml"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert 'an input is written "{order}"' in said


@pytest.mark.parametrize(("lost", "words"), [("\ufffd", "a letter was lost here"), ("\0", "U+0000")])
def test_p10_letters_that_were_lost_in_a_table(
    lost: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an export has made of an umlaut is told at its place."""
    files = {**PLANT, "codes.csv": PLANT["codes.csv"].replace("Jam", f"St{lost}rung")}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "--strict", "-c", "gateway.yaml"]) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("codes.csv:")]
    assert said.startswith("codes.csv:4:24: warning: ")
    assert words in said


def test_p10_what_a_line_says_itself_is_looked_at_though_its_template_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own source and name are wrong whatever the template says."""
    more = "\n  - factory: Factory A\n    line: Line 01\n    use: no such\n"
    more += '    inputs: {x: {source: pcl, node: "ns=2;s=a"}}\n'
    last = "  - factory: Factory A\n    line: Line 01\n    inputs: {y: {source: floor, topic: a}}\n"
    files = {**PLANT, SPECIAL: PLANT[SPECIAL].rstrip() + more + last + '    run: {key: y, product: "{y}"}\n'}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", MAIN]) == 2
    said = capsys.readouterr().err
    assert "unknown template 'no such'" in said
    assert "unknown source 'pcl'" in said
    assert said.count("'Line 01' of 'Factory A' is there already") == 2  # the table of lines has it as well
    assert said.count("\n") == 4, said


def test_p10_what_is_wrong_with_a_value_itself_is_told_though_its_neighbour_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node, a topic and the way to a field are right or wrong whatever else stands in their input."""
    inputs = """\
    inputs:
      a: {source: floor, topic: plant/{x}/order, field: order.}
      b: {source: press_plc, sampling: 1s queue: 5, node: "NS=2;S=L01.State"}
      c: {source: floor, field: a{b}c, topic: "plant/+/c"}
"""
    line = f'\n  - factory: Factory A\n    line: Line 77\n{inputs}    run: {{key: a, product: "{{a}}"}}\n'
    files = {**PLANT, SPECIAL: PLANT[SPECIAL].rstrip() + line}
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", MAIN]) == 2
    said = capsys.readouterr().err
    assert "write the name of a field" in said
    assert "did you mean 'ns=2;s=L01.State'" in said
    assert "wildcards ('+' and '#')" in said
