"""Files of a plant that are right and look like a slip: `check --strict` says nothing of them.

Each stands beside a slip in the tables of slips, which is told. To refuse a right file is worse than to miss a mistake.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.__main__ import main
from tests.config.command import written
from tests.config.factory import HEAD, LINE, T3, slip, spoilt
from tests.config.plant import PLANT, planted

WHEN = '"speed > 5.0"'
SCRAP = "{count: scrap.qty,"
TARGET = "value: 12.5"
UPTIME = "1: {category: Uptime}"
FIELD = "source: floor, topic: plant-a/L00/events/setup, field: "
TABLES = "tables:\n  goals: {file: goals.csv, key: sku}\nlines:\n"
JOB = '\n      job: {expr: "t3.number"}'
VARIANTS = (
    # A text is compared as it is, whatever is in it.
    (WHEN, "'t1 == \"Druck <min> erreicht\"'"),
    (WHEN, "\"t1 == '10 < T <= 20'\""),
    (WHEN, "\"t1 == 'temp < 10 > 5'\""),
    (WHEN, "\"t1.startsWith('ALARM <F1> KEY')\""),
    (WHEN, "\"t1 in ['a < b < c', 'd']\""),
    (WHEN, "\"t1 == 'speed in 5'\""),
    # A list of texts, of which one is a number.
    (WHEN, "\"scrap.test in ['torque', '5']\""),
    (WHEN, "\"t1 in ['true', 'false', 'unknown']\""),
    # A machine's own states, beside those of the standard, and codes that are texts with noughts.
    ("      input: state\n", "      preset: packml\n      input: state\n"),
    (UPTIME, "Execute: {category: Uptime}\n        Cleaning: {category: Uptime}"),
    ("      every: 60s", '      every: 60s\n      codes: {"01": Gel, "07": Edge trim}'),
    # Numbers and sizes as they can be meant.
    ("hold: 5s", "hold: 1.500s"),
    ("counter: {rollover: 65536, max_rate: 5/s}", "counter: {rollover: 256, max_rate: 5/s}"),
    (TARGET, "value: 12.5, lsl: 12.5, usl: 12.5"),
    # Windows of a day that has a whole number of them, of whole days, and those that are counted from the run's start.
    ("every: 60s", "every: 1.2s"),
    ("every: 60s", "every: 864s"),
    ("every: 60s", "every: 7d"),
    ("every: 60s", "every: 7s\n      align: run"),
    # A display of six figures that stands in two words.
    (T3, "t3: {words: [t1, t2], counter: {rollover: 1000000}}"),
    # A whole message that is one value: its topic has no field.
    ('name: "{order}"', 'name: "{goals[t1].speed}"'),
    # The field may be an object.
    (T3, T3.replace('plc, node: "nsu=urn:acme:line;s=L00.T3"', "floor, topic: plant-a/L00/job, field: head") + JOB),
    ('name: "{order}"', 'name: "{order.number|{order}}"'),
    ('{lot: "{order}"}', '{lot: "{scrap|{scrap.lot}}"}'),
    # The message has a field that is called like the input.
    ("field: number, time: at", "field: order.number, time: order.at"),
    # Words in capitals that are a machine's own, and names in another writing or with a letter beside a number.
    (T3, T3.replace("}", ", default: FALSCHFARBE}")),
    ("factory: Factory A", "factory: Завод А"),
    ("factory: Factory A", "factory: Werk Köln O1"),
    # Placeholders in placeholders become numbers.
    (TARGET, 'value: "{goals[sku].speed|{speed}}"'),
    (TARGET, 'value: "{speed|{goals[order].speed|-}}"'),
    (TARGET, 'value: "{goals[sku].speed|{goals[order].speed|{speed}}}"'),
    # Braces that stand for themselves among words.
    ("reason: Jam}", 'reason: "Waiting {{x}} & more"}'),
    # The machine says this text.
    (UPTIME, "Other: {category: Uptime}"),
    (UPTIME, "any: {category: Uptime}"),
    (UPTIME, "default: {category: Uptime}"),
    # Brackets in a key of the user's own, as in a heading.
    ('{lot: "{order}"}', '\n        Gewicht [kg]: "{t1}"\n        Temp {°C}: "{t2}"'),
    (UPTIME, "Jam [E12]: {category: Uptime}"),
    # Ways to tags with names that the standard gives to parts of what others define.
    (T3, T3.replace('"nsu=urn:acme:line;s=L00.T3"', '"/Objects/4:Press/4:State/Id"')),
    (T3, T3.replace('"nsu=urn:acme:line;s=L00.T3"', '"/Objects/4:Press/4:Temp/EURange"')),
    (T3, T3.replace('"nsu=urn:acme:line;s=L00.T3"', '"/Objects/Server/ServiceLevel"')),
    (T3, T3.replace('"nsu=urn:acme:line;s=L00.T3"', '"/Objects/2:DeviceSet/nsu=urn:acme;Press&:1/4:Good"')),
    # Texts that are meant as such, and lists of one.
    ('{lot: "{order}"}', '{lot: "yes", on: "No", pilot: true, ok: n, kind: Yes-man}'),
    ("reason: Jam}", "reason: Jam; feeder}"),
    ("time: at}\n      t0", "time: at, only: {state: on, mode: [off, auto]}}\n      t0"),
    # One tag in two ways, and a pattern of which each sign is meant.
    (T3, f"{T3}\n      t3b: {T3[4:-1]}, capture: '^([A-Z]+)[;|]$'}}"),
    (WHEN, "\"order.matches('^[A-Z]{2}\\\\\\\\d+(?:-[0-9]+)?$')\""),
    # One event begins and ends by what it says, and a place beside UTC.
    (
        '- {type: Fast, start: {when: "speed > 5.0"}, end: {when: "speed < 4.0"}}',
        '- {type: Fast, start: {event: scrap, when: "scrap.on == 1"}, end: {event: scrap, when: "scrap.on == 0"}}',
    ),
    # A type of intervals that others have, and categories that a person says.
    (TARGET, "value: 12.5}\n      - {set: interval_type, name: Shift"),
    ("hold: 5s", "hold: 5s\n      operator: {event: scrap, category: Setup, of: [Setup, Uptime]}"),
    # Ranges that leave something, words of which nobody says which is the higher, an id that tells work orders apart.
    (WHEN, '"speed > 5.0 && speed < 80 || speed < 2.0"'),
    (WHEN, '"t1 != 1 && t1 != 2"'),
    (WHEN, '"speed >= 5.0 && speed <= 5.0"'),
    (T3, "t3: {words: [t2, t1], counter: {max_rate: 5/s}}"),
    # A type is made by one line for another, and the reason is the category's own name.
    (TARGET, "value: 12.5}\n      - {set: interval_type, name: Speed"),
    ("reason: Jam}", "reason: Unplanned Downtime}"),
    # Names that are nearly others and are not: several of one, other numbers, signs between numbers.
    ("factory: Factory A", "factory: Factory A1-1"),
    ('{lot: "{order}"}', '{lot: "{scrap.lot}", slot: "{scrap.slot}", lots: "{scrap.lots}", at: "{scrap.ta}"}'),
    # Batches of a run by their number, by a key, or by what begins them.
    ("    run:\n", '    batches: {every: 100, count: good, name: "{order}-{batch}"}\n    run:\n'),
    ("    run:\n", '    batches: {key: sku, name: "{sku}"}\n    run:\n'),
    # One amount as the whole and as a part of it, and half of what is there.
    ('{yield: "{n}"}', '{yield: "{n}", total: "{n}"}'),
    (WHEN, '"speed / 0.5 > 5.0 || speed / 2.0 > 10.0"'),
    # What a comment says is no part of an expression.
    (WHEN, '"speed > 5.0 // 0 is off"'),
    (WHEN, '"speed > 5.0 // a/0 or t1 = 1, don\'t ask"'),
    # Parts by their number, by what is stamped on them.
    ("    run:\n", '    batches: {every: 100, count: good, name: "{t1}"}\n    run:\n'),
    ("    run:\n", '    batches: {every: 100, count: good, name: "{order}-{scrap.lot}"}\n    run:\n'),
    # Two inputs that are two fields of one message.
    (T3, f"t3: {{{FIELD}mode}}\n      model: {{{FIELD}model}}"),
    (T3, f"t3: {{{FIELD}plant}}\n      plan: {{{FIELD}plan}}"),
    ("hold: 5s", "hold: 5s\n      offline: {after: 2s, category: No Data}"),
    # A word of letters that look like digits, and a number.
    ("reason: Jam}", 'reason: IO}\n        14: {category: Unplanned Downtime, reason: "10"}'),
    # A scale shows three decimals.
    (SCRAP, "{max: 2.500, count: scrap.qty,"),
    (SCRAP, "{min: 1.250, count: scrap.qty,"),
    (SCRAP, "{min: 1.120, max: 12.340, count: scrap.qty,"),
)


def strictly_right(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(path.parent)
    code = main(["check", "--strict", "-c", path.name])
    assert (capsys.readouterr().err, code) == ("", 0)


@pytest.mark.parametrize(("old", "new"), VARIANTS, ids=[new for _, new in VARIANTS])
def test_p10_what_looks_like_a_slip_and_is_right(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line of a plant that is written so is right."""
    text = HEAD.replace("lines:\n", TABLES) + spoilt(LINE, slip(old, new))
    path = written(tmp_path / "c", text)
    path.with_name("goals.csv").write_text("sku,speed\n100,12.5\n", encoding="utf-8")
    strictly_right(path, monkeypatch, capsys)


