"""`oden-gateway check` on files that are right: what it says, and what comes from where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.phrases import span
from gateway.cli.startup import read_config
from gateway.config.environment import SecretError
from gateway.config.schema_mqtt import MqttConfig
from gateway.errors import ConfigError
from tests.config.command import EXAMPLES, GOOD, TOKEN, check, environment, written


@pytest.mark.parametrize("name", ["gateway.yaml", "demo.yaml"])
def test_examples_are_right(name: str) -> None:
    """The example files that users start from pass, once their token is there."""
    answer = check(EXAMPLES / name, variables={"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN})
    assert (answer.code, answer.problems) == (0, [])
    assert TOKEN not in answer.output


def test_summary_says_what_happens_on_the_line(tmp_path: Path) -> None:
    """A person reads what starts a run, what the codes mean, what is sent, and how long a gap each counter survives."""
    answer = check(written(tmp_path / "c", GOOD))
    assert answer.code == 0, answer.problems
    for words in (
        "Line 01 of Factory A",
        "A run begins when order changes",
        "when state == 0 has held for 30 min",
        "2 is Planned Downtime / Changeover",
        "scrap.qty, an amount in each message, is sent every 1 min",
        "good is exact over a gap of up to 3 h 38 min",
        "made while no run is on goes to the next run",
    ):
        assert words in answer.output


def test_a_reader_that_has_read_enough(tmp_path: Path) -> None:
    """`check | head` ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "gateway", "check", "-c", str(written(tmp_path / "c", GOOD))]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment(), check=False)
    os.close(write)
    assert done.stderr == b""


def test_a_rollover_one_too_small_is_asked_about(tmp_path: Path) -> None:
    """65535 is what a 16-bit counter shows last, not the first value that it never shows."""
    text = GOOD.replace("{rollover: 65536, max_rate: 5/s}", "{rollover: 65535, max_rate: 5/s}")
    answer = check(written(tmp_path / "c", text))
    assert answer.code == 0
    assert "good rolls over at 65535: is that not 65536?" in answer.output


def test_json_for_scripts(tmp_path: Path) -> None:
    """With --json the result is one JSON document on standard output, for a right and for a wrong file."""
    right = check(written(tmp_path / "right", GOOD), "--json")
    assert right.code == 0
    assert json.loads(right.output)["lines"][0]["line"] == "Line 01"
    wrong = check(written(tmp_path / "wrong", GOOD.replace("type: opcua", "tpye: opcua")), "--json")
    assert (wrong.code, wrong.problems) == (2, [])
    assert json.loads(wrong.output)["problems"][0]["where"].startswith("gateway.yaml:")


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    """Names match whatever their case; text stays text, also 01; lists go by index; other names mean nothing."""
    path = written(tmp_path / "c", GOOD)
    loaded, plans = read_config(
        path,
        {
            "ODEN_GATEWAY_SOURCES__PRESS_PLC__URL": "opc.tcp://plc:4841",
            "oden_gateway_lines__0__line": "01",
            "ODEN_GATEWAY_LINES__0__INPUTS__GOOD__COUNTER__ROLLOVER": "256",
            "ODEN_GATEWAY_LINES__0__STATES__CODES__1__CATEGORY": "Running",
            "ODEN_GATEWAY_OUTBOX__DIRECTORY": "kept",
            "ODEN_GATEWAY_ODEN__TOKEN": "007",
            "ODEN_GATEWAY_UNKNOWN": "ignored",
        },
    )
    config = loaded.config
    assert config.sources["press_plc"].url == "opc.tcp://plc:4841"
    assert config.sources["floor"].url == "mqtt://broker.plant-a.local"
    line = config.lines[0]
    assert (line.line, line.factory, plans[0].line) == ("01", "Factory A", "01")
    good = line.inputs["good"].counter
    assert good is not None
    assert (good.rollover, good.max_rate) == (256, 5.0)
    assert line.states is not None
    assert line.states.codes[1].category == "Running"
    assert config.outbox.directory == path.parent / "kept"
    assert loaded.token_source() == "007"
    assert loaded.where(("outbox", "directory")) == "environment variable ODEN_GATEWAY_OUTBOX__DIRECTORY"


