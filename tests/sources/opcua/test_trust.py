"""Which servers are trusted, by the folder of certificates; each refusal says what mends it."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.sources.opcua.certificates import PkiError, PkiFolder, split_chain, thumbprint, uris
from gateway.sources.opcua.security import Untrusted, check_server
from tests.sources.opcua.authority import HOST, NOW, URI, Issued, key

CA = Issued.made("Plant CA", ca=True)
INTERMEDIATE = Issued.made("Hall 3 CA", CA, ca=True, private=key(2))
PLC = Issued.made("press", private=key(3))
SIGNED = Issued.made("press", CA)
DEEP = Issued.made("press", INTERMEDIATE)


def put(folder: Path, kind: str, *issued: Issued) -> None:
    for each in issued:
        file = folder / kind / f"{thumbprint(each.certificate)}.crt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(each.der)


def check(folder: Path, *chain: Issued, uri: str = URI, host: str = HOST) -> None:
    check_server(PkiFolder(folder), [each.certificate for each in chain], uri, host, NOW)


def refused(folder: Path, *chain: Issued, uri: str = URI, host: str = HOST) -> str:
    with pytest.raises(Untrusted) as caught:
        check(folder, *chain, uri=uri, host=host)
    return str(caught.value)


def test_a_server_that_nobody_trusts_is_kept_and_the_command_that_trusts_it_works(tmp_path: Path) -> None:
    """Also where there is no folder yet."""
    folder = tmp_path / "pki"
    reason = refused(folder, PLC)
    print_ = thumbprint(PLC.certificate)
    assert reason.endswith(f"oden-gateway pki trust {print_} --pki {folder}")
    PkiFolder(folder).move(print_[:8], "rejected", "trusted")
    check(folder, PLC)
    assert PkiFolder(folder).certificates("rejected") == []


def test_a_certificate_that_a_person_trusts_may_be_for_another_host(tmp_path: Path) -> None:
    """Behind NAT a server does not know by which name it is reached."""
    put(tmp_path, "trusted", PLC)
    check(tmp_path, PLC, host="10.1.4.20")


def test_an_authority_vouches_for_its_servers_on_their_own_hosts(tmp_path: Path) -> None:
    put(tmp_path, "trusted", CA)
    check(tmp_path, SIGNED)
    check(tmp_path, DEEP, INTERMEDIATE)
    assert "is for another host than 10.1.4.20 (it names plc.local)" in refused(tmp_path, SIGNED, host="10.1.4.20")
    check(tmp_path, Issued.made("press", CA, hosts=["10.1.4.20"]), host="10.1.4.20")


def test_an_intermediate_may_come_from_the_folder_of_issuers_but_vouches_for_nobody(tmp_path: Path) -> None:
    put(tmp_path, "issuers", INTERMEDIATE)
    assert "is not trusted" in refused(tmp_path, DEEP)
    put(tmp_path, "trusted", CA)
    check(tmp_path, DEEP)


@pytest.mark.parametrize(
    ("server", "uri", "reason"),
    [
        (Issued.made("old", ends=NOW - timedelta(days=1)), URI, "has expired on 2026-11-28"),
        (Issued.made("young", begins=NOW + timedelta(days=1)), URI, "valid only from 2026-11-30"),
        (Issued.made("weak", private=key(4, 1024)), URI, "less than 2048 bits"),
        (PLC, "urn:somebody:else", "says that it is urn:somebody:else, its certificate says urn:acme:plc"),
    ],
)
def test_p8_what_is_wrong_with_a_certificate_is_said_although_it_is_trusted(
    tmp_path: Path, server: Issued, uri: str, reason: str
) -> None:
    put(tmp_path, "trusted", server)
    assert reason in refused(tmp_path, server, uri=uri)


def test_p8_a_trusted_server_is_no_authority(tmp_path: Path) -> None:
    """Whoever has its key must not be able to make more servers."""
    put(tmp_path, "trusted", PLC)
    assert "is not trusted" in refused(tmp_path, Issued.made("forged", PLC), PLC)


def test_p8_an_authority_of_the_same_name_is_another(tmp_path: Path) -> None:
    put(tmp_path, "trusted", CA)
    impostor = Issued.made("Plant CA", ca=True, private=key(5))
    assert "is not trusted" in refused(tmp_path, Issued.made("press", impostor), impostor)


def test_p8_an_authority_that_has_expired_vouches_for_nobody(tmp_path: Path) -> None:
    old = Issued.made("Old CA", ca=True, private=key(6), ends=NOW - timedelta(days=1))
    put(tmp_path, "trusted", old)
    assert "is not trusted" in refused(tmp_path, Issued.made("press", old))


def revoke(folder: Path, content: bytes) -> None:
    (folder / "crl").mkdir()
    (folder / "crl" / "list").write_bytes(content)


def test_p8_a_revoked_server_and_a_revoked_authority_are_refused(tmp_path: Path) -> None:
    for number, (revoked, chain) in enumerate(((SIGNED, (SIGNED,)), (INTERMEDIATE, (DEEP, INTERMEDIATE)))):
        folder = tmp_path / str(number)
        put(folder, "trusted", CA)
        revoke(folder, CA.revoking(revoked))
        assert "was revoked by its authority" in refused(folder, *chain)


def test_p8_a_revoked_server_is_refused_although_it_is_trusted_itself(tmp_path: Path) -> None:
    put(tmp_path, "trusted", SIGNED, CA)
    revoke(tmp_path, CA.revoking(SIGNED))
    assert "was revoked" in refused(tmp_path, SIGNED)


def test_a_list_of_another_authority_revokes_nothing(tmp_path: Path) -> None:
    """Serial numbers mean something only with their issuer, and a list only with its signature."""
    put(tmp_path, "trusted", CA)
    other = Issued.made("Other CA", ca=True, private=key(7))
    forged = Issued.made("Plant CA", ca=True, private=key(7))
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "other.crl").write_bytes(other.revoking(SIGNED))
    (tmp_path / "crl" / "forged.crl").write_bytes(forged.revoking(SIGNED))
    check(tmp_path, SIGNED)


@pytest.mark.parametrize("trusted_itself", [False, True])
def test_p8_two_authorities_of_one_name_are_told_apart_by_their_keys(tmp_path: Path, trusted_itself: bool) -> None:
    """A renewed one counts its certificates anew, and its lists say nothing of those that the other has made."""
    renewed = Issued.made("Plant CA", ca=True, private=key(8))
    before, after = Issued.made("press", CA, serial=7), Issued.made("press", renewed, serial=7)
    itself = [before, after] if trusted_itself else []
    for name, signer, revoked, good in (("old", CA, before, after), ("new", renewed, after, before)):
        folder = tmp_path / name
        put(folder, "trusted", CA, renewed, *itself)
        check(folder, good)
        revoke(folder, signer.revoking(revoked))
        check(folder, good)
        assert "was revoked by its authority" in refused(folder, revoked)


def test_the_list_of_an_authority_before_it_was_renewed_may_be_out_of_date(tmp_path: Path) -> None:
    """Only those that it has made itself are refused for that."""
    renewed = Issued.made("Plant CA", ca=True, private=key(8))
    put(tmp_path, "trusted", CA, renewed)
    revoke(tmp_path, CA.revoking(until=NOW - timedelta(days=1)))
    check(tmp_path, Issued.made("press", renewed))
    assert "is out of date" in refused(tmp_path, SIGNED)
    (tmp_path / "crl" / "present").write_bytes(renewed.revoking())
    assert "is out of date" in refused(tmp_path, SIGNED)


def test_p8_a_certificate_that_was_renewed_with_the_same_key_is_the_same_authority(tmp_path: Path) -> None:
    """And what an authority has revoked stays so when its own certificate has expired."""
    longer = Issued.made("Plant CA", ca=True, ends=NOW + timedelta(days=3650))
    put(tmp_path, "trusted", CA, longer)
    revoke(tmp_path, CA.revoking(SIGNED))
    assert "was revoked by its authority" in refused(tmp_path, SIGNED)
    expired = Issued.made("Plant CA", ca=True, ends=NOW - timedelta(days=1))
    put(tmp_path / "late", "trusted", expired, SIGNED)
    revoke(tmp_path / "late", CA.revoking(SIGNED))
    assert "was revoked by its authority" in refused(tmp_path / "late", SIGNED)


def test_p8_a_list_that_is_out_of_date_is_no_proof(tmp_path: Path) -> None:
    put(tmp_path, "trusted", CA)
    revoke(tmp_path, CA.revoking(until=NOW - timedelta(days=1)))
    assert "is out of date: put the present one into" in refused(tmp_path, SIGNED)


def test_junk_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "trusted", PLC)
    (tmp_path / "trusted" / "README.txt").write_text("not a certificate")
    (tmp_path / "trusted" / "empty.der").touch()
    check(tmp_path, PLC)


def test_our_own_certificate_is_made_once_and_for_long(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    with pytest.raises(PkiError, match="oden-gateway pki create"):
        folder.own()
    made = folder.create("urn:edge-1:oden-gateway", ["edge-1", "10.1.4.7"], NOW)
    assert folder.own() == made
    assert uris(made.certificate) == ["urn:edge-1:oden-gateway"] == [made.uri]
    assert made.certificate.not_valid_after_utc > NOW + timedelta(days=19 * 365)
    assert (tmp_path / "pki" / "own" / "key.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(PkiError, match="already"):
        folder.create("urn:edge-1:oden-gateway", ["edge-1"], NOW)


def test_a_thumbprint_must_name_one(tmp_path: Path) -> None:
    put(tmp_path, "rejected", PLC, SIGNED)
    for wrong in ("", thumbprint(PLC.certificate)[:4], "0123456789"):
        with pytest.raises(PkiError, match="thumbprint that begins with"):
            PkiFolder(tmp_path).move(wrong, "rejected", "trusted")


def test_a_chain_is_split_into_its_certificates() -> None:
    chain = [DEEP.certificate, INTERMEDIATE.certificate, CA.certificate]
    assert split_chain(DEEP.der + INTERMEDIATE.der + CA.der) == chain
    for junk in (b"junk", DEEP.der + b"\x30", DEEP.der[:-5]):
        with pytest.raises(ValueError, match=r"."):
            split_chain(junk)
