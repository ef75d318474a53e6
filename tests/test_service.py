"""The service as a service manager sees it: how it starts, what it says, how it ends."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.status.notify import AT_ONCE
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import end_all, next_line, status_json

CONFIG = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
sources: {{plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{nobody}", security: none}}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {{state: {{source: plc, node: "ns=2;s=State"}}}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: {folder}/outbox}}
status: {{listen: "127.0.0.1:{status}"}}
"""


class Service:
    """One configuration in a folder, and the processes started with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status_port = free_port()
        self.environment = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
        self.environment["ODEN_GATEWAY_SECRET_ODEN_TOKEN"] = "secret-of-the-plant"
        self.processes: list[subprocess.Popen[str]] = []
        text = CONFIG.format(nobody=free_port(), folder=folder, status=self.status_port)
        (folder / "gateway.yaml").write_text(text)

    def start(self, stderr: int = subprocess.PIPE, command: Sequence[str] = ()) -> "subprocess.Popen[str]":
        command = [*(command or (sys.executable, "-m", "gateway")), "run", "-c", str(self.folder / "gateway.yaml")]
        process = subprocess.Popen(command, stderr=stderr, env=self.environment, text=True)
        self.processes.append(process)
        return process

    def up(self) -> bool:
        return status_json(self.status_port) is not None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    end_all(service.processes)


def logs(process: "subprocess.Popen[str]", words: str) -> str:
    """The next line of its standard error in which `words` stand."""
    line = ""
    while words not in line:
        line = next_line(process, process.stderr)
        assert line, "it ended"
    return line


def test_p9_systemd_is_told(service: Service, tmp_path: Path) -> None:
    """P9: READY once it runs, a status line, the watchdog while its loops turn, STOPPING at SIGTERM, exit code 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE)
        service.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        process = service.start()
        said: list[str] = []
        deadline = time.monotonic() + PATIENCE

        def hears(word: str) -> None:
            while not any(message.startswith(word) for message in said):
                assert time.monotonic() < deadline, f"{word} is not heard"
                said.append(listener.recv(4096).decode())

        hears("READY=1")
        hears("WATCHDOG=1")
        hears("STATUS=Source plc is not connected")
        process.send_signal(signal.SIGTERM)
        hears("STOPPING=1")
        assert process.wait(PATIENCE) == 0


def test_p9_a_loop_that_hangs_is_not_heard_any_more_and_says_where_it_stood(service: Service) -> None:
    """P9: systemd, which hears nothing, ends the process by SIGABRT: where every thread stood is in its log."""
    with listening(service) as listener:
        service.environment["WATCHDOG_USEC"] = "4000000"
        process = service.start(command=(sys.executable, "-m", "tests.hang_loop"))
        wait_for(service.up)
        deadline = time.monotonic() + PATIENCE
        while listener.recv(4096) != b"WATCHDOG=1":
            assert time.monotonic() < deadline, "it is not heard"
        process.send_signal(signal.SIGUSR1)
        logs(process, "it hangs")
        listener.settimeout(4.0)
        with suppress(TimeoutError):
            while listener.recv(4096):
                assert time.monotonic() < deadline, "it hangs, and is heard all the same"
        process.send_signal(signal.SIGABRT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGABRT
    assert "in hangs" in errors


def test_p7_a_second_gateway_is_refused(service: Service) -> None:
    """The second one on the same directory ends with 1 and names the first; the first goes on."""
    first = service.start()
    wait_for(service.up)
    second = service.start()
    _, errors = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1
    assert f"in use by another oden-gateway (process {first.pid})" in errors
    assert "Traceback" not in errors
    assert service.up()


def test_p7_a_taken_status_port_does_not_stop_it(service: Service) -> None:
    """Without its page the gateway works on and says why; the page comes once the port is free; it ends properly."""
    with socket.create_server(("127.0.0.1", service.status_port)):
        process = service.start()
        assert '"task": "page"' in logs(process, "cannot listen")
    wait_for(service.up)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_p9_what_a_reload_has_to_load_holds_nothing_up(service: Service) -> None:
    """P9: while the library of a source is loaded that was not there before, which takes long on a busy machine, all
    else goes on."""
    process = service.start(command=(sys.executable, "-m", "tests.slow_sources", str(service.folder)))
    wait_for(service.up)
    config = service.folder / "gateway.yaml"
    more = 'sources: {floor: {type: mqtt, url: "mqtt://127.0.0.1:1", client_id: a}, plc: '
    config.write_text(config.read_text().replace("sources: {plc: ", more))
    process.send_signal(signal.SIGHUP)
    wait_for((service.folder / "waits").exists)
    assert service.up()
    (service.folder / "go").touch()
    logs(process, "configuration_reloaded")


@pytest.mark.parametrize("sink", ["the disk is full", "nobody reads"])
def test_p9_a_log_that_cannot_be_written_ends_nothing(service: Service, sink: str) -> None:
    """Every source goes on being tried, and the page says how many lines are missing and why."""
    service.environment["ODEN_GATEWAY_LOG__LEVEL"] = "debug"  # each attempt to connect is a line
    reader, pipe = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full:
        process = service.start(full.fileno() if sink == "the disk is full" else pipe)
    os.close(pipe)

    def problems(kind: str) -> list[str]:
        status = status_json(service.status_port) or {}
        return [problem["text"] for problem in status.get("problem_details", ()) if problem["kind"] == kind]

    wait_for(lambda: problems("log_unwritable"))
    before = problems("log_unwritable")
    wait_for(lambda: problems("log_unwritable") != before)  # the source was tried again
    assert problems("sources_away")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_p9_standard_error_that_was_closed_before_the_start_ends_nothing(service: Service) -> None:
    """Its number is not given to a file of the outbox, into which a library's words could be written."""
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "gateway"]
    process = service.start(subprocess.DEVNULL, command)
    wait_for(service.up)
    assert Path(f"/proc/{process.pid}/fd/2").readlink() == Path(os.devnull)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_p10_a_wrong_configuration_does_not_run(service: Service) -> None:
    """Exit code 2, with the position; nothing was created."""
    path = service.folder / "gateway.yaml"
    path.write_text(path.read_text().replace("category", "categorie"))
    process = service.start()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"{path}:8:" in errors
    assert not (service.folder / "outbox").exists()