def test_variable_replaces_a_secret_that_is_not_there(tmp_path: Path) -> None:
    """A value that the environment gives need not be readable in the file."""
    path = written(tmp_path / "c", GOOD.replace("oden_token}", "nowhere}"))
    assert read_config(path, {"ODEN_GATEWAY_ODEN__TOKEN": "x"})[0].token_source() == "x"


def test_p10_a_secret_of_nearly_this_name(tmp_path: Path) -> None:
    """The name of the one that is there is told."""
    path = written(tmp_path / "c", GOOD.replace("oden_token}", "oden-token}"))
    with pytest.raises(ConfigError, match="did you mean 'oden_token', which is there"):
        read_config(path, {})


def test_text_that_looks_like_something_else_stays_text(tmp_path: Path) -> None:
    """12:30, no and a date are text as they stand; an alias repeats what it names."""
    text = GOOD.replace("Factory A  ", "&name 12:30  ").replace("category: Uptime", "category: no")
    text = text.replace("reason: Changeover", "reason: 2026-01-01").replace("reason: Jam", "reason: *name")
    line = read_config(written(tmp_path / "c", text), {})[0].config.lines[0]
    assert line.states is not None
    codes = line.states.codes
    assert (line.factory, codes[1].category, codes[2].reason, codes[3].reason) == ("12:30", "no", "2026-01-01", "12:30")


def test_secret_places_in_order(tmp_path: Path) -> None:
    """The service's credential comes before the file beside the configuration, and that before the environment."""
    path = written(tmp_path / "c", GOOD)
    file = path.parent / "secrets" / "oden_token"
    environ = {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": "from-the-environment"}
    assert read_config(path, environ)[0].token_source() == TOKEN
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "oden_token").write_bytes(b"vom-Dienst\r\n")
    assert read_config(path, environ | {"CREDENTIALS_DIRECTORY": str(credentials)})[0].token_source() == "vom-Dienst"
    file.unlink()
    assert read_config(path, environ)[0].token_source() == "from-the-environment"


def test_p8_token_is_read_again(tmp_path: Path) -> None:
    """A new token in the file counts at the next call, without a restart; a file that is gone is said so."""
    path = written(tmp_path / "c", GOOD)
    file = path.parent / "secrets" / "oden_token"
    source = read_config(path, {})[0].token_source
    assert source() == TOKEN
    file.write_text("another", encoding="utf-8")
    assert source() == "another"
    file.unlink()
    with pytest.raises(SecretError, match="oden_token"):
        source()


def test_p8_what_is_loaded_shows_no_secret(tmp_path: Path) -> None:
    """Neither the configuration nor where it came from shows a token or password when it is printed."""
    text = GOOD.replace("client_id: edge-01", "client_id: edge-01, password: '${secret:broker}'")
    loaded, _ = read_config(written(tmp_path / "c", text), {"ODEN_GATEWAY_SECRET_BROKER": "open-sesame"})
    floor = loaded.config.sources["floor"]
    assert isinstance(floor, MqttConfig)
    assert floor.password is not None
    assert floor.password.get_secret_value() == "open-sesame"
    assert "open-sesame" not in f"{loaded!r} {loaded.config!r} {loaded.config.model_dump_json()}"
    assert TOKEN not in f"{loaded!r} {loaded.config!r} {loaded.config.model_dump_json()}"


