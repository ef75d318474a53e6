"""Inputs that say too much or too little of where their value comes from."""

from pathlib import Path

import pytest

from gateway.cli.check import read_config
from gateway.errors import ConfigError

HEAD = """oden: {token: none}
sources:
  plc: {type: opcua, url: "opc.tcp://127.0.0.1:1"}
lines:
  - factory: F
    line: L
    inputs:
      speed: {source: plc, node: "ns=2;s=Speed"}
"""
STATES = """    states: {ladder: [{when: "speed > 5", category: Up}], other: {category: Down}}
"""


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ('x: {expr: "speed > 5", source: ▲plc}', "'source' means nothing beside 'expr'"),
        ('x: {expr: "speed > 5", fresh: ▲5s}', "'fresh' means nothing beside 'expr'"),
        ("▲x: {edge: rising}", "the key 'source' is missing"),
        ("x: {stale: ▲speed}", "'speed' is never quiet: give it 'fresh' or 'heartbeat'"),
        ('x: {expr: ▲"speed >"}', "is not an expression, at character 8"),
        ('x: {expr: ▲"sped > 1"}', '"sped" is not an input of this line; its inputs are: speed, x; at character 1'),
    ],
)
def test_p10_wrong_inputs_are_refused_with_their_place(given: str, text: str, tmp_path: Path) -> None:
    """What is wrong, at the line and column (▲) of the value or key that is."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"{HEAD}      {given.replace('▲', '')}\n{STATES}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config(path, {})
    (problem,) = caught.value.problems
    assert problem.where.endswith(f":9:{7 + given.index('▲')}")
    assert text in problem.text
