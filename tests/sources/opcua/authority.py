"""Certificates for tests: authorities, servers, and lists of revoked ones, good and bad in every way."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
URI = "urn:acme:plc"
HOST = "plc.local"


@cache
def key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key; making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Issued:
    """A certificate with its key, and what it has issued."""

    def __init__(self, certificate: x509.Certificate, private: rsa.RSAPrivateKey) -> None:
        self.certificate = certificate
        self.private = private

    @classmethod
    def made(
        cls,
        name: str,
        issuer: Self | None = None,
        *,
        ca: bool = False,
        uri: str = URI,
        hosts: Sequence[str] = (HOST,),
        begins: datetime = NOW - timedelta(days=10),
        ends: datetime = NOW + timedelta(days=365),
        private: rsa.RSAPrivateKey | None = None,
        serial: int | None = None,
    ) -> Self:
        private = private or key(1 if ca else 0)
        subject = _name(name)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri), *map(_host, hosts)]
        builder = (
            x509.CertificateBuilder(
                issuer.certificate.subject if issuer else subject,
                subject,
                private.public_key(),
                serial or x509.random_serial_number(),
                begins,
                ends,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        return cls(builder.sign(issuer.private if issuer else private, hashes.SHA256()), private)

    def revoking(self, *revoked: "Issued", until: datetime = NOW + timedelta(days=7)) -> bytes:
        """This authority's list of revoked certificates, PEM."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, NOW - timedelta(days=30), until)
        for each in revoked:
            entry = x509.RevokedCertificateBuilder(each.certificate.serial_number, NOW - timedelta(days=1)).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
