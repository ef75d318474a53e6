"""A recording, and the configuration that it is tried with."""

import json
from pathlib import Path

import pytest

from tests.config.command import GOOD, Answer, check, written

STATE, GOODS, REJECT = (f"nsu=urn:acme:line;s=L01.{name}" for name in ("State", "Good", "Reject"))
T0 = 1_767_592_800
RECORDING = [
    {"at": T0 + 1, "source": "press_plc", "address": STATE, "value": 1},
    {"at": T0 + 1, "source": "press_plc", "address": GOODS, "value": 65530},
    {
        "at": T0 + 10,
        "source": "floor",
        "address": "plant-a/L01/events/order",
        "value": {"number": "4711", "sku": "FILM", "at": T0 + 10},
    },
    {"at": T0 + 30, "source": "press_plc", "address": GOODS, "value": 2},
    {"at": T0 + 40, "source": "press_plc", "address": GOODS, "value": "nonsense"},
    {"at": T0 + 100},
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = written(tmp_path, GOOD)
    (tmp_path / "monday.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in RECORDING), encoding="utf-8")
    return path


def run(config: Path, command: str, *options: str) -> Answer:
    return check(config, *options, command=command)
