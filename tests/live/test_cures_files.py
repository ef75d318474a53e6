"""What `check --live` finds of the gateway's own files is mended by doing what it says."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.live.person import Do, Findings, Person, all_done, outside
from tests.live.secured import LOGIN, Secured
from tests.live.test_cures_secure import issued, put, source, with_sources

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_USER = 65534


def another(server: Secured) -> Do:
    """The commands behind "make another", and the server is given what the last of them prints."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        make, said, command = finding["cure"].partition("; then let the server trust what this prints: ")
        assert said, finding
        await person.shell(make.rpartition("make another: ")[2])
        pem = await person.shell(command)
        assert server.trusts is not None
        server.trusts.add(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER))

    return do


async def test_p8_a_certificate_of_our_own_that_cannot_be_used_is_made_anew(tmp_path: Path) -> None:
    """It is junk, or its key is, or is that of another, or one of both is missing, or it has expired."""
    person, server, plc = Person(tmp_path), Secured(), issued("plc")
    folders = {name: put(tmp_path / name, plc) / "own" for name in ("junk", "key", "mixed", "half", "ended", "folder")}
    ended = issued("oden-gateway", uri="urn:host:oden-gateway", hosts=[], days=-1, number=9)
    (folders["junk"] / "cert.der").write_bytes(b"junk")
    (folders["key"] / "key.pem").write_bytes(b"junk")
    (folders["mixed"] / "key.pem").write_bytes(ended.key_pem)
    (folders["half"] / "key.pem").unlink()
    (folders["ended"] / "cert.der").write_bytes(ended.der)
    (folders["ended"] / "key.pem").write_bytes(ended.key_pem)
    (folders["folder"] / "key.pem").unlink()
    (folders["folder"] / "key.pem").mkdir()
    server.trusts = set()
    cures = {
        ("certificate_expires" if name == "ended" else "no_certificate", name): another(server) for name in folders
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        await server.start(plc)
        with_sources(person, {name: source(server.url, own.parent, **LOGIN) for name, own in folders.items()})
        await all_done(person, cures, set())


class OtherUser(Person):
    """Asks as the service does, which is not root; what is said to be done, root does. Where the tests are not run by
    root, all of them are one user."""

    async def asks(self, seconds: float = 5) -> Findings:
        before = os.geteuid()
        if before == 0:
            os.seteuid(OTHER_USER)
        try:
            return await super().asks(seconds)
        finally:
            if before == 0:
                os.seteuid(before)


def denied(*files: Path) -> None:
    """The files are copied there by root, as their own."""
    for file in files:
        if os.geteuid() == 0:
            os.chown(file, 0, 0)
            file.chmod(0o600)
        else:
            file.chmod(0)


async def commands(person: Person, finding: Mapping[str, str]) -> None:
    """Those in the sentence, behind which nothing stands."""
    assert finding["cure"].startswith("run the command above; ")
    await person.shell(finding["text"][finding["text"].index("sudo chown -R") :])


async def test_p8_files_of_another_user_are_readable_once_it_is_done(open_folder: Path) -> None:
    """The gateway's key, and that of its user at a server."""
    server, plc = Secured(), issued("plc")
    if os.geteuid() == 0:
        os.chown(open_folder, OTHER_USER, OTHER_USER)
    person = OtherUser(open_folder)
    operator = issued("operator", uri="urn:operator", hosts=[], number=7)
    folders = {name: put(open_folder / name, plc) for name in ("own", "person")}
    certificate, secret = open_folder / "user.der", open_folder / "user.pem"
    certificate.write_bytes(operator.der)
    secret.write_bytes(operator.key_pem)
    server.users.add(operator.der)
    denied(folders["own"] / "own" / "key.pem", secret)

    async def give(file: Path) -> None:
        await asyncio.to_thread(file.chmod, 0o644)

    person.outside = {"user": lambda: give(secret)}
    cures: Mapping[tuple[str, str], Do] = {
        ("file_unreadable", "own"): commands,
        ("file_unreadable", "person"): outside("user", "let that user read it: sudo chown, or chmod"),
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        await server.start(plc)
        user = {"user_certificate": str(certificate), "user_key": str(secret)}
        with_sources(
            person,
            {
                "own": source(server.url, folders["own"], **LOGIN),
                "person": source(server.url, folders["person"], **user),
            },
        )
        person.config["oden"] = {"url": "http://127.0.0.1:1/v2", "token": "${secret:oden_token}"}
        await Person.asks(person, 0.1)  # what is imported late is there before the user changes
        if os.geteuid() == 0:
            os.chown(person.file, OTHER_USER, OTHER_USER)
        nobody = {("oden_unreachable", "Oden")}
        await all_done(person, cures, nobody, wrong=nobody)
