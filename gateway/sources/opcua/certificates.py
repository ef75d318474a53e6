"""The folder of certificates: our own, those that are trusted, and those that were turned away.

    own/cert.der, own/key.pem   the gateway's application certificate; the key is the gateway's alone (0600)
    trusted/                    servers, and authorities whose servers are trusted
    issuers/                    authorities that only complete a chain
    crl/                        lists of revoked certificates, by the authorities
    rejected/                   servers that were not trusted, for `oden-gateway pki trust`

DER and PEM are read under any name; a file that is neither is left alone.
"""

import contextlib
import ipaddress
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.config.files import why_unreadable
from gateway.errors import GatewayError

LIFE = timedelta(days=7300)
"""How long an own certificate is valid: it is never renewed behind anybody's back, because servers must be told."""
MOST_REJECTED = 50
"""Certificates that are kept in `rejected`, the newest."""
MOST_READ = 1_000
"""Files of a folder that are read."""

_KEY_BITS = 2048


class PkiError(GatewayError):
    """The folder of certificates cannot be used as it is; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Own:
    """The gateway's own certificate and key."""

    certificate: x509.Certificate
    key: bytes
    """PEM."""

    @property
    def uri(self) -> str:
        """The application URI that the certificate states; empty where it states none."""
        return next(iter(uris(self.certificate)), "")


class PkiFolder:
    """One folder of certificates."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, uri: str, names: Sequence[str], now: datetime) -> Own:
        """Make key and certificate for the application `uri` on the machines `names`. PkiError where there are any."""
        certificate_file, key_file = self._own_files()
        if certificate_file.exists() or key_file.exists():
            raise PkiError(
                f"{certificate_file.parent} holds a certificate already; servers that trust it would not trust "
                "another. Move it away first if you mean it"
            )
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        certificate = _self_signed(key, uri, names, now)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._write(key_file, pem, 0o600)
        self._write(certificate_file, certificate.public_bytes(serialization.Encoding.DER), 0o644)
        return Own(certificate, pem)

    def own(self) -> Own:
        """The gateway's certificate. PkiError where there is none that can be used."""
        certificate_file, key_file = files = self._own_files()
        try:
            certificate, key = certificate_file.read_bytes(), key_file.read_bytes()
        except FileNotFoundError as error:
            if any(file.exists() for file in files):
                raise PkiError(f"half of the gateway's own certificate is missing: {error.filename}") from None
            raise PkiError(
                f"the gateway has no certificate in {self.path}: oden-gateway pki create --pki "
                f"{shlex.quote(str(self.path))}"
            ) from None
        except OSError as error:
            place = shlex.quote(str(self.path))
            remedy = f": sudo chown -R --reference={place} {place}/own && sudo chmod -R u+rwX {place}/own"
            denied = remedy if isinstance(error, PermissionError) else ""
            raise PkiError(f"the gateway's own {error.filename}: {why_unreadable(error)}{denied}") from None
        read = next(iter(_read_certificates(certificate)), None)
        if read is None:
            raise PkiError(f"the gateway's own {certificate_file} is no certificate")
        try:
            public = serialization.load_pem_private_key(key, None).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):  # its message could hold parts of the key
            raise PkiError(f"the gateway's own {key_file} is no key without a password (PEM)") from None
        if public != read.public_key():
            raise PkiError(f"the gateway's own {key_file} is not the key of the certificate beside it")
        return Own(read, key)

    def certificates(self, folder: str) -> list[x509.Certificate]:
        """The certificates in `folder`, one of the names above; none where there is no such folder."""
        return [read for _, read in self._files(folder)]

    def revocations(self) -> list[x509.CertificateRevocationList]:
        """The lists of revoked certificates."""
        lists: list[x509.CertificateRevocationList] = []
        for file in _newest_first(self.path / "crl"):
            with contextlib.suppress(OSError):
                lists += _read_revocations(file.read_bytes())
        return lists

    def reject(self, certificate: x509.Certificate) -> None:
        """Keep `certificate`, so that a person may trust it. Nothing happens where the folder cannot be written."""
        with contextlib.suppress(PkiError):
            self._write(self._file("rejected", certificate), _der(certificate), 0o644)
        for old in _newest_first(self.path / "rejected")[MOST_REJECTED:]:
            with contextlib.suppress(OSError):
                old.unlink()

    def move(self, thumb: str, source: str, target: str) -> x509.Certificate:
        """Move the certificate of which `thumb` begins the thumbprint. PkiError where not exactly one does."""
        wanted = thumb.replace(":", "").replace(" ", "").upper()
        found = {thumbprint(read): read for _, read in self._files(source) if thumbprint(read).startswith(wanted)}
        if len(wanted) < 8 or len(found) != 1:
            which = "no certificate" if not found else f"{len(found)} certificates"
            raise PkiError(f"{which} in {self.path / source} with a thumbprint that begins with {thumb}")
        [certificate] = found.values()
        self._write(self._file(target, certificate), _der(certificate), 0o644)
        for file, read in self._files(source):
            if read == certificate:
                file.unlink()
        return certificate

    def _own_files(self) -> tuple[Path, Path]:
        return self.path / "own" / "cert.der", self.path / "own" / "key.pem"

    def _file(self, folder: str, certificate: x509.Certificate) -> Path:
        return self.path / folder / f"{thumbprint(certificate)}.der"

    def _files(self, folder: str) -> Iterator[tuple[Path, x509.Certificate]]:
        for file in _newest_first(self.path / folder):
            try:
                content = file.read_bytes()
            except OSError:
                continue
            for certificate in _read_certificates(content):
                yield file, certificate

    def _write(self, file: Path, content: bytes, mode: int) -> None:
        temporary = file.with_name(file.name + ".new")
        try:
            self._make(file.parent)
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as open_file:
                open_file.write(content)
                open_file.flush()
                os.fsync(open_file.fileno())
            self._give(temporary)
            temporary.replace(file)
        except OSError as error:
            raise PkiError(f"{file} cannot be written: {error.strerror}") from None

    def _make(self, folder: Path) -> None:
        if not folder.exists():
            self._make(folder.parent)
            folder.mkdir()
            self._give(folder)

    def _give(self, path: Path) -> None:
        """What root makes belongs to whom the folder above belongs to: the service, which reads it, is not root."""
        if os.geteuid() == 0:
            above = path.parent.stat()
            os.chown(path, above.st_uid, above.st_gid)


