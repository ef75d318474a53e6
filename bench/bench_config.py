"""What templates cost when a configuration is loaded, and that the cost grows no faster than the plant.

Loads 40 lines with 25 inputs each, made from one template, and the same 40 lines written out; then 10, 40, 160 and 640
lines from the template. Then `check` as a whole reads 1,000, 5,000 and 10,000 inputs written out, and 10,000 topics,
beside ruamel alone on the same text, by processor time. Prints medians and ratios from one run; exits with 1 where a
line of a large plant takes more than twice the time of a line of a small one, or `check` more than twice ruamel's.
"""

import contextlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from gateway.__main__ import main as command
from gateway.config.loader import load
from gateway.config.model_files import yaml_text

REPEATS = 5
LINES = 40
INPUTS = 25
GROWTH = (10, 40, 160, 640)
WORST = 2.0
"""How much more a line may cost in the largest plant than in the smallest."""

COUNTED = "".join(
    f'      good{number}: {{source: plc, node: "ns=2;s=${{plc}}.Good{number}",'
    " counter: {rollover: 65536, max_rate: 5/s}}\n"
    for number in range(INPUTS - 2)
)
HEAD = 'oden: {token: none}\nsources: {plc: {type: opcua, url: "opc.tcp://127.0.0.1:1"}}\n'
TEMPLATE = f"""templates:
  press:
    factory: Factory A
    inputs:
      state: {{source: plc, node: "ns=2;s=${{plc}}.State"}}
      order: {{source: plc, node: "ns=2;s=${{plc}}.Order"}}
{COUNTED}    run: {{key: order, product: "{{order}}"}}
    states: {{input: state, codes: {{1: {{category: Uptime}}, 2: {{category: Jam}}}}}}
    scrap_yield: {{entries: [{{count: good0, raw_data: {{yield: "{{n}}"}}}}]}}
"""


def seconds(path: Path) -> float:
    """The median of the seconds of the processor that loading takes."""
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        load(path, {})
        times.append(time.process_time() - begun)
    return statistics.median(times)


def short(folder: Path, lines: int) -> Path:
    """A configuration of `lines` lines from the template."""
    path = folder / f"short{lines}.yaml"
    each = "".join(f"  - {{line: L{number}, use: press, with: {{plc: L{number}}}}}\n" for number in range(lines))
    path.write_text(f"{HEAD}{TEMPLATE}lines:\n{each}", encoding="utf-8")
    return path


def written_out(folder: Path, inputs: int, *, topics: bool = False) -> Path:
    """A configuration of so many inputs, 25 on a line, nothing of it from a template."""
    path = folder / f"{'topics' if topics else 'tags'}{inputs}.yaml"
    floor = 'floor: {type: mqtt, url: "mqtt://127.0.0.1:1", client_id: edge}'
    parts = [HEAD.replace("sources: {", f"sources: {{{floor}, "), "lines:\n"]
    for line in range(inputs // INPUTS):
        parts.append(f"  - factory: Factory A\n    line: Line {line:04}\n    inputs:\n")
        for number in range(INPUTS):
            counter = ", counter: {rollover: 65536, max_rate: 5/s}" if number > 2 and not topics else ""
            address = f'plc, node: "ns=2;s=L{line}.Tag{number}"{counter}'
            if topics:
                field = ", field: value" if number != 3 else ""
                address = f"floor, topic: plant-a/L{line}/in{number}{field}, time: at"
            parts.append(f"      in{number}: {{source: {address}}}\n")
        counted = "in3.qty" if topics else "in3"
        parts.append(
            '    run: {key: in0, product: "{in1}", end: {when: "in2 == 0", for: 30m}}\n'
            "    states: {input: in2, codes: {1: {category: Uptime}, 2: {category: Jam}}}\n"
            f'    scrap_yield: {{entries: [{{count: {counted}, raw_data: {{yield: "{{n}}"}}}}]}}\n'
        )
    path.write_text("".join(parts), encoding="utf-8")
    path.chmod(0o600)  # a token stands in it
    return path


def beside_ruamel(path: Path) -> tuple[float, float]:
    """Seconds of the processor that ruamel alone takes for the text, and the whole command: the least of three runs."""
    text = path.read_text(encoding="utf-8")
    alone, whole = [], []
    for _ in range(3):
        begun = time.process_time()
        YAML(typ="safe", pure=True).load(text)
        parsed = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            assert command(["check", "--strict", "-c", str(path)]) == 0  # nothing is told but what is done
        alone.append(parsed - begun)
        whole.append(time.process_time() - parsed)
    return min(alone), min(whole)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = short(folder, LINES)
        long = folder / "long.yaml"
        long.write_text(yaml_text(load(template, {}).expanded()).replace("**********", "none"), encoding="utf-8")
        assert load(long, {}).config == load(template, {}).config
        from_template, in_full = seconds(template), seconds(long)
        print(f"{LINES} lines x {INPUTS} inputs from one template: {from_template * 1000:.0f} ms")
        print(f"the same written out, {long.stat().st_size // 1024} KiB: {in_full * 1000:.0f} ms")
        print(f"ratio: {from_template / in_full:.2f}")
        worst = 0.0
        for inputs, topics in ((1_000, False), (5_000, False), (10_000, False), (10_000, True)):
            alone, whole = beside_ruamel(written_out(folder, inputs, topics=topics))
            worst = max(worst, whole / alone)
            kind = "topics" if topics else "tags"
            each_ms = 1000 * whole / inputs
            print(
                f"{inputs:6} {kind}: check {whole:.2f} s, {each_ms:.2f} ms each; ruamel alone {alone:.2f} s; ", end=""
            )
            print(f"ratio {whole / alone:.2f}")
        each = {lines: seconds(short(folder, lines)) / lines for lines in GROWTH}
    for lines, one in each.items():
        print(f"{lines:4} lines: {one * 1000:.1f} ms a line")
    growth = each[GROWTH[-1]] / each[GROWTH[0]]
    print(f"a line costs {growth:.2f} times as much in {GROWTH[-1]} lines as in {GROWTH[0]}")
    return 0 if max(growth, worst) <= WORST else 1


sys.exit(main())
