"""P10: one mistake in a plant of several files is told once, where a person made it, and two of them are both told."""

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.config.factory import HEAD, LINE, places_of, slip, spoilt
from tests.config.plant import PLANT, planted

SPECIAL = "lines/special.yaml"
USED = "use: extruder, factory: Factory A"
WITH = "    with: {plc: L09, rollover: 256}\n"
OF_BASE = '    with: {site: plant-a, plc: "${plc}"}\n'
LINES = f"lines:\n  - {{file: lines.csv, {USED}}}\n"
NEXT = "\n  "
LEARNED = "  orders: {from: announced, key: number}\n"
WITH_LEARNED = (
    PLANT["gateway.yaml"]
    .replace("templates:\n", f"{LEARNED}templates:\n")
    .replace(
        "    run: {key: order",
        '      announced: {source: floor, topic: "${site}/${plc}/orders"}\n'
        '    run: {key: order, name: "{orders[order].due}"',
    )
)


def told(folder: Path, files: Mapping[str, str]) -> list[str]:
    """What `check` says of these files, with their names alone."""
    path = planted(folder, files)
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(io.StringIO()):
        main(["check", "-c", str(path)])
    return [line.replace(f"{folder}/", "") for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "cure"),
    [
        ("gateway.yaml", USED, f"▲{USED}".replace("use:", "user:"), "", "did you mean 'use'"),
        ("gateway.yaml", USED, f"▲{USED}".replace("use:", "template:"), "", "did you mean 'use'"),
        (SPECIAL, "use: extruder", "▲uses: extruder", "", "did you mean 'use'"),
        (SPECIAL, "use: extruder", "use: ▲!extruder", "", "tags"),
        (SPECIAL, WITH, "", "lines/special.yaml:2:5", "no value for ${plc}"),
        (SPECIAL, WITH, "    ▲plc: L09\n", "", "stands under 'with'"),
        (SPECIAL, "with: {plc", "▲wiht: {plc", "", "did you mean 'with'"),
        (SPECIAL, "with: {plc", "▲parameters: {plc", "", "did you mean 'with'"),
        (SPECIAL, 'node: "ns=2;s=${plc}.Speed"', 'node: "${plc}", ▲i=5', "", "a ',' ends the node id"),
        ("gateway.yaml", "[sources.yaml, lines/*.yaml]", "[▲sources.yaml; lines/*.yaml]", "", "set apart by ','"),
        ("gateway.yaml", OF_BASE, OF_BASE.replace("with", "▲wiht"), "", "did you mean 'with'"),
        ("gateway.yaml", OF_BASE, OF_BASE.replace("with", "▲params"), "", "did you mean 'with'"),
        ("gateway.yaml", OF_BASE, '    with: {site: plant-a▲; plc: "${plc}"}\n', "", "write ','"),
        ("sources.yaml", "  press_plc: {type", "  ▲- press_plc: {type", "", "this '- ' is one too many"),
        ("gateway.yaml", "\n  extruder:\n", "\n▲extruder:\n", "", "belongs to 'templates'"),
        ("gateway.yaml", "\n  extruder:\n", "\n   ▲extruder:\n", "", "its neighbours are by 2"),
        ("gateway.yaml", "\n      file: tags.csv", "\n    ▲file: tags.csv", "", "belongs to 'inputs'"),
        ("gateway.yaml", "\n      file: tags.csv", " ▲file: tags.csv", "", "belongs below 'inputs'"),
        ("gateway.yaml", "codes: {file: codes.csv}", "codes: ▲file: codes.csv", "", "belongs below 'codes'"),
        ("gateway.yaml", "from: announced", "▲form: announced", "", "did you mean 'from'"),
        # What is wanted in another form
        ("gateway.yaml", "file: tags.csv", "▲files: tags.csv", "", "did you mean 'file'"),
        ("gateway.yaml", "file: tags.csv", "▲csv: tags.csv", "", "did you mean 'file'"),
        ("gateway.yaml", "inputs:\n      file: tags.csv", "inputs: ▲tags.csv", "", "under 'file': write {file:"),
        ("gateway.yaml", "{file: codes.csv}", "{▲files: codes.csv}", "", "did you mean 'file'"),
        ("gateway.yaml", "{file: codes.csv}", "▲codes.csv", "", "under 'file': write {file:"),
        ("gateway.yaml", "{file: products.csv, key: sku}", "▲products.csv", "", "under 'file': write {file:"),
        ("gateway.yaml", "- {file: lines.csv,", "- {▲files: lines.csv,", "", "did you mean 'file'"),
        ("gateway.yaml", LINES, "lines: ▲lines.csv\n", "", "in a list: '- {file:"),
        ("gateway.yaml", LINES, f"lines:\n  ▲file: lines.csv\n  {USED.replace(', ', NEXT)}\n", "", "'- ' is missing"),
        (SPECIAL, WITH, "    with: ▲[plc: L09, rollover: 256]\n", "", "no list of them: write them without '- '"),
        (SPECIAL, WITH, "    with:\n      ▲- plc: L09\n      - rollover: 256\n", "", "no list of them"),
        (SPECIAL, WITH, "    with: ▲plc=L09\n", "", "write keys and values here"),
        (SPECIAL, WITH, "    with: {plc▲=L09, rollover=256}\n", "", "write ':' in the place of '=' (also at 5:29)"),
        (SPECIAL, "plc: L09", "▲p lc: L09", "", "did you mean 'plc'"),
        ("gateway.yaml", OF_BASE, OF_BASE.replace("{", "▲[", 1).replace("}\n", "]\n"), "", "no list of them"),
        ("gateway.yaml", OF_BASE, '    with: {site▲=plant-a, plc="${plc}"}\n', "", "write ':' in the place of '='"),
        ("gateway.yaml", "{rollover: 65536}", "▲[rollover: 65536]", "", "no list of them"),
        ("gateway.yaml", 'topic: "${site}/${plc}/order"', "▲topic: ", "", "'topic' is missing"),
        ("gateway.yaml", 'topic: "${site}/${plc}/order"', "▲topic:", "", "'topic' is missing"),
        (SPECIAL, 'node: "ns=2;s=${plc}.Speed"', "node: ▲ns=2,s=${plc}.Speed", "", "quotes around all of it"),
        # Names of files
        ("gateway.yaml", "[sources.yaml", "[▲source.yaml", "", "did you mean 'sources.yaml'"),
        ("gateway.yaml", "lines/*.yaml", "▲lines/*.yml", "", "did you mean 'lines/*.yaml'"),
        ("gateway.yaml", "lines/*.yaml", "▲line/*.yaml", "", "did you mean 'lines/*.yaml'"),
        ("gateway.yaml", "lines/*.yaml", "▲line/special.yaml", "", "did you mean 'lines/special.yaml'"),
        ("gateway.yaml", "[sources.yaml, lines/*.yaml]", "▲sources.yaml", "", "write a list of files"),
        ("gateway.yaml", "[sources", "[▲source.yaml, sources", "", "no such file"),
        ("gateway.yaml", "lines/*.yaml]", "lines/*.yaml, ▲source.yaml]", "", "no such file"),
        ("gateway.yaml", "file: tags.csv", "file: ▲Tags.csv", "", "did you mean 'tags.csv'"),
        ("gateway.yaml", "file: tags.csv", "file: ▲tables/tags.csv", "", "did you mean 'tags.csv'"),
        ("gateway.yaml", "{file: lines.csv", "{file: ▲line.csv", "", "did you mean 'lines.csv'"),
        ("gateway.yaml", "file: products.csv", "file: ▲product.csv", "", "did you mean 'products.csv'"),
        # The key of a table
        ("gateway.yaml", "key: sku", "key: ▲SKU", "", "products.csv has no column 'SKU'; did you mean 'sku'"),
        ("gateway.yaml", "key: sku", "key: ▲number", "", "products.csv has no column 'number'"),
        ("products.csv", "sku,name\n", "name,▲SKU\n", "", "did you mean 'SKU'"),
        # Names that are none
        ("sources.yaml", "  press_plc:", "  ▲press plc:", "", "a name of letters, digits and '_'"),
        # Another document
        ("gateway.yaml", "  extruder:\n", "▲---\n  extruder:\n", "", "a file holds one: remove this line"),
        ("gateway.yaml", "lines:\n  -", "▲--- # lines\nlines:\n  -", "", "a file holds one: remove this line"),
        (SPECIAL, "    inputs:\n", "▲---\n    inputs:\n", "", "a file holds one: remove this line"),
        ("gateway.yaml", "from: announced", "from: ▲anounced", "", "did you mean 'announced'"),
    ],
)
def test_p10_one_mistake_is_told_once(file: str, old: str, new: str, where: str, cure: str, tmp_path: Path) -> None:
    """At the mark, or where it says."""
    files = {**PLANT, "gateway.yaml": WITH_LEARNED}
    marked = spoilt(files[file], slip(old, new))
    place = where or places_of(marked)[0].replace("gateway.yaml", file)
    (said,) = told(tmp_path, {**files, file: marked.replace("▲", "")})
    assert said.startswith(f"{place}: ")
    assert cure in said