def thumbprint(certificate: x509.Certificate | x509.CertificateRevocationList) -> str:
    """SHA-1 in hexadecimal, as servers and their tools show it."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name, not a proof


def common_name(certificate: x509.Certificate | x509.CertificateRevocationList) -> str:
    """What a person calls it; of a list of revoked ones, its authority."""
    whose = certificate.subject if isinstance(certificate, x509.Certificate) else certificate.issuer
    names = whose.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else whose.rfc4514_string()


def uris(certificate: x509.Certificate) -> list[str]:
    """The application URIs in it."""
    names = _alternative_names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def hosts(certificate: x509.Certificate) -> set[str]:
    """The host names and addresses in it, in lower case."""
    names = _alternative_names(certificate)
    if names is None:
        return set()
    dns = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return dns | {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def split_chain(data: bytes) -> list[x509.Certificate]:
    """The certificates that stand one behind the other in what a server sends, its own first. ValueError for junk."""
    chain = []
    while data:
        length = _der_length(data)
        chain.append(x509.load_der_x509_certificate(data[:length]))
        data = data[length:]
    return chain


def _der_length(data: bytes) -> int:
    if len(data) < 4 or data[0] != 0x30:
        raise ValueError("not a certificate")
    if data[1] < 0x80:
        return 2 + data[1]
    octets = data[1] & 0x7F
    return 2 + octets + int.from_bytes(data[2 : 2 + octets])


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _read_certificates(content: bytes) -> list[x509.Certificate]:
    with contextlib.suppress(ValueError):
        return [x509.load_der_x509_certificate(content)]
    with contextlib.suppress(ValueError):
        return x509.load_pem_x509_certificates(content)
    return []


def _read_revocations(content: bytes) -> Iterable[x509.CertificateRevocationList]:
    for read in (x509.load_der_x509_crl, x509.load_pem_x509_crl):
        with contextlib.suppress(ValueError):
            return [read(content)]
    return []


def _newest_first(folder: Path) -> list[Path]:
    try:
        files = [(file.stat().st_mtime, file) for file in folder.iterdir() if file.is_file()]
    except OSError:
        return []
    return [file for _, file in sorted(files, reverse=True)][:MOST_READ]


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _self_signed(key: rsa.RSAPrivateKey, uri: str, names: Sequence[str], now: datetime) -> x509.Certificate:
    """An application certificate as Part 6, 6.2.2 asks for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oden-gateway")])
    alternative: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri), *map(_general_name, names)]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    serial = x509.random_serial_number()
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), serial, now.astimezone(UTC), now.astimezone(UTC) + LIFE)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier(identifier.digest, [x509.DirectoryName(name)], serial), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
