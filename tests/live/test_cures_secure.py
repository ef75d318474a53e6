"""What `check --live` finds between us and an OPC UA server with security is mended by doing what it says."""

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.__main__ import main
from tests.live.person import Do, Person, all_done, all_done_in_stages, outside
from tests.live.secured import LOGIN, URI, Secured
from tests.peers import OpcuaServer
from tests.sources.opcua.authority import Issued, key

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC)
OFFERED = re.compile(r"offers (\w+/Sign\w*) \(")
COMMAND = re.compile(r"(oden-gateway pki .*)$")


def issued(name: str, authority: Issued | None = None, *, days: int = 900, number: int = 8, **about: object) -> Issued:
    given = {"uri": URI, "hosts": ["127.0.0.1"], "private": key(number), "begins": NOW - timedelta(days=10), **about}
    return Issued.made(name, authority, ends=NOW + timedelta(days=days), **given)  # type: ignore[arg-type]


def put(folder: Path, *trusted: Issued) -> Path:
    """A folder of certificates with one of our own, made by the command, in which these are trusted."""
    assert main(["pki", "create", "--pki", str(folder)]) == 0
    (folder / "trusted").mkdir()
    for each in trusted:
        (folder / "trusted" / f"{each.certificate.serial_number}.der").write_bytes(each.der)
    return folder


async def one_that_is_offered(person: Person, finding: Mapping[str, str]) -> None:
    """Of what the server offers, as it is written there."""
    found = OFFERED.search(finding["text"])
    assert found is not None, finding
    assert f"set `security` of {finding['about']} to one of those" in finding["cure"]
    person.at(finding["about"])["security"] = found[1]


async def user(person: Person, finding: Mapping[str, str]) -> None:
    section = person.at(finding["about"])
    verb, end = ("correct", "") if "username" in section else ("set", ": it takes no one without")
    assert f"{verb} `username` and `password` of {finding['about']}{end}" in finding["cure"]
    section.update(LOGIN)


async def nobody(person: Person, finding: Mapping[str, str]) -> None:
    about = finding["about"]
    assert f"let it take anybody, and leave `username` and `password` of {about} out" in finding["cure"]
    del person.at(about)["username"], person.at(about)["password"]


async def made(person: Person, finding: Mapping[str, str]) -> None:
    await person.shell(finding["cure"])


async def trusted(person: Person, finding: Mapping[str, str]) -> None:
    """By the command in the sentence, behind which nothing stands."""
    assert "run the command above" in finding["cure"]
    found = COMMAND.search(finding["text"])
    assert found is not None, finding
    await person.shell(found[1])


