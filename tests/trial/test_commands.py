"""`replay`, `explain`, `test` and `record` as a person uses them: files in, text and exit codes out."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from gateway.cli.record import not_received
from tests.config.command import GOOD, TOKEN, Answer, environment, written
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, wait_until
from tests.processes import whole_lines
from tests.trial.conftest import GOODS, RECORDING, REJECT, STATE, T0, run

LINE = '"line": {"id": "<Factory A/Line 01>"}'
REQUESTS = [
    f'2026-01-05T06:00:06Z interval/set {{"type": {{"name": "STATE"}}, {LINE}, "start_time": "2026-01-05T06:00:01Z", '
    '"metadata": {"category": {"name": "Uptime"}}}',
    f'2026-01-05T06:00:10Z interval/set {{"type": {{"name": "RUN"}}, {LINE}, "start_time": "2026-01-05T06:00:10Z", '
    '"metadata": {"product": {"name": "FILM"}}, "name": "4711"}',
    '2026-01-05T06:01:00Z scrap_yield/set {"data": {"raw_data": {"yield": 8}, "timestamp": "2026-01-05T06:01:00Z"}, '
    f'"interval": {{"id": "<RUN 1>", "type": {{"name": "RUN"}}, {LINE}}}}}',
]


def test_replay_prints_each_request(config: Path) -> None:
    """In the order of the recording's own time, with what could not be used after them."""
    answer = run(config, "replay", "monday.jsonl")
    assert (answer.code, answer.problems) == (0, ["line Line 01: reject, scrap never had a value"])
    *requests, reject = answer.output.splitlines()
    assert requests == REQUESTS
    assert "reject: press_plc" in reject
    assert "nonsense" in reject


def said_in(answer: Answer) -> list[str]:
    """What `--json` says beside what it prints, each sentence as JSON on standard error."""
    return [str(json.loads(line)["said"]) for line in answer.problems]


