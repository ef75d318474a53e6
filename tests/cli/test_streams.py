"""What a command does where its streams cannot be used, or somebody ends it: never a traceback."""

import asyncio
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.command import GOOD, environment, written
from tests.peers import PATIENCE, Mosquitto

GATEWAY = [sys.executable, "-m", "gateway"]
COMMANDS = (["version"], ["schema"], ["check", "-c"])


def words(command: list[str], folder: Path) -> list[str]:
    return [*GATEWAY, *command, *([str(written(folder, GOOD))] if command[-1] == "-c" else [])]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_output_that_was_closed_goes_nowhere(command: list[str], tmp_path: Path) -> None:
    """As a timer or a script has it that closes it (`>&-`)."""
    closed = ["sh", "-c", 'exec "$@" >&- <&-', "sh", *words(command, tmp_path)]
    done = subprocess.run(closed, check=False, stderr=subprocess.PIPE, text=True, env=environment(), timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written_is_a_failure_in_a_sentence(command: list[str], tmp_path: Path) -> None:
    """A full disk; the sentence is the only one."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words(command, tmp_path),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=PATIENCE,
        )
    assert (done.returncode, done.stderr) == (1, "oden-gateway: No space left on device\n")


def test_a_locale_without_a_letter_costs_only_the_letter(tmp_path: Path) -> None:
    """Names of lines and products are the plant's own words."""
    path = written(tmp_path, GOOD.replace("factory: Factory A", "factory: Wërk 𝟏"))
    ascii_only = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    command = [*GATEWAY, "check", "-c", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, env=ascii_only, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"of W\u00ebrk \ud835\udfcf:" in done.stdout


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Commands started here hear of Ctrl-C, also where the tests run in the background of a shell, which do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_person_who_interrupts_a_command_sees_no_traceback(tmp_path: Path) -> None:
    """Ctrl-C while it waits for a broker that says nothing."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        subprocess.Popen(
            [*GATEWAY, "browse", f"mqtt://127.0.0.1:{silent.getsockname()[1]}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        ) as process,
    ):
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (130, b"")


def test_who_has_read_enough_of_what_comes_sees_no_traceback(tmp_path: Path) -> None:
    """`tail | head`: what writes is a task among others."""
    with Mosquitto(tmp_path / "broker") as broker:
        text = "oden: {token: x}\n" + f'sources: {{floor: {{type: mqtt, url: "{broker.url}", client_id: a}}}}\n'
        text += "lines: [{factory: A, line: L, inputs: {x: {source: floor, topic: x}}, run: {key: x, product: P}}]\n"
        command = [*GATEWAY, "tail", "-c", str(written(tmp_path / "site", text))]
        with subprocess.Popen(
            command, text=True, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            while process.poll() is None:
                asyncio.run(broker.publish("x", "1"))
            assert process.stderr is not None
            said = process.stderr.read()
    assert (process.returncode, {*said.splitlines()} - {"floor: connected"}) == (1, set())


@pytest.mark.parametrize("no_color", ["", "1"])
def test_the_log_on_a_terminal_is_coloured_unless_somebody_does_not_want_that(no_color: str) -> None:
    """By NO_COLOR (no-color.org)."""
    ours, terminal = pty.openpty()
    script = (
        "import structlog; from gateway.cli.startup import configure_logging; from gateway.config.schema import Log; "
        "end = configure_logging(Log()); structlog.get_logger().info('said'); end.end()"
    )
    environment = os.environ | {"NO_COLOR": no_color}
    with subprocess.Popen([sys.executable, "-c", script], stderr=terminal, env=environment) as process:
        os.close(terminal)
        said = b""
        while b"said" not in said or not said.endswith(b"\n"):
            said += os.read(ours, 1000)
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert (b"\x1b[" in said) == (not no_color)
