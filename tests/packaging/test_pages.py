"""What a package brings beside the command: completion for shells, and the man page, made from the command itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.__main__ import command_line

ROOT = Path(__file__).parents[2]
COMMANDS = next(action.choices for action in command_line()._actions if isinstance(action.choices, dict))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run([sys.executable, str(ROOT / "packaging" / "pages"), str(folder)], check=True)
    return folder / "usr" / "share"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["oden-gateway", "che"], {"check"}),
        (["oden-gateway", "outbox", "ver"], {"verify"}),
        (["oden-gateway", "outbox", "ret"], {"retry"}),
        (["oden-gateway", "check", "--str"], {"--strict"}),
    ],
)
def test_bash_completes_commands_and_options(pages: Path, typed: list[str], offered: set[str]) -> None:
    """As bash asks for it when somebody presses the key."""
    script = """
        source "$0"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        action=$(complete -p oden-gateway | sed "s/.*-F \\([^ ]*\\).*/\\1/")
        "$action"
        printf "%s\\n" "${COMPREPLY[@]}"
    """
    path = pages / "bash-completion" / "completions" / "oden-gateway"
    done = subprocess.run(["bash", "-c", script, str(path), *typed], capture_output=True, text=True, check=True)
    assert {word.strip() for word in done.stdout.split()} == offered, done.stderr


@pytest.mark.parametrize(
    "name", ["zsh/vendor-completions/_oden-gateway", "fish/vendor_completions.d/oden-gateway.fish"]
)
def test_other_shells_know_each_command(pages: Path, name: str) -> None:
    """Where these shells look for it."""
    text = (pages / name).read_text()
    assert [command for command in COMMANDS if command not in text] == []


def test_the_man_page_has_each_command_with_an_example(pages: Path) -> None:
    """In the words of `--help`."""
    text = (pages / "man" / "man1" / "oden-gateway.1").read_text()
    for name, parser in COMMANDS.items():
        assert f".SS {name.replace('-', chr(92) + '-')}\n" in text, name
        assert "example" in (parser.epilog or ""), name
