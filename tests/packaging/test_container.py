"""Dockerfile and compose.yaml, as far as they can be judged without a Docker engine."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from ruamel.yaml import YAML

from gateway.__main__ import main
from gateway.config.check_files import page_context
from gateway.config.schema import Config
from gateway.config.schema_process import PageTls, Status
from tests.peers import PATIENCE, Mosquitto, wait_for
from tests.status.test_tls import write

ROOT = Path(__file__).parents[2]
CONFIG = "/etc/oden-gateway/gateway.yaml"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined: ("FROM", "python:…")."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    logical = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in logical if line]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def last(word: str) -> str:
    """The argument of the final stage's last `word`."""
    return [argument for name, argument in stages()[-1] if name == word][-1]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    """compose.yaml's one service that always runs."""
    services = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())["services"].values()
    (only,) = (each for each in services if "profiles" not in each)
    assert isinstance(only, dict)
    return only


def test_both_stages_stand_on_the_same_python() -> None:
    """The environment is made for the very Python that runs it: both stages start from one slim image."""
    build, final = (stage[0][1].split()[0] for stage in stages())
    assert build == final
    assert re.fullmatch(r"python:3\.1[1-9]-slim", final)


def test_every_package_in_the_image_is_checked_against_its_hash() -> None:
    """Each pip command that takes something in requires hashes; those for our own wheel have no way to download."""
    commands = [command for name, run in instructions() if name == "RUN" for command in run.split(" && ")]
    taking = [command for command in commands if re.match(r"pip (--python \S+ )?(install|wheel) ", command)]
    unchecked = [command for command in taking if "--require-hashes" not in command]
    assert len(taking) == 5
    assert len(unchecked) == 2
    assert all({"--no-index", "--no-build-isolation"} & set(command.split()) for command in unchecked)
    assert all("--no-deps" in command for command in unchecked)


def test_what_is_copied_is_enough_to_build_the_wheel(tmp_path: Path) -> None:
    """The files that .dockerignore lets in, which stage one copies, build the wheel, also without those of git."""
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [argument.split() for name, argument in stages()[0] if name == "COPY"]
    assert {source for *sources, _ in copied for source in sources} <= let_in | {"."}
    assert copied[-1][0] == "."
    for source in let_in:
        if source.startswith(".git/"):
            continue  # tests/packaging/test_version.py
        if (ROOT / source).is_dir():
            copytree(ROOT / source, tmp_path / source)
        else:
            (tmp_path / source).parent.mkdir(exist_ok=True)
            copy(ROOT / source, tmp_path / source)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    assert len(list((tmp_path / "dist").glob("oden_gateway-*.whl"))) == 1


def test_the_image_runs_the_gateway_and_not_as_root() -> None:
    """A numeric user without rights, the command of the package, and a signal that it stops cleanly on."""
    user, group = map(int, last("USER").split(":"))
    assert min(user, group) >= 10_000
    assert f"-o {user} -g {group} -m 0700 /var/lib/oden-gateway" in last("RUN")
    assert (json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))) == (["oden-gateway"], ["run"])
    assert last("STOPSIGNAL") == "SIGTERM"
    assert last("VOLUME") == "/var/lib/oden-gateway"


def test_the_status_page_leaves_the_container_but_not_the_machine(service: dict[str, Any]) -> None:
    """Inside it listens on every address of the exposed port; outside it is published on this machine alone."""
    environment = dict(re.findall(r"(\w+)=(\S+)", last("ENV")))
    listen = Status(listen=environment["ODEN_GATEWAY_STATUS__LISTEN"]).listen
    assert {"status"} <= Config.model_fields.keys()
    assert listen == f"0.0.0.0:{last('EXPOSE')}"
    assert Status().listen == f"127.0.0.1:{last('EXPOSE')}"
    assert service["ports"] == [f"127.0.0.1:{last('EXPOSE')}:{last('EXPOSE')}"]