def test_where_points_at_values_and_sections(tmp_path: Path) -> None:
    """A place in the tree becomes the line and column of its value, or of the section that lacks it."""
    path = written(tmp_path / "c", "oden:\n  token: x\n" + GOOD[GOOD.index("sources:") :])
    loaded, _ = read_config(path, environment())
    assert loaded.where(("oden", "token")) == f"{path}:2:10"
    assert loaded.where(("oden", "url")) == f"{path}:1:1"
    assert loaded.where(("status", "listen")) == f"{path}:1:1"
    assert loaded.where(("lines", 0, "id")).endswith(":5")


def test_span() -> None:
    """Durations are said in the two largest units that matter."""
    printed = [span(seconds) for seconds in (0.5, 5, 90, 13107.2, 86400, 2.5)]
    assert printed == ["500 ms", "5 s", "1 min 30 s", "3 h 38 min", "1 d", "2.5 s"]


PLANT = """
oden: {token: "${secret:oden_token}"}
sources:
  plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"}
  other: {type: opcua, url: "opc.tcp://10.1.4.21:4840"}
templates:
  press:
    defaults: {hold: 5s, rate: 5/s}
    inputs:
      state: {source: "${plc}", node: "ns=2;s=${tag}.State"}
      good:  {source: "${plc}", node: "${good}", counter: {rollover: 65536, max_rate: "${rate}"}}
      order: {source: "${plc}", node: "ns=2;s=${tag}.Order"}
    run: {key: order, product: "{order}", name: "${tag} {order}", metadata: {area: "${area}"}}
    states: {input: state, codes: {1: {category: Uptime}}, hold: "${hold}"}
lines:
  - {file: lines.csv, use: press, factory: Factory A}
"""


def plant(folder: Path, *differing: str) -> Path:
    """Forty lines of one template; `differing` are rows `number,hold,rate` for some of them."""
    path = written(folder, PLANT)
    own = {row.split(",")[0]: row.partition(",")[2] for row in differing}
    rows = [
        f"Line {n:02},{'plc' if n < 20 else 'other'},T{n},ns=2;s=G{n},Hall {n % 7},{own.get(str(n), ',')}"
        for n in range(1, 41)
    ]
    (folder / "lines.csv").write_text("\n".join(["line,plc,tag,good,area,hold,rate", *rows]) + "\n", encoding="utf-8")
    return path


def test_forty_equal_lines_are_read_on_one_screen(tmp_path: Path) -> None:
    """Lines that differ only in addresses and parameters of texts are one block that describes the first of them."""
    answer = check(plant(tmp_path / "c"))
    assert answer.code == 0, answer.problems
    printed = answer.output.splitlines()
    assert len(printed) < 40
    blocks = [text for text in printed if text.endswith(" of Factory A:")]
    assert blocks == [", ".join(f"Line {n:02}" for n in range(1, 40)) + " and Line 40 of Factory A:"]
    assert (
        "  40 lines alike, but for addresses and texts that are filled in: below they are those of Line 01." in printed
    )
    assert "    state is the tag ns=2;s=T1.State of plc." in printed
    assert not any("T2" in text for text in printed)
    assert "    About 62 an hour for each of them; 31 suffice when they have to." in printed
    assert any("about 2,480 an hour are expected" in text for text in printed)
    lines = json.loads(check(tmp_path / "c" / "gateway.yaml", "--json").output)["lines"]
    assert [line["line"] for line in lines] == [f"Line {n:02}" for n in range(1, 41)]
    assert "state is the tag ns=2;s=T40.State of other." in lines[39]["does"]
    assert lines[39]["requests_an_hour"] == {"sent": 62.0, "least": 31.0}