def listening(service: Service) -> socket.socket:
    """A service manager's socket for the service."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(service.folder / "notify"))
    listener.settimeout(PATIENCE)
    service.environment |= {"NOTIFY_SOCKET": str(service.folder / "notify")}
    return listener


@pytest.mark.parametrize("why", ["not there", "empty"])
def test_p7_a_secret_that_is_not_there_yet_is_waited_for(service: Service, why: str) -> None:
    """As a service it says what it waits for, and starts when that comes; a file that is not filled yet is none."""
    del service.environment["ODEN_GATEWAY_SECRET_ODEN_TOKEN"]
    (service.folder / "secrets").mkdir()
    if why == "empty":
        (service.folder / "secrets" / "oden_token").touch()
    with listening(service) as listener:
        process = service.start()
        said = listener.recv(4096).decode()
        assert said.startswith("STATUS=Waiting for what is not there yet: ")
        assert re.search(f"the secret 'oden_token' .*is {why}", said)
        (service.folder / "secrets" / "oden_token").write_text("secret-of-the-plant")
        wait_for(service.up)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_p9_a_service_that_does_not_last_begins_again_ever_more_seldom(service: Service) -> None:
    """P9: it says so before it tries, opens nothing meanwhile, and whoever stops it has it begin at once."""
    runtime = service.folder / "run"
    runtime.mkdir()
    service.environment["RUNTIME_DIRECTORY"] = str(runtime)
    with listening(service) as listener:
        for _ in range(AT_ONCE):
            process = service.start(subprocess.DEVNULL)
            wait_for(service.up)
            process.kill()
            process.wait()
        process = service.start()
        said, deadline = b"", time.monotonic() + PATIENCE
        while b"in a row" not in said:
            assert time.monotonic() < deadline, "it begins again at once"
            said = listener.recv(4096)
        assert said.startswith(b"STATUS=It has ended 3 times in a row soon after its start, and begins again in 10 s.")
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert errors.count("\n") == 1
        service.start(subprocess.DEVNULL)
        wait_for(service.up)


def test_p10_a_person_is_told_at_once_of_a_secret_that_is_not_there(service: Service) -> None:
    """Without a service manager nobody is made to wait: exit code 2, as for anything that is wrong."""
    del service.environment["ODEN_GATEWAY_SECRET_ODEN_TOKEN"]
    process = service.start()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "the secret 'oden_token' is not there" in errors


def test_p10_what_is_wrong_is_not_waited_for_although_a_secret_is_missing_too(service: Service) -> None:
    """A mistake in the file does not pass by itself."""
    del service.environment["ODEN_GATEWAY_SECRET_ODEN_TOKEN"]
    path = service.folder / "gateway.yaml"
    path.write_text(path.read_text().replace("category", "categorie"))
    with listening(service):
        process = service.start()
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 2


def test_p8_secrets_of_a_folder_that_is_loaded_whole_are_found(service: Service) -> None:
    """systemd hands over `LoadCredential=secrets:FOLDER` as files named `secrets_NAME`."""
    del service.environment["ODEN_GATEWAY_SECRET_ODEN_TOKEN"]
    credentials = service.folder / "credentials"
    credentials.mkdir()
    (credentials / "secrets_oden_token").write_text("secret-of-the-plant")
    service.environment["CREDENTIALS_DIRECTORY"] = str(credentials)
    service.start()
    wait_for(service.up)


def test_p8_the_token_is_nowhere(service: Service) -> None:
    """Neither log, status API, outbox on disk nor a backup of it contain it, also after a reload."""
    service.environment["ODEN_GATEWAY_LOG__LEVEL"] = "debug"
    process = service.start()
    wait_for(service.up)
    process.send_signal(signal.SIGHUP)
    config, backup = service.folder / "gateway.yaml", service.folder / "outbox" / "backup"
    command = [sys.executable, "-m", "gateway", "outbox", "backup", str(backup), "-c", str(config)]
    subprocess.run(command, env=service.environment, check=True, capture_output=True, timeout=PATIENCE)
    assert backup.stat().st_size
    assert "secret-of-the-plant" not in str(status_json(service.status_port))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "secret-of-the-plant" not in errors
    stored = b"".join(path.read_bytes() for path in (service.folder / "outbox").rglob("*") if path.is_file())
    assert b"secret-of-the-plant" not in stored


def test_p7_damage_met_while_running_ends_the_process_and_is_mended_at_the_next_start(service: Service) -> None:
    """A row that is not as it was written: exit code 1 for the supervisor; the next start sets the files aside, says so
    and works."""
    first = service.start()
    wait_for(service.up)
    row = next((service.folder / "outbox").rglob("cache.db"))
    with closing(sqlite3.connect(row, timeout=PATIENCE)) as other, other:
        other.execute("INSERT INTO Rows (key, value) VALUES ('damage', '00000000[]')")
    assert first.wait(PATIENCE) == 1
    service.start()
    wait_for(
        lambda: any("was damaged" in text for text in (status_json(service.status_port) or {}).get("problems", ()))
    )
    assert list((service.folder / "outbox").glob("outbox-damaged-*"))


def test_p9_a_control_socket_that_was_removed_is_made_again(service: Service) -> None:
    """Somebody has cleaned up its folder: said, and mended by itself."""
    process = service.start()
    wait_for(service.up)
    sockets = [Path("/run/oden-gateway/control.sock"), service.folder / "outbox" / "control.sock"]
    wait_for(lambda: any(path.exists() for path in sockets[1:]) or sockets[0].exists())
    made = next(path for path in reversed(sockets) if path.exists())
    made.unlink()
    wait_for(made.exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert not made.exists()


def test_p9_the_process_ends_although_a_thread_hangs(tmp_path: Path) -> None:
    """A name look-up that hangs cannot be ended: the process does not wait for it, and its exit code stays."""
    program = (
        "import argparse, sys, threading\n"
        "from gateway.cli import run\n"
        "import gateway.app\n"
        "class App:\n"
        "    def __init__(self, *_): pass\n"
        "    async def run(self):\n"
        "        import asyncio\n"
        "        asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)\n"
        "gateway.app.App = App\n"
        "run.EXIT_WITHIN = 0.5\n"
        "from pathlib import Path\n"
        f"sys.exit(run._run(argparse.Namespace(config=Path({str(tmp_path)!r}, 'gateway.yaml'))))\n"
    )
    Service(tmp_path)
    environment = {**os.environ, "ODEN_GATEWAY_SECRET_ODEN_TOKEN": "secret-of-the-plant"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=PATIENCE, check=False)
    assert done.returncode == 0