class Health(BaseHTTPRequestHandler):
    """Answers /healthz with the server's `status`."""

    def do_GET(self) -> None:
        assert isinstance(self.server, HealthServer)
        self.send_response(self.server.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


class HealthServer(ThreadingHTTPServer):
    """A gateway as far as the health check can see."""

    status = 200


@pytest.fixture
def healthz() -> Iterator[HealthServer]:
    with HealthServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def health_check(port: int) -> int:
    """The exit code of the image's health check, pointed at `port`."""
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    program = [part.replace(last("EXPOSE"), str(port)) for part in command[1:]]
    environment = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, *program], check=False, capture_output=True, env=environment, timeout=PATIENCE
    )
    return done.returncode


def test_the_health_check_follows_healthz(healthz: HealthServer) -> None:
    """It passes on 200, fails on 503 and where nobody listens, and goes past a proxy that the environment names."""
    assert health_check(healthz.server_port) == 0
    healthz.status = 503
    assert health_check(healthz.server_port) == 1
    healthz.shutdown()
    healthz.server_close()
    assert health_check(healthz.server_port) == 1


def test_the_health_check_follows_a_page_with_tls(healthz: HealthServer, tmp_path: Path) -> None:
    """Whatever its certificate: it is this machine's own."""
    files = PageTls(certificate=tmp_path / "page.pem", key=tmp_path / "page.key")
    write(files, "page")
    healthz.socket = page_context(files).wrap_socket(healthz.socket, server_side=True)
    assert health_check(healthz.server_port) == 0
    healthz.status = 503
    assert health_check(healthz.server_port) == 1


def test_compose_gives_the_container_what_it_needs_and_no_more(service: dict[str, Any]) -> None:
    """Read-only root, no capabilities, no new privileges, bounded logs; it comes back after a crash or a reboot."""
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp", "/run/oden-gateway:uid=10001,gid=10001,mode=0700"]  # the control socket
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "privileged" not in service


def test_compose_mounts_the_configuration_read_only_and_keeps_the_outbox(service: dict[str, Any]) -> None:
    """The configuration is where `run` looks, not writable; the outbox is a volume that outlives the container."""
    configuration, outbox = service["volumes"]
    assert (configuration["target"], configuration["read_only"]) == (CONFIG, True)
    assert outbox == f"outbox:{last('VOLUME')}"


def test_p8_compose_hands_over_the_token_as_a_secret_only(service: dict[str, Any]) -> None:
    """The token comes from a file, under the name that the example configuration asks for, never by environment."""
    everything = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
    assert service["secrets"] == list(everything["secrets"]) == ["oden_token"]
    assert everything["secrets"]["oden_token"] == {"file": "./oden_token"}
    assert "environment" not in service
    assert "${secret:oden_token}" in (ROOT / "config/gateway.yaml").read_text()


DOCKER = re.compile(r"docker (?:compose|run|exec|kill|restart|stop|logs|build)\b[^`\n]*")


def docker_commands() -> list[str]:
    """Those that the docs and compose.yaml name, as they stand."""
    pages = [ROOT / "README.md", ROOT / "compose.yaml", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        found.strip().rstrip(".,;)") for page in pages for found in DOCKER.findall(page.read_text(encoding="utf-8"))
    ]