def test_p10_the_plant_is_right(tmp_path: Path) -> None:
    assert told(tmp_path, {**PLANT, "gateway.yaml": WITH_LEARNED}) == []


def test_p10_a_template_that_gives_another_one_nothing_is_told_there(tmp_path: Path) -> None:
    """And not at each line."""
    marked = PLANT["gateway.yaml"].replace(OF_BASE, "").replace("use: base", "use: ▲base")
    said = told(tmp_path, {**PLANT, "gateway.yaml": marked.replace("▲", "")})
    assert [each.split(": ")[0] for each in said] == places_of(marked) * 2
    assert all(f"no value for ${{{name}}}" in text for name, text in zip(("site", "plc"), said, strict=True))


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        (1, [("      hold: 5s", "    ▲hold: ▲5 sec")]),
        (
            1,
            [
                ("field: number", "field: number.▲."),
                ("topic: plant-a/L00/events/order,", "▲node: plant-a,"),
            ],
        ),
        (1, [("counter: {rollover: 65536, max_rate: 5/s}", "▲rollover: 65536, max_rate: 5/s"), ("5.0", "▲5,0")]),
        (1, [("{type: Recipe, key", "{type: Recipe▲; key"), ("      settle: 500ms", "    ▲settle: 500ms")]),
        (1, [('"PLC code {state}"', '"PLC code {state}▲}"'), ("hold: 5s", "hold: ▲5")]),
        (1, [("factory: Factory A", "factory: ▲!secret x"), ("line: Line 00", "▲lines: Line 00")]),
    ],
)
def test_p10_two_mistakes_are_both_told(line: int, changes: list[tuple[str, str]], tmp_path: Path) -> None:
    marked = HEAD + LINE
    for old, new in changes:
        marked = marked.replace(old, new, line)
    said = told(tmp_path, {"gateway.yaml": marked.replace("▲", "")})
    assert {*places_of(marked)} <= {each.split(": ")[0] for each in said}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("gateway.yaml", "use: extruder", "use: ▲extrudr"),
        ("tags.csv", "good;press_plc", "good;▲pres_plc"),
        (SPECIAL, "source: press_plc", "source: ▲pres_plc"),
    ],
)
@pytest.mark.parametrize("missing", ["more.yaml", "linse/*.yaml"])
def test_p10_a_file_that_is_missing_hides_no_slip_beside_it(
    missing: str, file: str, old: str, new: str, tmp_path: Path
) -> None:
    """Whatever it may have held, what is nearly the name of something that is there is that most likely."""
    main = PLANT["gateway.yaml"].replace("lines/*.yaml]", f"lines/*.yaml, ▲{missing}]")
    marked = {**PLANT, "gateway.yaml": main}
    marked[file] = marked[file].replace(old, new)
    said = told(tmp_path, {name: text.replace("▲", "") for name, text in marked.items()})
    places = [
        place.replace("gateway.yaml", name)
        for name in dict.fromkeys(("gateway.yaml", file))
        for place in places_of(marked[name])
    ]
    assert [each.split(": ")[0] for each in said] == places
    assert "did you mean" in said[-1]


