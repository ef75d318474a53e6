"""The sources that a configuration names: what they need is loaded before anything turns that is watched."""

import subprocess
import sys
from pathlib import Path

from tests.config.command import environment
from tests.peers import PATIENCE

CONFIG = """
oden: {url: "http://127.0.0.1:9/v2", token: t0k3n}
sources:
  plc: {type: opcua, url: "opc.tcp://127.0.0.1:9", security: none}
  floor: {type: mqtt, url: "mqtt://127.0.0.1:9", client_id: children}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {state: {source: plc, node: "ns=2;s=State"}, order: {source: floor, topic: order}}
    states: {input: state, codes: {1: {category: Uptime}}}
"""
PROGRAM = """
import os
import sys
from pathlib import Path
from gateway.app import App
from gateway.children import import_libraries, make_sources
from gateway.cli.startup import read_config
from gateway.clock import AnchoredClock

loaded, plans = read_config(Path(sys.argv[1]), os.environ)
assert "asyncua" not in sys.modules
import_libraries(loaded.config)
before = set(sys.modules)
assert sorted(make_sources(loaded.config, plans, AnchoredClock())) == ["floor", "plc"]
print(sum(len(Path(module.__file__).read_bytes()) for name in set(sys.modules) - before
          if getattr(module := sys.modules[name], "__file__", None)))
"""


def test_p12_what_sources_need_is_loaded_before_a_loop_is_watched(tmp_path: Path) -> None:
    """P12: asyncua takes half a second of a fast processor to load, and on a slow one in a busy hour longer than a loop
    may stand still: making the sources then loads nothing of its size any more."""
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "gateway.yaml")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    assert int(said) < 100_000
