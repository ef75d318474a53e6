"""The MQTT source: passwords and TLS, against a real broker."""

import ipaddress
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from tests.peers import Mosquitto, free_port, wait_until
from tests.sources.harness import Intake, mqtt_source, running

ORDER = "plant-a/L01/events/order"


def password_file(directory: Path) -> Path:
    path = directory / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", path, "edge", "right-one"], check=True)
    path.chmod(0o600)
    return path


async def test_p8_a_refused_password_is_said_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is shown and logged; neither holds the password."""
    passwords = password_file(tmp_path)
    with Mosquitto(tmp_path / "broker", ["allow_anonymous false", f"password_file {passwords}"]) as broker:
        wrong = mqtt_source(broker, ORDER, username="edge", password="hunter2")
        async with running(wrong, Intake()):
            await wait_until(lambda: "refuses the connection" in wrong.health.detail)
        right = mqtt_source(broker, ORDER, username="edge", password="right-one")
        async with running(right, Intake()):
            await wait_until(lambda: right.health.connected)
    captured = capsys.readouterr()
    seen = captured.out + captured.err + wrong.health.detail + repr(wrong.__dict__)
    assert "hunter2" not in seen
    assert "right-one" not in seen


def certificates(directory: Path) -> tuple[Path, list[str]]:
    """A CA of its own and a broker certificate for 127.0.0.1 by it: the CA's file and the broker's settings."""
    ca_key, broker_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    broker_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca, key, certificate = (directory / name for name in ("ca.pem", "key.pem", "cert.pem"))
    for path, name, public_key, extension in (
        (ca, ca_name, ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=None)),
        (certificate, broker_name, broker_key.public_key(), address),
    ):
        signed = (
            x509.CertificateBuilder(ca_name, name, public_key, x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(ca_key, hashes.SHA256())
        )
        path.write_bytes(signed.public_bytes(Encoding.PEM))
    for path, private in ((key, broker_key), (directory / "ca.key", ca_key)):
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ca, [f"certfile {certificate}", f"keyfile {key}"]


def client_certificate(directory: Path, name: str) -> None:
    """`own.pem` with `own.key` for a client of this name, signed by the CA of `certificates` where there is one."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = directory / "ca.key"
    ca_key = load_pem_private_key(signer.read_bytes(), None) if signer.exists() else key
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    issuer, subject = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in ("ca", name))
    certificate = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(ca_key, hashes.SHA256())
    )
    (directory / "own.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "own.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def test_p8_tls_trusts_only_the_configured_ca(tmp_path: Path) -> None:
    """With its CA the broker is trusted, without it refused."""
    ca, settings = certificates(tmp_path)
    port = free_port()
    url = f"mqtts://127.0.0.1:{port}"
    with Mosquitto(tmp_path / "broker", [f"listener {port} 127.0.0.1", *settings]) as broker:
        stranger = mqtt_source(broker, ORDER, url=url)
        async with running(stranger, Intake()):
            await wait_until(lambda: "certificate is not trusted" in stranger.health.detail)
        source, intake = mqtt_source(broker, ORDER, url=url, ca=ca), Intake()
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            await broker.publish(ORDER, *(f'"{n:0100000}"' for n in range(20)))
            await wait_until(lambda: len(intake.samples) >= 20)
        assert intake.values(ORDER) == [f"{n:0100000}" for n in range(20)]