def test_p10_templates_come_from_no_table(tmp_path: Path) -> None:
    """A file named in their place is told once, and not that none of them is there."""
    main = PLANT["gateway.yaml"]
    marked = f"{main[: main.index('templates:')]}templates: ▲templates.yaml\n{LINES}"
    (said,) = told(tmp_path, {**PLANT, "gateway.yaml": marked.replace("▲", "")})
    assert said.startswith(f"{places_of(marked)[0]}: write keys and values here")


def test_p10_what_a_missing_file_may_hold_is_not_missed(tmp_path: Path) -> None:
    """Another name than those that are there may be that of something in it."""
    main = PLANT["gateway.yaml"].replace("lines/*.yaml]", "lines/*.yaml, more.yaml]")
    files = {**PLANT, "gateway.yaml": main, "tags.csv": PLANT["tags.csv"].replace("good;press_plc", "good;oven")}
    (said,) = told(tmp_path, files)
    assert "more.yaml: there is no such file" in said


def test_p10_an_emptied_section_takes_no_misspelt_one_over(tmp_path: Path) -> None:
    """What is nearly the name of a section stands where it belongs."""
    begin, end = HEAD.index("  plc:"), HEAD.index("outbox:")
    marked = f"{HEAD[:begin]}▲{HEAD[end:]}".replace("sources:\n▲outbox", "▲sources:\n▲outbx")
    said = told(tmp_path, {"gateway.yaml": (marked + LINE).replace("▲", "")})
    assert [each.split(": ")[0] for each in said] == places_of(marked)