@pytest.mark.parametrize("number", ["1e3", ".5", "5."])
def test_p10_a_target_from_a_column_of_numbers_however_they_are_written(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is told as a number is one for `check`."""
    line = LINE.replace(TARGET, 'value: "{goals[sku].speed}"')
    path = written(tmp_path / "c", HEAD.replace("lines:\n", TABLES) + line)
    path.with_name("goals.csv").write_text(f"sku,speed\n100,{number}\n", encoding="utf-8")
    strictly_right(path, monkeypatch, capsys)


def test_p10_topics_of_a_bridge_from_another_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no topic of a source has levels, dots are part of its topics; what another source has says nothing."""
    line = LINE.replace("plant-a/L00/events/", "plant-a.L00.events.")
    line = line.replace("    run:\n", "      more: {source: other, topic: plant-a/L00/more}\n    run:\n")
    head = HEAD.replace(
        "outbox:", '  other: {type: mqtt, url: "mqtt://[2001:db8::1]:1883", client_id: edge-02}\noutbox:'
    )
    strictly_right(written(tmp_path / "c", head + line), monkeypatch, capsys)


MAIN = "gateway.yaml"
SHARED = """\
  run:
    inputs:
      heat: {source: press_plc, node: "ns=2;s=${plc}.Heat"}
  line:
    use: base
    with: {site: plant-b, plc: "${plc}"}
    defaults: {plc: L01}
  states: {}
"""
LEFT_OUT = """\
      tank: {source: floor, topic: "${site}/${plc}/tank"}
      time: {source: floor, topic: "${site}/${plc}/time"}
"""
UNNAMED = PLANT[MAIN].replace("${plc} of ${line}", "${plc}")
NAMED = UNNAMED.replace("  extruder:\n", '  extruder:\n    line: "Linie ${Linie}"\n')
IN_BASE = UNNAMED.replace("  base:\n", '  base:\n    line: "Line ${plc}"\n')
PLANTS: Mapping[str, Mapping[str, str]] = {
    "the template names the line by a column": {MAIN: NAMED, "lines.csv": "Linie,plc\n1,L01\n2,L02\n"},
    "the template names the line, the row says which template": {
        MAIN: NAMED.replace("lines.csv, use: extruder", "lines.csv"),
        "lines.csv": "Linie,plc,use\n1,L01,extruder\n2,L02,extruder\n",
    },
    "a template of the template names the line": {
        MAIN: IN_BASE.replace('machine: "${plc}', 'machine: "${ligne}'),
        "lines.csv": "ligne,plc\n1,L01\n2,L02\n",
        "lines/special.yaml": PLANT["lines/special.yaml"].replace("{plc: L09", "{ligne: 9, plc: L09"),
    },
    "templates that others use, named like sections": {
        MAIN: PLANT[MAIN].replace("lines:\n  - {", f"{SHARED}lines:\n  - {{"),
    },
    "a duration that lines give, and one of all": {
        MAIN: PLANT[MAIN]
        .replace("every: 60s", 'every: "${every}"')
        .replace("input: state", "input: state\n      hold: 30s"),
        "lines.csv": "line,plc,every\nLine 01,L01,30s\nLine 02,L02,60s\n",
        "lines/special.yaml": PLANT["lines/special.yaml"].replace("{plc: L09", "{plc: L09, every: 30s"),
    },
    "codes that look like dates": {"products.csv": "sku,name\n1-1,Pipe\n12-3,Hose\n1/2/3,Rod\n"},
    "dates that are keys": {"products.csv": "sku,name\n03.11.2023,Pipe\n04.11.2023,Hose\n"},
    "numbers of five digits beside others, and texts with a month or a sign": {
        "products.csv": "sku,name,since\n45231,Mai 2023 stop,03.11.2023\n100,x=1,today\n7,- Jam,\n",
    },
    "columns that are empty and keys": {
        "lines.csv": "line,plc,rollover,states.hold,id\nLine 01,L01,,,\nLine 02,L02,,,\n",
        "tags.csv": PLANT["tags.csv"].replace("\r\n", ";\r\n").replace("rate;", "rate;edge"),
    },
    "a code and tags of the template that are left out by nothing behind a ':'": {
        MAIN: PLANT[MAIN].replace("    inputs:\n      order:", f"    inputs:\n{LEFT_OUT}      order:"),
        "lines/special.yaml": PLANT["lines/special.yaml"]
        .replace("codes: {3: ~, 2:", "codes: {3: , 2:")
        .replace("    inputs:\n", "    inputs:\n      tank:\n      time:\n"),
    },
}


@pytest.mark.parametrize("name", PLANTS)
def test_p10_a_plant_that_looks_like_a_slip_and_is_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Templates and tables that are written so are right."""
    files = {**PLANT, **PLANTS[name]}
    if "Linie" in files[MAIN]:
        files["lines/special.yaml"] = files["lines/special.yaml"].replace("{plc: L09", "{Linie: 9, plc: L09")
    strictly_right(planted(tmp_path, files), monkeypatch, capsys)


def test_p10_a_column_that_is_asked_for_is_no_slip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the name of the line is missing beside it, that alone is told."""
    main_file = PLANT[MAIN].replace('machine: "${plc} of ${line}"', 'machine: "${linea}"')
    files = {**PLANT, MAIN: main_file, "lines.csv": "linea,plc\n1,L01\n"}
    files["lines/special.yaml"] = files["lines/special.yaml"].replace("{plc: L09", "{linea: 9, plc: L09")
    monkeypatch.chdir(planted(tmp_path, files).parent)
    assert main(["check", "-c", MAIN]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("lines.csv:2:1: ")
    assert "'line' is missing" in said


def test_p10_the_name_of_a_type_that_is_nearly_that_of_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that makes the type of the intervals names it as they do."""
    line = LINE.replace("{type: Recipe, key: sku,", "{type: Sku, key: sku,")
    rule = "      - {set: interval_type, name: Sku}\n"
    strictly_right(written(tmp_path / "c", HEAD + line + rule), monkeypatch, capsys)


@pytest.mark.parametrize("listen", ["localhost:8321", "127.0.0.2:8321", "[::1]:8321"])
def test_a_page_for_this_machine_alone(
    listen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs no token. Nor does one in a container, whose image listens for the host by the environment."""
    head = HEAD.replace("127.0.0.1:8321", f'"{listen}"')
    strictly_right(written(tmp_path / "c", head + LINE), monkeypatch, capsys)
    monkeypatch.setenv("ODEN_GATEWAY_STATUS__LISTEN", "0.0.0.0:8321")
    strictly_right(written(tmp_path / "d", head + LINE), monkeypatch, capsys)


def test_p7_an_outbox_beside_its_file_lasts_as_long_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As that of somebody who tries it below /tmp, where tests have their folders too."""
    head = HEAD.replace("size_limit: 2 GB", "size_limit: 2 GB\n  directory: trial")
    assert head != HEAD
    with TemporaryDirectory(dir="/tmp") as folder:
        strictly_right(written(Path(folder), head + LINE), monkeypatch, capsys)


def test_a_page_for_others_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who reads it has to say the token."""
    head = HEAD.replace("listen: 127.0.0.1:8321", 'listen: 0.0.0.0:8321\n  token: "${secret:oden_token}"')
    strictly_right(written(tmp_path / "c", head + LINE), monkeypatch, capsys)
