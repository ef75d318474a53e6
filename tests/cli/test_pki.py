"""`oden-gateway pki`: what it prints can be used, and what it cannot do it says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.__main__ import main
from gateway.sources.opcua.certificates import PkiFolder, thumbprint
from tests.sources.opcua.authority import NOW, Issued, key


def pki(folder: Path, action: str, *more: str) -> int:
    return main(["pki", action, *more, "--pki", str(folder)])


def test_a_certificate_is_made_once_and_printed_for_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `export` prints is the certificate, never the key."""
    assert pki(tmp_path / "pki", "create", "--host", "edge-1", "--host", "10.1.4.7", "--uri", "urn:edge-1:oden") == 0
    made = capsys.readouterr().out
    assert pki(tmp_path / "pki", "create") == 1
    assert "already" in capsys.readouterr().err
    assert pki(tmp_path / "pki", "export") == 0
    pem = capsys.readouterr().out
    assert "PRIVATE" not in pem
    assert made.startswith(thumbprint(x509.load_pem_x509_certificate(pem.encode())))
    assert "urn:edge-1:oden" in made


def test_servers_are_listed_trusted_and_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Issued.made("press", private=key(3), ends=datetime(2040, 1, 1, tzinfo=UTC))
    print_ = thumbprint(server.certificate)
    PkiFolder(tmp_path).reject(server.certificate)
    assert pki(tmp_path, "list") == 0
    assert capsys.readouterr().out == f"rejected  {print_}  ends 2040-01-01  press\n"
    assert pki(tmp_path, "trust", print_[:8].lower()) == 0
    assert capsys.readouterr().out == f"trusted: {print_}  press\n"
    assert pki(tmp_path, "reject", ":".join(print_[i : i + 2] for i in range(0, 40, 2))) == 0
    assert capsys.readouterr().out == f"rejected: {print_}  press\n"
    assert pki(tmp_path, "trust", "0123456789") == 1
    assert "no certificate in" in capsys.readouterr().err


def test_issuers_and_lists_of_revoked_certificates_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With when each ends; one that is out of date turns all servers of its authority away."""
    until = datetime(2040, 1, 1, tzinfo=UTC)
    authority = Issued.made("Plant CA", ca=True, ends=until)
    press = Issued.made("press", authority)
    lists = {"new": authority.revoking(press, until=until), "old": authority.revoking(until=NOW - timedelta(days=9))}
    for kind, name, content in (
        ("issuers", "plant.der", authority.der),
        ("crl", "new.crl", lists["new"]),
        ("crl", "old.crl", lists["old"]),
    ):
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / name).write_bytes(content)
    assert pki(tmp_path, "list") == 0
    prints = {name: thumbprint(x509.load_pem_x509_crl(content)) for name, content in lists.items()}
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        [
            f"issuers   {thumbprint(authority.certificate)}  ends 2040-01-01  Plant CA",
            f"crl       {prints['new']}  ends 2040-01-01  Plant CA: revokes 1 certificate",
            f"crl       {prints['old']}  ended {NOW - timedelta(days=9):%Y-%m-%d}  Plant CA: revokes 0 certificates",
        ]
    )


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert pki(tmp_path / "file", "create") == 1
    assert "cannot be written" in capsys.readouterr().err
