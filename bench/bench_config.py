"""What templates cost when a configuration is loaded, and that the cost grows no faster than the plant.

Loads 40 lines with 25 inputs each, made from one template, and the same 40 lines written out; then 10, 40, 160 and 640
lines from the template. Prints medians and ratios from one run; exits with 1 where a line of a large plant takes more
than twice the time of a line of a small one.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

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
    """The median of the times that loading takes."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        load(path, {})
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def short(folder: Path, lines: int) -> Path:
    """A configuration of `lines` lines from the template."""
    path = folder / f"short{lines}.yaml"
    each = "".join(f"  - {{line: L{number}, use: press, with: {{plc: L{number}}}}}\n" for number in range(lines))
    path.write_text(f"{HEAD}{TEMPLATE}lines:\n{each}", encoding="utf-8")
    return path


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = short(folder, LINES)
        long = folder / "long.yaml"
        long.write_text(yaml_text(load(template, {}).expanded()).replace("**********", "none"), encoding="utf-8")
        assert load(long, {}).config == load(template, {}).config
        from_template, written_out = seconds(template), seconds(long)
        print(f"{LINES} lines x {INPUTS} inputs from one template: {from_template * 1000:.0f} ms")
        print(f"the same written out, {long.stat().st_size // 1024} KiB: {written_out * 1000:.0f} ms")
        print(f"ratio: {from_template / written_out:.2f}")
        each = {lines: seconds(short(folder, lines)) / lines for lines in GROWTH}
    for lines, one in each.items():
        print(f"{lines:4} lines: {one * 1000:.1f} ms a line")
    growth = each[GROWTH[-1]] / each[GROWTH[0]]
    print(f"a line costs {growth:.2f} times as much in {GROWTH[-1]} lines as in {GROWTH[0]}")
    return 0 if growth <= WORST else 1


sys.exit(main())