def exported_to(server: Secured, words: str) -> Do:
    """The server is given what the command prints, behind the sentence that says so."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        before, said, command = finding["cure"].partition(words)
        assert said, finding
        if before:
            await person.shell(before.removeprefix("make another: "))
        pem = await person.shell(command)
        assert server.trusts is not None
        server.trusts.add(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER))

    return do


def files_of_user(certificate: Path, secret: Path) -> Do:
    async def do(person: Person, finding: Mapping[str, str]) -> None:
        about = finding["about"]
        assert finding["cure"] == f"correct `user_certificate` and `user_key` of {about}"
        person.at(about).update(user_certificate=str(certificate), user_key=str(secret))

    return do


def source(url: str, folder: Path, **more: str) -> dict[str, str]:
    return {"type": "opcua", "url": url, "security": "Basic256Sha256/SignAndEncrypt", "pki": str(folder), **more}


def with_sources(person: Person, sources: Mapping[str, Mapping[str, str]]) -> None:
    person.config["sources"] |= sources
    for name in sources:
        person.input(name, source=name, node="ns=2;s=L01.State")
    person.config["lines"][0]["states"] = {"input": next(iter(sources)), "codes": {1: {"category": "Uptime"}}}


async def test_p8_a_secured_server_is_reached_by_doing_what_is_said(tmp_path: Path) -> None:
    """From nothing to a session. The folder of one source has a space in its name: what is printed is typed."""
    person, server = Person(tmp_path), Secured()
    plc, operator = issued("plc"), issued("operator", uri="urn:operator", hosts=[], number=7)
    known = put(tmp_path / "known", plc)
    bare = tmp_path / "no one's"
    certificate, secret = tmp_path / "user.der", tmp_path / "user.pem"
    certificate.write_bytes(operator.der)
    secret.write_bytes(operator.key_pem)
    server.trusts = {(known / "own" / "cert.der").read_bytes()}
    wrong = {"user_certificate": str(tmp_path / "absent.der"), "user_key": str(secret)}

    async def take() -> None:
        server.users.add(operator.der)

    person.outside = {"take": take}
    to_export = exported_to(server, "let the server trust what this prints: ")
    stages: tuple[Mapping[tuple[str, str], Do], ...] = (
        {
            ("security_wanted", "plain"): one_that_is_offered,
            ("security_not_offered", "other"): one_that_is_offered,
            ("no_certificate", "bare"): made,
            ("login_refused", "anonymous"): user,
            ("login_refused", "forgetful"): user,
            ("user_certificate", "person"): files_of_user(certificate, secret),
            ("user_certificate", "stranger"): files_of_user(certificate, secret),
        },
        {("server_not_trusted", "bare"): trusted},
        {("gateway_not_trusted", "bare"): to_export},
    )
    refused = {("login_refused", "person"): outside("take", "let the server take `user_certificate` of person")}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        await server.start(plc)
        with_sources(
            person,
            {
                "plain": source(server.url, known, **LOGIN) | {"security": "none"},
                "other": source(server.url, known, **LOGIN) | {"security": "Aes128Sha256RsaOaep/Sign"},
                "bare": source(server.url, bare, **LOGIN),
                "anonymous": source(server.url, known),
                "forgetful": source(server.url, known, **LOGIN) | {"password": "hunter3"},
                "person": source(server.url, known, **wrong),
                "stranger": source(server.url, known, **wrong) | {"user_certificate": str(secret)},
            },
        )
        await all_done_in_stages(person, [stages[0], {**stages[1], **refused}, stages[2]])


async def test_p8_what_is_wrong_with_certificates_is_gone_once_it_is_done(tmp_path: Path) -> None:
    """Of the server's, that are out of date, say another name or host, or were revoked; and of the lists of these."""
    person = Person(tmp_path)
    plant, harsh, late = (
        issued(name, ca=True, number=number) for name, number in (("Plant CA", 1), ("Harsh CA", 2), ("Late CA", 3))
    )
    known, behind = put(tmp_path / "known", plant, harsh, late), put(tmp_path / "behind", plant)
    past, young, other = (
        issued("old", plant, days=-1),
        issued("plc", plant, days=30),
        issued("plc", plant, uri="urn:acme:another"),
    )
    revoked, local, listed = issued("gone", harsh), issued("plc", plant, hosts=["localhost"]), issued("plc", late)
    (known / "crl").mkdir()
    (known / "crl" / "harsh.pem").write_bytes(harsh.revoking(revoked, until=NOW + timedelta(days=7)))
    (known / "crl" / "late.pem").write_bytes(late.revoking(until=NOW - timedelta(days=1)))
    ending = tmp_path / "ending"
    put(ending, plant)
    ours = issued("oden-gateway", uri="urn:host:oden-gateway", hosts=[], days=20, number=9)
    (ending / "own" / "cert.der").write_bytes(ours.der)
    (ending / "own" / "key.pem").write_bytes(ours.key_pem)
    servers = {name: Secured() for name in ("expired", "ends", "renamed", "revoked", "elsewhere", "listed", "own")}
    good = issued("plc", plant)

    async def to_local_host(person: Person, finding: Mapping[str, str]) -> None:
        assert "(it names localhost)" in finding["text"]
        assert f"write a name of the certificate's in `url` of {finding['about']}" in finding["cure"]
        section = person.at(finding["about"])
        section["url"] = section["url"].replace("127.0.0.1", "localhost")

    async def list_of_today(person: Person, finding: Mapping[str, str]) -> None:
        found = re.fullmatch(r"put the authority's present list into (.+)", finding["cure"])
        assert found is not None, finding
        (Path(found[1]) / "late-2.pem").write_bytes(late.revoking(until=NOW + timedelta(days=7)))

    cures: Mapping[tuple[str, str], Do] = {
        ("certificate", "expired"): outside("expired", "let the server have another"),
        ("certificate_expires", "ends"): outside("ends", "let the server have another"),
        ("certificate", "renamed"): outside("renamed", "let the server have another, with that URI"),
        ("certificate_revoked", "revoked"): outside("revoked", "another, which its authority has not revoked"),
        ("certificate_other_host", "elsewhere"): to_local_host,
        ("certificate_other_host", "behind"): trusted,
        ("revocations_old", "listed"): list_of_today,
        ("certificate_expires", "own"): exported_to(servers["own"], "; then let the server trust what this prints: "),
    }
    person.outside = {
        **{name: partial(servers[name].renew, good) for name in ("expired", "ends", "renamed")},
        "revoked": partial(servers["revoked"].renew, issued("plc", harsh)),
    }
    servers["own"].trusts = {ours.der}
    begin = {
        "expired": past,
        "ends": young,
        "renamed": other,
        "revoked": revoked,
        "elsewhere": local,
        "listed": listed,
        "own": good,
    }
    async with AsyncExitStack() as stack:
        for name, server in servers.items():
            stack.push_async_callback(server.stop)
            await server.start(begin[name])
        sources = {name: source(server.url, known, **LOGIN) for name, server in servers.items()}
        sources["own"]["pki"] = str(ending)
        with_sources(person, {**sources, "behind": source(servers["elsewhere"].url, behind, **LOGIN)})
        await all_done(person, cures, set())


async def test_p8_no_password_is_said_in_clear_and_what_can_be_done_is_said(tmp_path: Path) -> None:
    """At a server that can do better it is to be asked for; at one that cannot nothing of ours helps."""
    person, plain = Person(tmp_path), OpcuaServer()
    policies = ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_Sign
    both, plc = Secured(*policies), issued("plc")
    known = put(tmp_path / "known", plc)
    cures: Mapping[tuple[str, str], Do] = {
        ("clear_password", "both"): one_that_is_offered,
        ("clear_password", "plain"): nobody,
    }
    async with AsyncExitStack() as stack:
        for server in (plain, both):
            stack.push_async_callback(server.stop)
        await plain.start(L01__State=1)
        await both.start(plc)
        sources = {"both": source(both.url, known, **LOGIN), "plain": source(plain.url, known, **LOGIN)}
        with_sources(person, {name: section | {"security": "none"} for name, section in sources.items()})
        await all_done(person, cures, set())