def test_what_came_to_nothing_is_said(config: Path) -> None:
    """A topic that the configuration does not have, an input that nothing came of; not among the requests, and for
    cases of what none of them has set."""
    strange = {"at": T0 + 200, "source": "floor", "address": "plant-a/L01/else", "value": 1}
    with (config.parent / "monday.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(strange) + "\n")
    said = ["floor plant-a/L01/else: 1 that no input takes", "line Line 01: reject, scrap never had a value"]
    answer = run(config, "replay", "monday.jsonl", "--json")
    *before, last = said_in(answer)
    assert (answer.code, before) == (0, said)
    assert f"press_plc {GOODS}: 1 rejected, at last: good" in last
    assert all("no input takes" not in line for line in answer.output.splitlines())
    (config.parent / "line.test.yaml").write_text("given: [{at: 1s, set: {state: 1}}]\nexpect: []\n", encoding="utf-8")
    in_no_case = "in no case: line Line 01: good, reject, order, product, scrap never had a value"
    assert in_no_case in run(config, "test").output.splitlines()


def test_each_reason_is_said_with_its_count(config: Path) -> None:
    """What the source rejected stands in the recording; reasons that differ in numbers alone are one."""
    told = {"at": T0 + 200, "source": "press_plc", "address": GOODS}
    reasons = ["the tag holds NaN", "the tag holds an array of 2; name one", "the tag holds an array of 3; name one"]
    events: list[dict[str, object]] = [{**told, "rejected": reason} for reason in reasons]
    events += [{**told, "rejected": "7 more in the last 60 s; the last: the tag holds NaN", "count": 7}]
    with (config.parent / "monday.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(event)}\n" for event in events)
    answer = run(config, "replay", "monday.jsonl", "--json")
    at = f"press_plc {GOODS}:"
    assert f"{at} 8 rejected, at last: the tag holds NaN" in said_in(answer)
    assert f"{at} 2 rejected, at last: the tag holds an array of 3; name one" in said_in(answer)
    assert f"reject: {at} the tag holds NaN" in run(config, "replay", "monday.jsonl").output


def with_a_table(text: str = GOOD) -> str:
    """Reasons are looked up in texts.csv."""
    looked_up = text.replace("PLC code {state}", "{texts[state].text|PLC code {state}}")
    return looked_up + "tables: {texts: {file: texts.csv}}\n"


TEXTS = "state,text\n8,Cutter\n"
MISSED = "line Line 01: the table texts has nothing for 9"


def test_what_was_looked_up_in_vain_is_said(tmp_path: Path) -> None:
    """By `replay` and `test`, for people and as JSON: the table, and what it does not have."""
    config = written(tmp_path, with_a_table())
    (tmp_path / "texts.csv").write_text(TEXTS, encoding="utf-8")
    states = [
        {"at": T0 + 60 * n, "source": "press_plc", "address": STATE, "value": value}
        for n, value in enumerate((8, 9, 1))
    ]
    states += [{"at": T0 + 600}]
    (tmp_path / "monday.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in states), encoding="utf-8")
    for options in ((), ("--json",)):
        answer = run(config, "replay", "monday.jsonl", *options)
        assert (answer.code, MISSED in (said_in(answer) if options else answer.problems)) == (0, True)
        assert '"reason": {"name": "Cutter"}' in answer.output
        assert '"reason": {"name": "PLC code 9"}' in answer.output
    case = "given: [{at: 1s, set: {state: 9}}, {at: 1m}]\nexpect: []\n"
    (tmp_path / "line.test.yaml").write_text(case, encoding="utf-8")
    answer = run(config, "test")
    assert (answer.code, MISSED in answer.output.splitlines()) == (1, True)
    told = json.loads(run(config, "test", "--json").output)
    assert MISSED in told["said"]
    assert "in no case: line Line 01: good, reject, order, product, scrap never had a value" in told["said"]
    assert [(each["name"], len(each["differences"])) for each in told["cases"]] == [("case 1", 1)]


def test_a_run_that_had_just_begun_is_said(config: Path) -> None:
    """One that settles still when the recording ends, and one whose product never came: neither is among the requests,
    and both are said."""
    path = config.parent / "monday.jsonl"
    order = {"source": "floor", "address": "plant-a/L01/events/order"}
    late = {"at": T0 + 100, **order, "value": {"number": "4712", "sku": "FILM", "at": T0 + 100}}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(late) + "\n")
    answer = run(config, "replay", "monday.jsonl")
    said = "line Line 01: the run 4712 had just begun when the recording ended; it is not told"
    assert said in answer.problems
    assert "4712" not in "".join(line for line in answer.output.splitlines() if "interval/set" in line)
    without = {"at": T0 + 200, **order, "value": {"number": "4713", "at": T0 + 200}}
    path.write_text(json.dumps(without) + "\n" + json.dumps({"at": T0 + 260}) + "\n", encoding="utf-8")
    answer = run(config, "replay", "monday.jsonl")
    assert any("the run 4713 has begun and is not told" in line for line in answer.problems), answer


def test_what_many_tags_have_in_common_is_said_once() -> None:
    """A folder of the server that is gone is one sentence, not one for each of its tags; few are named each."""
    reason = "the server refuses it: BadNodeIdUnknown"
    few = dict.fromkeys(("", "a", "b"), reason)
    assert [*not_received("plc", few)] == [f"plc: {reason}", f"plc a: {reason}", f"plc b: {reason}"]
    many = dict.fromkeys((f"t{number}" for number in range(961)), reason) | {"x": "it is of uncertain quality"}
    said = [f"plc t0, t1, t2, t3, t4 and 956 more: {reason}", "plc x: it is of uncertain quality"]
    assert [*not_received("plc", many)] == said


async def test_record_says_why_something_is_not_received(tmp_path: Path) -> None:
    """Each tag with its reason, a payload that is none, what was looked up in vain; as JSON."""
    opcua = OpcuaServer()
    with Mosquitto(tmp_path / "mosquitto") as broker:
        await opcua.start(L01__State=9, L01__Good=7)
        await broker.publish("plant-a/L01/events/order", b"\xff", retain=True)
        try:
            text = with_a_table(GOOD.replace("opc.tcp://10.1.4.20:4840", opcua.url).replace("hold: 5s", "hold: 1s"))
            config = written(tmp_path / "plant", text.replace("mqtt://broker.plant-a.local", broker.url))
            (config.parent / "texts.csv").write_text(TEXTS, encoding="utf-8")
            out = tmp_path / "out.jsonl"
            command = (sys.executable, "-m", "gateway", "record", str(out), "--json", "-c", str(config))
            process = await asyncio.create_subprocess_exec(
                *command, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            try:
                await _recorded(out, "L01.State")
                await _recorded(out, "events/order")
                good, held = 7, float(_samples(out)[-1]["at"]) + 2.0
                while float(_samples(out)[-1]["at"]) < held:  # the state has to hold, by what comes
                    good += 1
                    await opcua.write("L01.Good", good)
                    await asyncio.sleep(0.1)
            finally:
                process.send_signal(signal.SIGINT)
                output, errors = await process.communicate()
        finally:
            await opcua.stop()
    assert process.returncode == 0, errors
    told = json.loads(output)
    assert told["not_received"]["press_plc"] == {REJECT: "the server refuses it: BadNodeIdUnknown"}
    assert any(line.startswith("floor plant-a/L01/events/order: 1 rejected") for line in told["said"]), told
    assert MISSED in told["said"]
    again = run(config, "replay", str(tmp_path / "out.jsonl"), "--json")
    assert any(line.startswith("floor plant-a/L01/events/order: 1 rejected") for line in said_in(again)), again.problems


def test_p13_a_correction_says_how_late_its_message_was_and_why(config: Path) -> None:
    """Replay says on standard error how late messages came; of a record that corrects what was told, explain says what
    has moved, from where to where, because of which message, before it lists the inputs."""
    order: dict[str, object] = {"source": "floor", "address": "plant-a/L01/events/order"}
    count: list[dict[str, object]] = [{"at": T0 + 1, "source": "press_plc", "address": GOODS, "value": 65530}]
    count += [{**count[0], "at": T0 + second, "value": second} for second in range(20, 200, 20)]
    orders: list[dict[str, object]] = [
        {"at": T0 + 2, **order, "value": {"number": "A", "sku": "FILM", "at": T0 + 2}},
        {"at": T0 + 150, **order, "value": {"number": "B", "sku": "FILM", "at": T0 + 90}},
    ]
    end: dict[str, object] = {"at": T0 + 400}
    events = sorted([*count, *orders, end], key=lambda event: float(str(event["at"])))
    (config.parent / "late.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in events), encoding="utf-8")
    answer = run(config, "replay", "late.jsonl", "--json")
    assert any("order: half of 2 messages" in line and "60 s 2" in line for line in said_in(answer))
    anew = [json.loads(line) for line in answer.output.splitlines() if '"yield": -' in line]
    lines = run(config, "explain", anew[0]["key"], "--recording", "late.jsonl").output.splitlines()
    because = next(number for number, line in enumerate(lines) if "because  moved" in line)
    assert "yield A → B, because order B (06:01:30Z) was heard at 06:02:30Z" in lines[because]
    assert lines[because + 1].strip() == "inputs"


def test_replay_compares_with_an_expected_file(config: Path) -> None:
    """What replay printed before is what it prints again: 0; a changed configuration shows as a difference: 1."""
    (config.parent / "monday.txt").write_text(run(config, "replay", "monday.jsonl").output, encoding="utf-8")
    assert run(config, "replay", "monday.jsonl", "--expect", "monday.txt").code == 0
    config.write_text(GOOD.replace("{category: Uptime}", "{category: Running}"), encoding="utf-8")
    answer = run(config, "replay", "monday.jsonl", "--expect", "monday.txt")
    assert answer.code == 1
    changed = [line for line in answer.output.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert [line[0] for line in changed] == ["-", "+"]
    assert "Running" in changed[1]


def test_replay_names_what_is_wrong_with_a_recording(config: Path) -> None:
    """File and line, and exit code 1; an unknown line of the plant is answered with those that there are."""
    (config.parent / "monday.jsonl").write_text("{}\n", encoding="utf-8")
    answer = run(config, "replay", "monday.jsonl")
    assert (answer.code, answer.output) == (1, "")
    assert "monday.jsonl:1: " in answer.problems[0]
    assert "Factory A/Line 01" in run(config, "replay", "monday.jsonl", "--line", "Line 9").problems[0]


def test_explain_leads_back_to_the_samples_and_the_configuration(config: Path) -> None:
    """From a record to the rule with its place in the file, to the sample, and to every input with its place."""
    keys = [json.loads(line) for line in run(config, "replay", "monday.jsonl", "--json").output.splitlines()]
    run_key = next(entry["key"] for entry in keys if entry["body"].get("name") == "4711")
    answer = run(config, "explain", run_key[:14], "--recording", "monday.jsonl")
    assert answer.code == 0
    place = next(number for number, line in enumerate(GOOD.splitlines(), 1) if line.strip() == "run:")
    assert f"run, gateway.yaml:{place + 1}:" in answer.output
    assert 'order = "4711"' in answer.output
    config.write_text(GOOD.replace("max_rate: 5/s}", "max_rate: 5/s, scale: 0.1, unit: m}"), encoding="utf-8")
    measured = run(config, "explain", "--last", "Line 01", "--recording", "monday.jsonl").output
    assert '{"yield": 0.8}' in measured
    assert "    good = 2, each 0.1 m, since 2026-01-05T06:00:30.000Z, gateway.yaml:" in measured
    config.write_text(GOOD, encoding="utf-8")
    last = run(config, "explain", "--last", "Line 01", "--recording", "monday.jsonl")
    assert last.output.startswith(REQUESTS[-1])
    assert "time passing: a wait or a window was over, behind which are\n" in last.output
    assert "           press_plc nsu=urn:acme:line;s=L01.Good = 2 at 2026-01-05T06:00:30.000Z\n" in last.output
    assert run(config, "explain", "--recording", "monday.jsonl").code == 2
    assert run(config, "explain", "nokey", "--recording", "monday.jsonl").code == 1


def test_p11_messages_without_their_time_are_no_rejects(config: Path) -> None:
    """They are used, with the time of arrival. A notice says so once for each topic, also where others on it have their
    time."""
    topic, begun = "plant-a/L01/events/order", T0 + 10
    values = [{"number": "1", "sku": "A"}, {"number": "2", "sku": "A", "at": begun + 10}, {"number": "3", "sku": "A"}]
    lines = [
        json.dumps({"at": begun + 10 * n, "source": "floor", "address": topic, "value": value})
        for n, value in enumerate(values)
    ]
    config.write_text(GOOD.replace("field: sku}", "field: sku, time: at}"), encoding="utf-8")
    (config.parent / "monday.jsonl").write_text("\n".join([*lines, json.dumps({"at": begun + 60})]), encoding="utf-8")
    answer = run(config, "replay", "monday.jsonl")
    assert "reject" not in answer.output
    assert '"start_time": "2026-01-05T06:00:10Z"' in answer.output
    [notice] = [line for line in answer.output.splitlines() if " time: " in line]
    assert notice.endswith(
        'time: floor plant-a/L01/events/order: the message has no field "at", so the time of arrival counts: '
        '{"number": "1", "sku": "A"}'
    )


RULES = """
    rules:
      - {set: product_mapping, product: "{product}"}
      - {set: target, product: "{product}", metric_group: Speed, value: 5}
      - set: quality_test
        event: scrap
        quality_schema: 66
        raw_data: {code: "{scrap.code}"}
      - {set: quality_test, event: scrap, quality_schema: 67, raw_data: {pieces: "{scrap.qty}"}}
    intervals:
      - {type: Operator, key: state}
      - {type: Recipe, key: product}
"""


def test_explain_names_the_rule_among_several(config: Path) -> None:
    """Each rule is an item of the list `rules`, and the one that made a request is named with its own position, also
    where the test had to wait for its run. The same for one of several `intervals`."""
    line = GOOD.partition("\nstatus:")[0]  # the last section before it
    config.write_text(line + RULES, encoding="utf-8")
    lines = [json.dumps(entry) for entry in RECORDING]
    topic, message = "plant-a/L01/events/scrap", {"qty": 3, "code": "Splice", "at": T0 + 10.2}
    lines.insert(3, json.dumps({"at": T0 + 10.2, "source": "floor", "address": topic, "value": message}))
    (config.parent / "monday.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    made = [json.loads(line) for line in run(config, "replay", "monday.jsonl", "--json").output.splitlines()]

    def rule(path: str, words: str) -> str:
        key = next(entry["key"] for entry in made if entry["path"] == path and words in json.dumps(entry["body"]))
        explained = run(config, "explain", key, "--recording", "monday.jsonl").output.splitlines()
        return next(line for line in explained if line.startswith("  rule"))

    first = len(line.splitlines()) + 3
    assert rule("product_mapping/set", "FILM") == f"  rule     rules, product_mapping, gateway.yaml:{first}:9"
    assert rule("target/set", "Speed") == f"  rule     rules, target, gateway.yaml:{first + 1}:9"
    assert rule("quality_test/set", "Splice") == f"  rule     rules, quality_test, gateway.yaml:{first + 2}:9"
    assert rule("quality_test/set", "pieces") == f"  rule     rules, quality_test, gateway.yaml:{first + 6}:9"
    assert rule("interval/set", "Recipe") == f"  rule     intervals, Recipe, gateway.yaml:{first + 9}:9"


async def test_record_then_replay(tmp_path: Path) -> None:
    """Samples of real peers are recorded beside a running session of the same name, and replay into its requests."""
    opcua = OpcuaServer()
    with Mosquitto(tmp_path / "mosquitto") as broker:
        await opcua.start(L01__State=1, L01__Good=7, L01__Reject=0)
        try:
            text = GOOD.replace("opc.tcp://10.1.4.20:4840", opcua.url)
            config = written(tmp_path / "plant", text.replace("mqtt://broker.plant-a.local", broker.url))
            recorder = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "record", "-c", str(config), str(tmp_path / "out.jsonl")),
                env=environment(),
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                await _recorded(tmp_path / "out.jsonl", "L01.Good")
                async with asyncio.timeout(PATIENCE):
                    order = json.dumps({"number": "4711", "sku": "FILM"})
                    while "4711" not in (tmp_path / "out.jsonl").read_text():
                        await broker.publish("plant-a/L01/events/order", order)
                        await asyncio.sleep(0.2)
                    good = 7
                    while (seen := _samples(tmp_path / "out.jsonl"))[-1]["at"] < _ordered(seen) + 1.0:
                        good += 1
                        await opcua.write("L01.Good", good)
                        await asyncio.sleep(0.1)
            finally:
                recorder.send_signal(signal.SIGINT)
                _, errors = await recorder.communicate()
        finally:
            await opcua.stop()
    assert recorder.returncode == 0, errors
    assert b"samples in" in errors
    answer = run(config, "replay", str(tmp_path / "out.jsonl"), "--json")
    bodies = [json.loads(line)["body"] for line in answer.output.splitlines()]
    assert [body["name"] for body in bodies if body.get("type") == {"name": "RUN"}] == ["4711"]
    assert TOKEN not in (tmp_path / "out.jsonl").read_text()
    again = run(config, "record", str(tmp_path / "out.jsonl"))
    assert again.code == 1
    assert "never overwritten" in again.problems[-1]


async def _recorded(path: Path, text: str) -> None:
    await wait_until(lambda: path.exists() and text in path.read_text())


def _samples(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(path)]


def _ordered(samples: list[dict[str, Any]]) -> float:
    return next(float(entry["at"]) for entry in samples if "4711" in str(entry["value"]))