def test_lines_that_do_something_else_have_a_block_of_their_own(tmp_path: Path) -> None:
    """Lines with other times, rates or texts of their own are not taken for the same, whoever has set them."""
    path = plant(tmp_path / "c", "7,8s,", "9,,50/s", "10,,50/s")
    file = path.with_name("lines.csv")
    answer = check(path, variables={"ODEN_GATEWAY_LINES__19__RUN__PRODUCT": "Paste"})
    assert answer.code == 0, (answer.problems, file)
    blocks = [text for text in answer.output.splitlines() if text.endswith(" of Factory A:")]
    rest = [n for n in range(1, 41) if n not in {7, 9, 10, 20}]
    assert blocks == [
        ", ".join(f"Line {n:02}" for n in rest[:-1]) + " and Line 40 of Factory A:",
        "Line 07 of Factory A:",
        "Line 09 and Line 10 of Factory A:",
        "Line 20 of Factory A:",
    ]
    assert "    A state that lasts less than 8 s is not sent." in answer.output.splitlines()
    assert "    good is exact over a gap of up to 21 min 50 s (65536 at 50 a second)." in answer.output.splitlines()
    assert '    Its product is "Paste".' in answer.output.splitlines()


def test_equal_lines_of_several_factories(tmp_path: Path) -> None:
    """Lines written by hand are alike too, and each is named with its factory. Another condition makes another line."""
    head, _, line = GOOD.partition("lines:\n")
    other = line.replace("Factory A ", "Factory B ").replace("L01", "L07")
    slower = line.replace("Line 01", "Line 02").replace("for: 30m", "for: 40m")
    answer = check(written(tmp_path / "c", f"{head}lines:\n{line}{other}{slower}"))
    assert answer.code == 0, answer.problems
    assert "\nLine 01 of Factory A; Line 01 of Factory B:\n" in answer.output
    assert "\nLine 02 of Factory A:\n" in answer.output


def test_what_is_left_to_do_is_a_warning_at_its_place(tmp_path: Path) -> None:
    """A comment that begins with TODO, in the file or one that it includes; the word in a text is none."""
    text = GOOD.replace("lines:\n", "lines: # TODO name the second line\n", 1).replace(
        'name: "{order}"', 'name: "TODO {order}"  #nothing TODO'
    )
    path = written(tmp_path / "c", f"include: [more.yaml]\n{text}")
    (path.parent / "more.yaml").write_text("# TODO\nstatus: {listen: 127.0.0.1:8322}\n", encoding="utf-8")
    answer = check(path)
    assert answer.code == 0, answer.problems
    line = text[: text.index("# TODO")].count("\n") + 2
    assert answer.problems == [
        f"gateway.yaml:{line}:10: warning: still to be done: name the second line",
        "more.yaml:1:3: warning: still to be done: see here",
    ]
    assert check(path, "--strict").code == 2


def test_elements_and_sums_of_arrays_are_right(tmp_path: Path) -> None:
    """As docs/mapping.md writes them: no warning says that they are not known."""
    text = GOOD
    for number, field in enumerate(("orders[0].number", "orders[-1]", "[2]", "sum(orders.qty)", "sum()")):
        more = f'      other{number}: {{source: floor, topic: plant-a/L01/other, field: "{field}", time: "times[0]"}}\n'
        text = text.replace("    run:\n", f"{more}    run:\n", 1)
    answer = check(written(tmp_path / "c", text))
    assert (answer.code, answer.problems) == (0, [])


@pytest.mark.parametrize("category", ["Up time", "uptime", "Uptme", "UP-TIME"])
def test_a_category_that_is_nearly_one_of_oden_s_is_a_warning(category: str, tmp_path: Path) -> None:
    """Also where it stands alone in the file. A factory that has it so says that in `status.categories`."""
    text = GOOD.replace("category: Uptime", f"category: {category}")
    answer = check(written(tmp_path / "c", text), "--strict")
    [problem] = answer.problems
    line = text[: text.index(category)].count("\n") + 1
    assert problem.startswith(f"gateway.yaml:{line}:23: warning: '{category}' is nearly 'Uptime'")
    assert answer.code == 2
    known = f"{text}status: {{categories: {{{category}: running}}}}\n"
    assert check(written(tmp_path / "known", known), "--strict").problems == []
