"""P10: a table of wrong configurations, each with the place and the words of the problem that the command prints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.config.command import GOOD, TOKEN, Answer, check, written

HERE = "▲"
"""Stands in the texts below where the problem is reported; it is removed before the file is written."""


@dataclass(frozen=True)
class Wrong:
    """A file, the environment it is read in, and words of the sentence that must come at HERE.

    Without a HERE in the file, `where` is what the line begins with.
    """

    text: str | bytes
    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @property
    def content(self) -> str | bytes:
        return self.text.replace(HERE, "") if isinstance(self.text, str) else self.text

    @property
    def expected(self) -> str:
        if isinstance(self.text, bytes) or HERE not in self.text:
            return self.where
        before = self.text[: self.text.index(HERE)].split("\n")
        return f"gateway.yaml:{len(before)}:{len(before[-1]) + 1}: "


def edit(old: str, new: str, *words: str, **variables: str) -> Wrong:
    """The good file with one piece of it replaced."""
    assert GOOD.count(old) == 1, f"{old!r} is there {GOOD.count(old)} times"
    return Wrong(GOOD.replace(old, new), words, variables)


def set_to(name: str, value: str, *words: str) -> Wrong:
    """The good file, and a variable that spoils it."""
    return Wrong(GOOD, words, {name: value}, f"environment variable {name}: ")


STATE = 'state:   {source: press_plc, node: "nsu=urn:acme:line;s=L01.State"}'
ORDER = "order:   {source: floor, topic: plant-a/L01/events/order, field: number, time: at}"
PLC = 'press_plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840", security: none}'
FLOOR = 'floor:     {type: mqtt, url: "mqtt://broker.plant-a.local", client_id: edge-01}'
END = 'end: {when: "state == 0", for: 30m}'
PRODUCT = 'product: "{product}"'
OUTPUT = GOOD[GOOD.index("    scrap_yield:") :]
SECOND = (
    OUTPUT
    + "  - factory: Factory A\n    line: ▲Line 01\n"
    + "    inputs: {x: {source: floor, topic: x}}\n    run: {key: x, product: x}\n"
)

RULE = '    rules:\n      - {set: target, product: "{product}", metric_group: Speed, value: "{state}"}\n    run:\n'

CASES: dict[str, Wrong] = {
    # YAML
    "not yaml": edit("sources:", "sources: ▲: {", "not YAML", "':'"),
    "tab": edit("  token:", "▲\ttoken:", "not YAML", "tab", "spaces"),
    "unclosed quote": edit('"{scrap.code}"}}', '▲"{scrap.code}}}', "not YAML", "quote", "never closed"),
    "unclosed bracket": edit('"{scrap.code}"}}', '"{scrap.code}"}▲', "not YAML", "bracket"),
    "bad indent": edit("    run:\n", "   ▲run:\n", "not YAML", "indent"),
    "second document": edit("sources:", "▲---\nsources:", "second document"),
    "unknown alias": edit("Factory A  ", "▲*nobody  ", "nothing above is called so"),
    "duplicate key": edit(
        "      settle: 500ms", "      settle: 500ms\n      ▲settle: 1s", "duplicate key 'settle'", "line 25, column 7"
    ),
    "duplicate number": edit(
        "1: {category: Uptime}", "1: {category: Uptime}\n        ▲1: {category: Uptime}", "duplicate key '1'"
    ),
    "key that is no text": edit(
        "1: {category: Uptime}", "▲true: {category: Uptime}", "a key is text or a whole number"
    ),
    "tag": edit("factory: Factory A", "factory: ▲!!str Factory A", "tags", "quotes"),
    "list as key": edit("1: {category: Uptime}", "▲[1]: {category: Uptime}", "a key is text or a whole number"),
    "control character": edit("Factory A", "Factory ▲\x07A", "control character"),
    "bad escape": edit("Line 01\n", '"Line \\▲q"\n', "backslash"),
    "deep": Wrong("▲".join(["[" * 40, "[" * 400]), ("40 levels",)),
    "bomb": Wrong(
        "a: &a [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n"
        + "".join(
            f"{n}: {'▲' if n == 'f' else ''}&{n} [{', '.join([f'*{m}'] * 10)}]\n"
            for m, n in zip("abcde", "bcdef", strict=True)
        ),
        ("400000 values",),
    ),
    "deep by aliases": Wrong(
        "".join(f"k{n}: {'▲' if n == 39 else ''}&k{n} [{f'*k{n - 1}' if n else 0}]\n" for n in range(3000)),
        ("40 levels",),
    ),
    "not utf-8": Wrong(b"oden: {token: x}\nlog: \xff\n", ("UTF-8",), where="gateway.yaml:2:6: "),
    "empty": Wrong("# nothing\n", ("empty", "oden-gateway check -c FILE"), where="gateway.yaml: "),
    "too large": Wrong("#" * (4 * 2**20 + 1), ("4 MiB",), where="gateway.yaml: "),
    "a list": Wrong("▲- oden\n", ("keys and values",)),
    # Keys and types
    "unknown key": edit(
        "{type: opcua,",
        "{type: opcua, ▲tpye: opcua,",
        "unknown key 'tpye'",
        "did you mean 'type'",
        "publishing_interval",
    ),
    "unknown section": edit("sources:", "▲surces: {}\nsources:", "unknown key 'surces'", "did you mean 'sources'"),
    "missing key": edit(
        ORDER, "▲order: {topic: plant-a/L01/events/order}", "'source' is missing", "names under `sources`"
    ),
    "missing section": Wrong(GOOD[: GOOD.index("lines:")].replace("oden:\n", "▲oden:\n"), ("'lines' is missing",)),
    "empty section": edit("sources:", "▲log:\nsources:", "keys and values"),
    "number for text": edit("line: Line 01", "line: ▲1", "write text", "quotes"),
    "text for number": edit(
        "{rollover: 65536, max_rate: 5/s}", '{rollover: ▲"65536", max_rate: 5/s}', "write a number"
    ),
    "table for list": Wrong(GOOD[: GOOD.index("lines:")] + "lines: ▲{factory: a}\n", ("write a list",)),
    "list for table": edit(STATE, "state: ▲[press_plc]", "keys and values"),
    "list for a value": edit("scrap_code: Auto reject", "scrap_code: ▲[Auto, reject]", "single value"),
    "empty list": edit(OUTPUT, "    scrap_yield: {entries: ▲[]}\n", "at least one"),
    "empty text": edit("Factory A  ", '▲""', "must not be empty"),
    "union type": edit("type: opcua", "type: ▲opc", "write 'opcua' or 'mqtt'", "did you mean 'opcua'"),
    "no union type": edit(
        PLC, '▲press_plc: {url: "opc.tcp://10.1.4.20:4840"}', "'type' is missing", "'opcua' or 'mqtt'"
    ),
    "broken security": edit(
        "security: none", "security: ▲Basic128Rsa15/Sign", "Basic256Sha256/SignAndEncrypt", "or none"
    ),
    "user's certificate alone": edit(
        "security: none",
        "user_certificate: ▲x.pem",
        "a user's certificate and its key go together",
    ),
    "password of nobody": edit("security: none", "password: ▲x", "a password needs 'username'"),
    "number for a period": edit("security: none", "audit: ▲60", "a duration with its unit", "or off"),
    "choice": edit(
        "sources:", "log: {level: ▲warn}\nsources:", "'debug', 'info', 'warning' or 'error'", "did you mean 'warning'"
    ),
    "version as number": edit(
        "client_id: edge-01", "client_id: edge-01, version: ▲5", "'5' or '3.1.1'", "with the quotes"
    ),
    "category type": edit("1: {category: Uptime}", "1: {category: ▲{name: Uptime}}", "write text"),
    "name with a blank": edit("      scrap: ", "      ▲the scrap: ", "letters, digits and '_'"),
    "name as number": edit("press_plc: {type: opcua", "▲7: {type: opcua", "letters, digits and '_'"),
    # Values
    "duration": edit("every: 60s", "every: ▲60", "duration with its unit"),
    "duration unit": edit("settle: 500ms", "settle: ▲half a second", "duration with its unit"),
    "rate": edit("max_rate: 5/s", "max_rate: ▲5", "rate with its unit"),
    "rate of nothing": edit("oden:\n", "oden:\n  rate: ▲0/s\n", "more than 0 a second"),
    "faster than permitted": edit(
        "oden:\n", "oden:\n  rate: ▲1.01/s\n", "1/s or less", "'allow_faster_for_tests: true'"
    ),
    "faster by the minute": edit("oden:\n", "oden:\n  rate: ▲61/m\n", "1/s or less"),
    "faster without leave": edit(
        "oden:\n", "oden:\n  allow_faster_for_tests: false\n  rate: ▲5/s\n", "one request per second"
    ),
    "leave as text": edit("oden:\n", "oden:\n  allow_faster_for_tests: ▲yes\n", "true or false"),
    "size without unit": edit(
        "sources:", "outbox: {size_limit: ▲2000000000}\nsources:", "size with its unit", '"2 GB"'
    ),
    "size with a wrong unit": edit("sources:", "outbox: {size_limit: ▲2 Gb}\nsources:", "size with its unit"),
    "size too small": edit("sources:", "outbox: {size_limit: ▲1 MB}\nsources:", "at least 10 MB"),
    "share without percent": edit("sources:", "outbox: {min_free: ▲0.05}\nsources:", "percent", '"5%"'),
    "share of nearly all": edit("sources:", "outbox: {min_free: ▲95%}\nsources:", "`50%`) at the most"),
    "span without unit": edit("sources:", "outbox: {merge_span: ▲900}\nsources:", "duration with its unit"),
    "span of nothing": edit("sources:", "outbox: {merge_span: ▲0s}\nsources:", "at least 1 s"),
    "span of a week": edit("sources:", "outbox: {merge_span: ▲7d}\nsources:", "a day is the longest"),
    "backlog": edit(
        "sources:", "outbox: {backlog: ▲live}\nsources:", "'after_live' or 'in_order'", "did you mean 'after_live'"
    ),
    "ends": edit(
        "sources:", "outbox: {ends: ▲before}\nsources:", "'auto', 'bulk' or 'before_next'", "mean 'before_next'"
    ),
    "too short": edit("client_id: edge-01", "client_id: edge-01, keepalive: ▲1s", "at least 5 s"),
    "rollover of zero": edit("{rollover: 65536, max_rate: 5/s}", "{rollover: ▲0, max_rate: 5/s}", "more than 0"),
    "opcua url": edit('"opc.tcp://10.1.4.20:4840"', '▲"10.1.4.20:4840"', "opc.tcp://host:port"),
    "mqtt url": edit('"mqtt://broker.plant-a.local"', '▲"tcp://broker.plant-a.local"', "mqtt://host:port"),
    "braces without quotes": edit('name: "{order}"', "name: ▲{order}", 'quotes around the braces: "{order}"'),
    "assignment": edit('"state == 0"', '"state ▲= 0"', 'write "==" to compare'),
    "port": edit('"opc.tcp://10.1.4.20:4840"', '▲"opc.tcp://10.1.4.20:484000"', "port from 1 to 65535"),
    "brackets in a host": edit('"mqtt://broker.plant-a.local"', '▲"mqtt://[]"', "comes a host"),
    "secret without quotes": edit("client_id: edge-01", "client_id: edge-01, password: $▲{secret:x}", "needs quotes"),
    "password in url": edit('"opc.tcp://10', '▲"opc.tcp://me:hidden@10', "no user or password"),
    "password in redundant url": edit(
        "security: none", 'security: none, redundant: [▲"opc.tcp://me:hidden@10.1.4.21:4840"]', "no user or password"
    ),
    "listen": edit("sources:", "status: {listen: ▲127.0.0.1:99999}\nsources:", "port from 1 to 65535"),
    "count form": edit("{count: good,", "{count: ▲good one,", "name of an input"),
    # References
    "unknown source": edit(
        STATE, 'state: {source: ▲pres_plc, node: "i=1"}', "unknown source 'pres_plc'", "did you mean 'press_plc'"
    ),
    "node id": edit('"nsu=urn:acme:line;s=L01.State"', "▲L01.State", "not a node id", "nsu="),
    "node missing": edit(STATE, "▲state: {source: press_plc}", "'node' is missing", "OPC UA"),
    "topic at a plc": edit('s=L01.State"}', 's=L01.State", topic: ▲x}', "'topic' means nothing here", "OPC UA"),
    "node at a broker": edit(
        ORDER, "order: {source: floor, topic: x, node: ▲i=1}", "'node' means nothing here", "MQTT"
    ),
    "topic missing": edit(ORDER, "▲order: {source: floor}", "'topic' is missing", "MQTT"),
    "wildcard": edit("topic: plant-a/L01/events/scrap", "topic: ▲plant-a/+/events/scrap", "wildcards"),
    "topic with zero": edit("topic: plant-a/L01/events/scrap", 'topic: ▲"a\\0b"', "none of them zero"),
    "field path": edit("field: number", "field: a.▲.b", "single dots"),
    "unknown input as key": edit("key: order   ", "key: ▲odrer   ", "odrer", "not an input"),
    "unknown input of states": edit("input: state", "input: ▲stat", "stat", "not an input"),
    "unknown input counted": edit("count: reject", "count: ▲rejects", "rejects", "not an input"),
    "tag without counter": edit("count: reject", "count: ▲state", "counter"),
    "placeholder": edit(PRODUCT, 'product: "{▲prodct}"', "prodct", "not an input"),
    "placeholder of two lines": edit(PRODUCT, 'product: "{▲pro\\nduct}"', "pro?duct"),
    "lone brace": edit(PRODUCT, 'product: "▲{product"', "{{"),
    "expression": edit(END, 'end: {when: "state == ▲", for: 30m}', "something is missing at the end"),
    "name in expression": edit(END, 'end: {when: "▲stat == 0", for: 30m}', "stat"),
    "same line twice": edit(OUTPUT, SECOND, "there already"),
    "sends nothing": Wrong(GOOD[: GOOD.index("    run:")].replace("- factory", "- ▲factory"), ("sends nothing",)),
    "output without run": Wrong(
        GOOD[: GOOD.index("    run:")] + OUTPUT.replace("    scrap_yield:\n      ", "    scrap_yield:\n      ▲"),
        ("run",),
    ),
    "ca without tls": edit(FLOOR, 'floor: {type: mqtt, url: "mqtt://b", client_id: e, ca: ▲ca.pem}', "mqtts://"),
    "one session twice": edit(
        FLOOR,
        FLOOR + '\n  again: {type: mqtt, url: "mqtt://broker.plant-a.local:1883", client_id: ▲edge-01}',
        "'floor'",
        "client_id",
    ),
    # Secrets
    "missing secret": edit(
        "${secret:oden_token}",
        "▲${secret:other_token}",
        "/run/secrets/other_token",
        "secrets/other_token",
        "ODEN_GATEWAY_SECRET_OTHER_TOKEN",
    ),
    "empty secret": edit("${secret:oden_token}", "▲${secret:other}", "empty", ODEN_GATEWAY_SECRET_OTHER=""),
    "two lines of secret": edit(
        "${secret:oden_token}", "▲${secret:other}", "one line", ODEN_GATEWAY_SECRET_OTHER="a\nb"
    ),
    "part of a value": edit("${secret:oden_token}", "▲Token ${secret:oden_token}", "whole value"),
    "path as secret": edit("${secret:oden_token}", "▲${secret:../gateway.yaml}", "NAME of letters"),
    "secret elsewhere": edit("Factory A  ", "▲${secret:oden_token}  ", "token or a password"),
    # Choices and units
    "preset in capitals": edit(
        "      input: state\n", "      input: state\n      preset: ▲PackML\n", "write 'packml'", "mean 'packml'"
    ),
    "category of no state": edit(
        "      hold: 5s",
        "      short_stops: {under: 1m, during: [▲uptime]}\n      hold: 5s",
        "no state has the category 'uptime'",
        "Uptime",
    ),
    "number with a unit": edit(
        "counter: {rollover: 65536, max_rate: 5/s}", "counter: {rollover: 65536, max_rate: ▲5 per s}", '"300/min"'
    ),
    # Rules
    "rule of no kind": edit(
        "    run:\n", RULE.replace("{set: target, ", "▲{", 1), "the key 'set' is missing", "'target'"
    ),
    "rule of an unknown kind": edit("    run:\n", RULE.replace("target", "▲targt", 1), "unknown set", "mean 'target'"),
    "rule with an unknown key": edit("    run:\n", RULE.replace("metric_group", "▲group", 1), "unknown key 'group'"),
    "rule of an unknown input": edit("    run:\n", RULE.replace('"{state}"', '"{▲staet}"'), '"staet" is not an input'),
    # Environment
    "unknown variable": set_to(
        "ODEN_GATEWAY_OUTBOX__DIRECTROY", "/x", "no 'DIRECTROY' under OUTBOX", "did you mean 'DIRECTORY'"
    ),
    "variable for no section": set_to(
        "ODEN_GATEWAY_OUTBX__DIRECTORY", "/x", "no 'OUTBX' at the top", "did you mean 'OUTBOX'"
    ),
    "variable with one underscore": set_to("ODEN_GATEWAY_ODEN_URL", "x", "did you mean ODEN_GATEWAY_ODEN__URL?"),
    "variable for a section": set_to("ODEN_GATEWAY_SOURCES__FLOOR", "x", "whole section"),
    "variable with a wrong value": set_to("ODEN_GATEWAY_ODEN__TIMEOUT", "30", "duration with its unit"),
    "variable with a wrong url": set_to("ODEN_GATEWAY_SOURCES__PRESS_PLC__URL", "http://x", "opc.tcp://host:port"),
    "variable with a wrong node": set_to("ODEN_GATEWAY_LINES__0__INPUTS__STATE__NODE", "L01", "not a node id"),
    "variable beyond the list": set_to("ODEN_GATEWAY_LINES__1__LINE", "x", "no '1' under LINES"),
}


AS_PROCESSES = (
    *("unknown key", "number for text", "duplicate key", "unknown source", "node id", "expression", "not yaml", "tab"),
    *("bomb", "missing secret", "unknown variable"),
)
"""Checked once more through a process of their own; the others only through the same function in this process."""


@pytest.mark.parametrize("name", CASES)
def test_p10_wrong_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each wrong file ends with code 2 and says at the right place what is wrong and what would be right."""
    case = CASES[name]
    path = written(tmp_path / "c", case.content)
    monkeypatch.chdir(path.parent)
    for variable, value in case.variables.items():
        monkeypatch.setenv(variable, value)
    code = main(["check", "-c", path.name])
    printed = capsys.readouterr()
    assert_refused(case, Answer(code, printed.out, printed.err.splitlines()))


