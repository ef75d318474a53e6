"""The command line: each command alone is made of its own module, all together of all."""

import argparse
import subprocess
import sys
from typing import Any

import pytest

from gateway.__main__ import COMMANDS, command_line


def _commands(parser: argparse.ArgumentParser) -> list[str]:
    choices: Any = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    return [*choices]


@pytest.mark.parametrize("module", COMMANDS)
def test_each_module_has_the_command_of_its_name(module: str) -> None:
    assert module.replace("_", "-") in _commands(command_line(module))


def test_all_are_there_when_none_is_named() -> None:
    assert {module.replace("_", "-") for module in COMMANDS} < {*_commands(command_line())}


def test_the_service_holds_nothing_of_other_commands() -> None:
    script = (
        "import sys\n"
        "from gateway.__main__ import main\n"
        "try:\n"
        "    main(['run', '--help'])\n"
        "except SystemExit:\n"
        "    names = [name for name in sys.modules if name.startswith('gateway.cli.')]\n"
        "    assert names and sorted(names) == ['gateway.cli.run', 'gateway.cli.startup'], names\n"
        "    assert not [name for name in sys.modules if name.startswith(('gateway.simulator', 'gateway.live'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