def test_what_the_docs_say_of_docker_fits_what_compose_has() -> None:
    """Profiles, images, files that are mounted, owners and signals are those of compose.yaml, of the image, and of the
    gateway; there is no engine here that could be asked."""
    everything = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
    services = everything["services"]
    profiles = {name for each in services.values() for name in each.get("profiles", [])}
    commands = docker_commands()
    assert {words.split()[1] for words in commands} >= {"compose", "run", "kill"}
    for words in map(str.split, commands):
        match words[1:]:
            case ["compose", *options, "up", "-d"]:
                assert options == [] or (options[0], {options[1]} <= profiles) == ("--profile", True)
            case ["run", "--rm", "-it", "-v", '"$PWD:/here"', image, program, "-c", file, user]:
                assert (image, program) == (services["broker"]["image"], "mosquitto_passwd")
                mounted = {each["source"]: each["target"] for each in services["broker"]["volumes"][:2]}
                assert mounted[file.replace("/here", ".")] == "/mosquitto/config/passwords"
                assert user in (ROOT / "config/gateway.yaml").read_text()
            case ["compose", "up", "-d", "--build"]:
                assert "build" in services["gateway"]
            case ["compose", "run", "--rm", name, *command] | ["compose", "exec", name, "oden-gateway", *command]:
                assert name in services
                with pytest.raises(SystemExit) as ended:
                    main([*command, "--help"])
                assert ended.value.code == 0
            case ["compose", "kill", "--signal", "HUP", name] | ["compose", "logs" | "restart", name]:
                assert name in services
            case ["kill", "--signal", "HUP", *_] | ["exec", *_]:
                pass  # `packaging/image` sends it to the image; `gateway.ways` makes both with the container's number
            case _:
                raise AssertionError(words)
    head = (ROOT / "compose.yaml").read_text().split("services:")[0]
    owners = dict(re.findall(r"chown (\d+) (\S+)", head))
    assert owners == {last("USER").split(":")[0]: "oden_token", "1883": "mosquitto.passwd"}
    assert set(re.findall(r"^#   (\S+) {3}", head, re.MULTILINE)) == {
        source.removeprefix("./")
        for source in (
            *(each["source"] for service in services.values() for each in service["volumes"] if isinstance(each, dict)),
            *(each["file"] for each in everything["secrets"].values()),
        )
        if not source.startswith("./config/")
    }


class ComposeBroker(Mosquitto):
    """A mosquitto with the configuration that compose.yaml gives it, its paths in a folder of the test's."""

    def _config(self) -> list[str]:
        text = (ROOT / "config/mosquitto.conf").read_text()
        text = text.replace("/mosquitto/data", str(self.directory)).replace("/mosquitto/config", str(self.directory))
        return [*text.replace("listener 1883", f"listener {self.port} 127.0.0.1").splitlines(), "user root"]


def test_the_broker_of_compose_keeps_what_it_has_taken(tmp_path: Path) -> None:
    """Of who has a password alone; for a session that is away, and through a crash."""
    broker = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())["services"]["broker"]
    assert broker["profiles"] == ["broker"]
    targets = [each["target"] for each in broker["volumes"] if isinstance(each, dict)]
    assert targets == ["/mosquitto/config/mosquitto.conf", "/mosquitto/config/passwords"]
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(tmp_path / "passwords"), "edge-01", "s3cret"], check=True)
    with ComposeBroker(tmp_path) as peer:
        assert connected(peer, "somebody", "").is_failure
        assert not connected(peer, "edge-01", "s3cret", "plant/run").is_failure
        assert not connected(peer, "edge-01", "s3cret", says="4711").is_failure
        wait_for(lambda: b"4711" in (tmp_path / "mosquitto.db").read_bytes())
        peer.kill()
        peer.start()
        heard: list[bytes] = []
        connected(peer, "edge-01", "s3cret", "plant/run", heard=heard)
        assert heard == [b"4711"]


def connected(
    peer: Mosquitto,
    user: str,
    password: str,
    subscribed: str | None = None,
    *,
    says: str | None = None,
    heard: list[bytes] | None = None,
) -> ReasonCode:
    """How the broker answers a client of `user`, whose session stays where it subscribes; it goes once it has said or
    heard what it is to."""
    client = Client(CallbackAPIVersion.VERSION2, f"{user}-{subscribed}", protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(user, password)
    answers: list[ReasonCode] = []
    done = threading.Event()
    client.on_connect = lambda *given: answers.append(given[3])

    def take(*given: Any) -> None:
        if heard is not None:
            heard.append(given[2].payload)
            done.set()

    def subscribed_to(*_: object) -> None:
        if heard is None:
            done.set()

    client.on_message, client.on_subscribe = take, subscribed_to
    stays = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    stays.SessionExpiryInterval = 3600
    client.connect("127.0.0.1", peer.port, clean_start=False, properties=stays)
    client.loop_start()
    wait_for(lambda: answers)
    if subscribed is not None:
        client.subscribe(subscribed, qos=1)
        assert done.wait(PATIENCE)
    if says is not None:
        client.publish("plant/run", says, qos=1).wait_for_publish(PATIENCE)
    client.disconnect()
    client.loop_stop()
    return answers[0]