@pytest.mark.parametrize("name", AS_PROCESSES)
def test_p10_wrong_file_as_process(name: str, tmp_path: Path) -> None:
    """The command that a person types says the same."""
    case = CASES[name]
    assert_refused(case, check(written(tmp_path / "c", case.content), variables=case.variables))


def test_p10_run_refuses_what_check_refuses(tmp_path: Path) -> None:
    """`run` does not start with a wrong file; it says what `check` says."""
    case = CASES["unknown key"]
    assert_refused(case, check(written(tmp_path / "c", case.content), command="run"))


def assert_refused(case: Wrong, answer: Answer) -> None:
    """`answer` has the sentence at its place, and each line of it says where."""
    assert answer.code == 2, answer
    assert answer.output == ""
    assert case.expected, "the case says where"
    matching = [line for line in answer.problems if line.startswith(case.expected)]
    assert any(all(word in line for word in case.words) for line in matching), answer.problems
    assert all(line.startswith(("gateway.yaml:", "environment variable ")) for line in answer.problems)
    assert TOKEN not in "".join(answer.problems)


def test_p10_no_such_file(tmp_path: Path) -> None:
    """A file that is not there, and a folder in its place, are refused by name with what to do."""
    for path, reason in ((tmp_path / "gateway.yaml", "no such file"), (tmp_path, "directory")):
        answer = check(path)
        assert answer.code == 2
        assert len(answer.problems) == 1
        assert answer.problems[0].startswith(f"{path.name}: ")
        assert reason in answer.problems[0]
        assert "oden-gateway check -c FILE" in answer.problems[0]
