"""Whether a server's certificate is trusted: by its thumbprint, or by an authority that is.

Not the library's validator: that takes certificates for other hosts, outdated and other authorities' lists of revoked
ones, revoked authorities, short keys, and servers signed by a trusted server for good ones.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.sources.opcua.certificates import PkiFolder, common_name, hosts, thumbprint, uris

LEAST_KEY_BITS = 2048
LONGEST_CHAIN = 8


class Untrusted(Exception):
    """A certificate is not to be trusted; the message is the sentence that mends it."""


def check_server(folder: PkiFolder, chain: Sequence[x509.Certificate], uri: str, host: str, now: datetime) -> None:
    """Raise Untrusted unless the server with this `chain` (its own certificate first) is the one that we mean.

    `uri` is what the server says that it is, `host` where we have reached it. A certificate that is trusted itself may
    be for another host: a person has vouched for it, whatever the network calls the server.
    """
    own = chain[0]
    _check_itself(own, uri, now)
    trusted = folder.certificates("trusted")
    if own in trusted:
        _check_revoked([own], [*trusted, *folder.certificates("issuers"), *chain[1:]], folder, now)
        return
    authorities = [*trusted, *folder.certificates("issuers"), *chain[1:]]
    path = _path(own, authorities, now)
    if not any(certificate in trusted for certificate in path[1:]):
        folder.reject(own)
        print_ = thumbprint(own)
        raise Untrusted(
            f"the server's certificate is not trusted ({common_name(own)}, thumbprint {print_}). If it is the one that "
            f"the server shows: oden-gateway pki trust {print_} --pki {folder.path}"
        )
    _check_revoked(path, authorities, folder, now)
    if host.lower() not in hosts(own):
        known = ", ".join(sorted(hosts(own))) or "none"
        raise Untrusted(
            f"the server's certificate is for another host than {host} (it names {known}). Use one of these in `url`, "
            f"or trust this very certificate: put it into {folder.path / 'trusted'}"
        )


def _check_itself(own: x509.Certificate, uri: str, now: datetime) -> None:
    if now > own.not_valid_after_utc:
        raise Untrusted(f"the server's certificate has expired on {own.not_valid_after_utc:%Y-%m-%d}: renew it there")
    if now < own.not_valid_before_utc:
        raise Untrusted(
            f"the server's certificate is valid only from {own.not_valid_before_utc:%Y-%m-%d} on: see both clocks"
        )
    key = own.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_KEY_BITS:
        raise Untrusted(f"the server's certificate has a key of less than {LEAST_KEY_BITS} bits: renew it there")
    if uri not in uris(own):
        known = ", ".join(uris(own)) or "none"
        raise Untrusted(
            f"the server says that it is {uri}, its certificate says {known}: renew it there, with that URI"
        )


def _path(own: x509.Certificate, authorities: Iterable[x509.Certificate], now: datetime) -> list[x509.Certificate]:
    """`own` and the authorities above it, each signed by the next, as far as they are known."""
    path = [own]
    while len(path) < LONGEST_CHAIN:
        issuer = next((each for each in authorities if each not in path and _has_signed(each, path[-1], now)), None)
        if issuer is None:
            break
        path.append(issuer)
    return path


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate, now: datetime) -> bool:
    """Whether `issuer` is an authority in its time that has signed `certificate`."""
    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc


def _check_revoked(
    path: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], folder: PkiFolder, now: datetime
) -> None:
    """Raise Untrusted where an authority has revoked one of `path`, or its list is out of date."""
    for revocations in folder.revocations():
        for certificate in path:
            if revocations.issuer != certificate.issuer:
                continue
            signers = [each for each in authorities if each.subject == revocations.issuer]
            if not any(_has_signed_list(each, revocations) for each in signers):
                continue
            if revocations.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                raise Untrusted(f"{common_name(certificate)} was revoked by its authority: renew the certificate")
            if revocations.next_update_utc is not None and now > revocations.next_update_utc:
                raise Untrusted(
                    f"the list of certificates revoked by {revocations.issuer.rfc4514_string()} is out of date: put "
                    f"the present one into {folder.path / 'crl'}"
                )


def _has_signed_list(issuer: x509.Certificate, revocations: x509.CertificateRevocationList) -> bool:
    try:
        return revocations.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
