"""P8, P10: addresses and how they are protected, as people write them by mistake: each is told once, at its place, and
nothing of a secret with it."""

from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.config.command import GOOD, written
from tests.config.factory import Slip, said_of, slip

TOKEN = "  token: ${secret:oden_token}\n"
OPCUA = 'url: "opc.tcp://10.1.4.20:4840"'
BROKER = '"mqtt://broker.plant-a.local"'
LISTEN = "127.0.0.1:8321"
STRONG = "did you mean 'Basic256Sha256/SignAndEncrypt'?"


def of_oden(key: str, value: str, *words: str, warning: bool = False) -> Slip:
    return slip(TOKEN, f"{TOKEN}  {key}: ▲{value}\n", *words, warning=warning)


def protected(security: str, *words: str) -> Slip:
    return slip(OPCUA, f"{OPCUA}, security: ▲{security}", *words)


@pytest.mark.parametrize(
    "slipped",
    [
        of_oden("proxy", "http://proxy.local", "asked at port 80", "http://host:3128", warning=True),
        of_oden("proxy", "http://proxy.local:0", "a port from 1 to 65535"),
        of_oden("proxy", "http://proxy.local:99999", "a port from 1 to 65535"),
        of_oden("proxy", "http://proxy,local:3128", "the host is none"),
        of_oden("proxy", "http://10.1.1.300:3128", "four numbers from 0 to 255"),
        of_oden("proxy", "https://proxy.local:3128", "write http://host:port"),
        of_oden("proxy", "http://u:Planted7@10.1.300:3128", "the host is none"),
        of_oden("url", "https://api.oden.app:80/v2", "is https://api.oden.app/v2", warning=True),
        of_oden("url", "https://api.odn.app/v2", "is https://api.oden.app/v2", warning=True),
        of_oden("url", "https://api.oden.app/v2?key=Planted7", "behind a '?'", "remove it"),
        slip(OPCUA, 'url: ▲"opc.tcp://10.1.4.20:"', "the port is missing", warning=True),
        slip(OPCUA, 'url: ▲"opc.tcp://10.1.4:4840"', "is no IP address"),
        slip(OPCUA, f'{OPCUA}, redundant: [▲"opc.tcp://10.1..4:4840"]', "is no IP address"),
        slip(BROKER, '▲"mqtt://broker..plant-a.local"', "no name of a host"),
        slip(BROKER, '"wss://broker/mqtt?key=Planted7", ca: ▲none.pem', "none.pem", warning=True),
        slip(BROKER, '"ws://broker/mqtt?key=Planted7", ca: ▲none.pem', "in place of 'ws://broker/mqtt?key=***'"),
        slip(LISTEN, "▲127.0.0:8321", "is no IP address"),
        protected("SignEncrypt", STRONG),
        protected("Sign & Encrypt", STRONG),
        protected("Basic256Sha256", STRONG),
        protected("Basic256Sha256 - SignAndEncrypt", STRONG),
        protected("basic256sha256/sign", "did you mean 'Basic256Sha256/Sign'?"),
        protected("Aes256_Sha256_RsaPss/SignEncript", "did you mean 'Aes256Sha256RsaPss/SignAndEncrypt'?"),
        protected('"http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"', STRONG),
        protected("Basic128Rsa15/Sign", "is broken", "'Basic256Sha256/Sign'"),
        protected("None", "did you mean 'none'?"),
        protected('"None/None"', "did you mean 'none'?"),
        protected("off", "did you mean 'none'?"),
    ],
    ids=str,
)
def test_p10_an_address_that_cannot_be_meant(slipped: Slip, tmp_path: Path) -> None:
    said = said_of(tmp_path / "c", [slipped], (), lines=1)
    ((where, text),) = said.warnings if slipped.warning else said.problems
    assert (said.problems if slipped.warning else said.warnings) == []
    assert where == said.expected[slipped]
    assert [word for word in slipped.words if word not in text] == [], text
    assert "Planted" not in text


@pytest.mark.parametrize(
    "written_so",
    [
        "token:\n  Planted7:",
        "token:\n  Planted7: x",
        "token:\n    Planted7:",
        "token:\n    Planted7: {a: b}",
        "token: {Planted7: 1}",
        "token: {Planted7}",
        "token: [Planted7]",
        "token:\nPlanted7:",
        "Planted7: token",
        "token: ${secret:Planted7}",
        "token: ${secret:PLANTEDab}",
        "token: ${secret:plantedword}",
    ],
)
def test_p8_a_token_in_another_place_than_its_own_is_told_once_and_not_shown(
    written_so: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD.replace("token: ${secret:oden_token}", written_so)
    assert text != GOOD
    assert main(["check", "-c", str(written(tmp_path / "c", text))]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1, said.err
    assert "planted" not in (said.err + said.out).casefold()


@pytest.mark.parametrize("name", ["oden_token", "broker", "plc2", "filler_plc", "plc2_password", "OPC-UA.user"])
def test_p10_a_secret_that_is_called_as_people_do_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "c", GOOD.replace("${secret:oden_token}", f"${{secret:{name}}}"))
    (path.parent / "secrets" / "oden_token").unlink()
    assert main(["check", "-c", str(path)]) == 2
    (problem,) = capsys.readouterr().err.splitlines()
    assert f"the secret '{name}' is not there; put it in one of: " in problem
    assert f"/secrets/{name}" in problem


def test_p8_the_query_of_an_address_is_not_in_the_configuration_that_is_written_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = 'url: "mqtt://broker.plant-a.local"'
    url = '"wss://broker.plant-a.local/mqtt?key=Planted7"'
    text = GOOD.replace(broker, f'url: {url}, alternatives: ["wss://standby/mqtt?Planted7"]')
    assert text != GOOD
    path = written(tmp_path / "c", text)
    for options in (("--expanded",), ("--expanded", "--json"), ("--json",), ()):
        assert main(["check", "-c", str(path), *options]) == 0
        said = capsys.readouterr()
        assert "Planted" not in said.out + said.err
        assert "wss://broker.plant-a.local/mqtt?key=***" in said.out or "--json" in options
