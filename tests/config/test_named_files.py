"""P10 for the files that only a connection reads: what is wrong with them is told before anything runs."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.cli.startup import read_config
from gateway.errors import ConfigError
from tests.config.command import environment, written
from tests.config.factory import HEAD, HERE, LINE, places_of
from tests.sources.opcua.authority import Issued, key

AUTHORITY = Issued.made("Authority", ca=True)
BROKER = "client_id: edge-01"
SERVER = 'plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"'
TLS = 'url: "mqtts://broker.plant-a.local", client_id: edge-01'
PLAIN = 'url: "mqtt://broker.plant-a.local", client_id: edge-01'


def put(folder: Path) -> None:
    """Files that are right, and some that are not."""
    (folder / "pki/sub/own").mkdir(parents=True)
    pem = serialization.Encoding.PEM
    (folder / "pki/ca.pem").write_bytes(AUTHORITY.certificate.public_bytes(pem))
    form, secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "pki/ca.key").write_bytes(AUTHORITY.private.private_bytes(pem, form, secret))
    (folder / "pki/other.key").write_bytes(key(7).private_bytes(pem, form, secret))
    (folder / "pki/text.pem").write_text("not a certificate\n")
    (folder / "pki/empty.pem").write_text("")
    (folder / "pki/sub/own/cert.der").write_bytes(b"x")


def told(folder: Path, head: str) -> tuple[list[str], list[str], bool]:
    """What is said of a plant with this head, its problems and its warnings, and whether it may pass by itself."""
    path = written(folder / "c", (head + LINE).replace(HERE, ""))
    put(path.parent)
    try:
        loaded, _ = read_config(path, environment())
    except ConfigError as error:
        return [str(one) for one in error.diagnostics], [str(one) for one in error.warnings], error.may_pass
    return [], [str(one) for one in loaded.warnings], False


def at(head: str) -> str:
    [place] = places_of(head)
    return f"/c/{place}: "


ODEN = "  timeout: 30s"
ABSENT = (
    (ODEN, "  ca: ▲pki/oden.pem", "there is no file", "pki/oden.pem"),
    (ODEN, "  ca: ▲pki/ca.pem/deep", "there is no file"),
    (ODEN, "  ca: ▲pki", "is a folder; name the file in it"),
    (ODEN, "  ca: ▲pki/empty.pem", "is empty"),
    (ODEN, "  ca: ▲pki/text.pem", "holds no certificate in PEM"),
    (ODEN, "  ca: ▲pki/ca.key", "holds no certificate in PEM"),
    (ODEN, '  ca: ▲"pki/c\\0a"', "no file is called so"),
    ("  listen: 127.0.0.1:8321", "  tls: {certificate: ▲pki/none.pem, key: pki/ca.key}", "there is no file"),
    ("  listen: 127.0.0.1:8321", "  tls: {certificate: pki/ca.pem, key: ▲pki}", "is a folder"),
)


@pytest.mark.parametrize(("old", "new", "words"), [(old, new, words) for old, new, *words in ABSENT])
def test_p10_a_file_that_cannot_be_used_is_told_where_it_is_named(
    old: str, new: str, words: list[str], tmp_path: Path
) -> None:
    """Once; and a service waits for it at its start, since it may come yet."""
    head = HEAD.replace(old, new)
    problems, warnings, may_pass = told(tmp_path, head)
    assert len(problems) == 1, problems
    assert at(head) in problems[0]
    assert all(word in problems[0] for word in words)
    assert (warnings, may_pass) == ([], True)


OF_ONE_SOURCE = (
    (PLAIN, f"{TLS}, ca: ▲pki/none.pem", "there is no file"),
    (PLAIN, f"{TLS}, ca: ▲pki", "is a folder"),
    (PLAIN, f"{TLS}, ca: ▲pki/text.pem", "holds no certificate"),
    (PLAIN, f"{TLS}, certificate: ▲pki/none.pem, key: pki/ca.key", "there is no file"),
    (PLAIN, f"{TLS}, certificate: pki/ca.pem, key: ▲pki/none.key", "there is no file"),
    (PLAIN, f"{TLS}, certificate: ▲pki/ca.pem, key: pki/other.key", "do not belong together"),
    (PLAIN, f"{TLS}, certificate: ▲pki/text.pem, key: pki/ca.key", "not in PEM"),
    (PLAIN, f"{TLS}, certificate: ▲pki/ca.pem", "not in PEM, or one of them is missing"),
    (
        SERVER,
        f"{SERVER}, security: Basic256Sha256/Sign, pki: pki/sub, user_certificate: ▲pki/none.der, user_key: pki/ca.key",
        "there is no file",
    ),
)


@pytest.mark.parametrize(("old", "new", "words"), [(old, new, words) for old, new, *words in OF_ONE_SOURCE])
def test_p7_a_file_of_one_source_stops_no_other(old: str, new: str, words: list[str], tmp_path: Path) -> None:
    """It is a warning: that source waits for it by itself and says so."""
    head = HEAD.replace(old, new)
    problems, warnings, _ = told(tmp_path, head)
    assert problems == []
    assert len(warnings) == 1, warnings
    assert at(head) in warnings[0]
    assert all(word in warnings[0] for word in words)


DOUBTS = (
    (SERVER, f"{SERVER}, security: Basic256Sha256/Sign, pki: ▲pki/new", "oden-gateway pki create --pki "),
    (ODEN, "  url: http://127.0.0.1:1/v2\n  ca: ▲pki/ca.pem", "this is for TLS"),
)


@pytest.mark.parametrize(("old", "new", "words"), DOUBTS)
def test_p10_what_the_gateway_runs_without_is_a_warning(old: str, new: str, words: str, tmp_path: Path) -> None:
    """A source waits by itself for the gateway's own certificate, and says so."""
    head = HEAD.replace(old, new)
    problems, warnings, _ = told(tmp_path, head)
    assert problems == []
    assert len(warnings) == 1, warnings
    assert at(head) in warnings[0]
    assert words in warnings[0]


RIGHT = (
    (ODEN, "  ca: pki/ca.pem"),
    (PLAIN, f"{TLS}, ca: pki/ca.pem, certificate: pki/ca.pem, key: pki/ca.key"),
    (SERVER, f"{SERVER}, security: Basic256Sha256/Sign, pki: pki/sub"),
    (SERVER, f"{SERVER}, security: none, pki: pki/new"),
    (PLAIN, 'url: "ws://broker.plant-a.local/mqtt", client_id: edge-01'),
    (PLAIN, 'url: "mqtt://broker.plant-a.local/", client_id: edge_01.a:b'),
)


@pytest.mark.parametrize(("old", "new"), RIGHT)
def test_p10_files_that_are_there_are_right(old: str, new: str, tmp_path: Path) -> None:
    assert told(tmp_path, HEAD.replace(old, new)) == ([], [], False)
