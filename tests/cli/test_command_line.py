"""The command line: each command alone is made of its own module, all together of all."""

import argparse
import subprocess
import sys
from typing import Any

import pytest

from gateway.__main__ import COMMANDS, command_line, main


def _commands(parser: argparse.ArgumentParser) -> list[str]:
    choices: Any = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    return [*choices]


@pytest.mark.parametrize("module", COMMANDS)
def test_each_module_has_the_command_of_its_name(module: str) -> None:
    assert module.replace("_", "-") in _commands(command_line(module))


def test_all_are_there_when_none_is_named() -> None:
    assert {module.replace("_", "-") for module in COMMANDS} < {*_commands(command_line())}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["record", "x", "--seconds", "1"], "usage: oden-gateway record [-h] [-c CONFIG] [--for TIME]"),
        (
            ["outbox", "stats", "--nope"],
            "oden-gateway outbox stats takes no --nope: see oden-gateway outbox stats --help",
        ),
        (["schema", "x.json"], "oden-gateway schema takes no x.json"),
        (["-c", "x.yaml", "check"], "-c stands behind the command: oden-gateway COMMAND -c"),
        (["outbox", "--json", "list"], "--json stands behind the command: oden-gateway outbox COMMAND --json"),
    ],
)
def test_what_is_wrong_with_a_command_is_said_by_it(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    """With its own usage: that of all commands names no option."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert says in " ".join(said.err.split())


def test_the_service_holds_no_validators_but_those_that_it_uses() -> None:
    """The configuration is validated as one: validators of each section by itself would take a megabyte more. So does
    what Prometheus is answered with."""
    script = (
        "import sys\n"
        "import gateway.app\n"
        "from gateway.config.schema_base import Section\n"
        "waiting, built = [Section], []\n"
        "while waiting:\n"
        "    model = waiting.pop()\n"
        "    waiting += model.__subclasses__()\n"
        "    built += [model.__name__] if model.__pydantic_complete__ else []\n"
        "assert {'Config', 'Line', 'Input', 'MqttConfig', 'OpcuaConfig', 'Oden'}.isdisjoint(built), built\n"
        "assert 'prometheus_client' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_service_holds_nothing_of_other_commands() -> None:
    script = (
        "import sys\n"
        "from gateway.__main__ import main\n"
        "try:\n"
        "    main(['run', '--help'])\n"
        "except SystemExit:\n"
        "    names = [name for name in sys.modules if name.startswith('gateway.cli.')]\n"
        "    used = ['gateway.cli.command_parser', 'gateway.cli.run', 'gateway.cli.startup']\n"
        "    assert sorted(names) == used, names\n"
        "    assert not [name for name in sys.modules if name.startswith(('gateway.simulator', 'gateway.live'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
