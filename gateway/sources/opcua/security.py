"""How a session is protected: what the server offers, whom we trust, and that no password is ever said in clear.

A server's certificate is trusted by its thumbprint, or by an authority that is. Not by the library's validator: that
takes certificates for other hosts, outdated and other authorities' lists of revoked ones, revoked authorities, short
keys, and servers signed by a trusted server for good ones.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key

from gateway.config.schema import OpcuaConfig
from gateway.errors import SourceError
from gateway.health import KindName
from gateway.sources.opcua.certificates import PkiError, PkiFolder, common_name, hosts, split_chain, thumbprint, uris
from gateway.sources.opcua.greeting import endpoints_of

EXPIRY_AHEAD = timedelta(days=60)
"""How long before its end a certificate becomes a problem."""

_POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_TOKENS = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user name",
    ua.UserTokenType.Certificate: "certificate",
}
_PEM = b"-----BEGIN"
_NONE = security_policies.SecurityPolicyNone.URI


@dataclass(frozen=True, slots=True)
class Protected:
    """The certificates of a session: ours, and the server's."""

    ours: x509.Certificate
    servers: x509.Certificate
    again: Callable[[float], None] | None = None
    """Looks at a time, in seconds since 1970, whether the server is still to be trusted; raises SourceError."""


async def protect(client: Client, discovery: Client, config: OpcuaConfig, now: float) -> Protected:
    """Make `client` use what the configuration says; `discovery` is another one for the same address.

    Nothing but the question what it offers goes to the server before its certificate is trusted. Raises SourceError.
    """
    name, _, mode = (config.security or "").partition("/")
    folder = PkiFolder(config.pki)
    try:
        own = folder.own()
    except PkiError as error:
        raise SourceError(str(error)) from None
    endpoints = await endpoints_of(discovery, config.timeout)
    endpoint = next((each for each in endpoints if _is(each, _POLICIES[name].URI, mode)), None)
    if endpoint is None:
        raise SourceError(f"the server does not offer {config.security}: it offers {offers(endpoints)}")
    host = urlsplit(config.url).hostname or ""

    def check(data: bytes | None, server: ua.ApplicationDescription, at: float) -> list[x509.Certificate]:
        try:
            chain = split_chain(data or b"")
            check_server(folder, chain, str(server.ApplicationUri or ""), host, datetime.fromtimestamp(at, UTC))
        except Untrusted as error:
            raise SourceError(str(error)) from None
        except (ValueError, IndexError):
            raise SourceError("the server's certificate cannot be read") from None
        return chain

    chain = check(endpoint.ServerCertificate, endpoint.Server, now)

    async def check_again(certificate: x509.Certificate, server: ua.ApplicationDescription) -> None:
        """What the session says of itself counts, not what anybody may have said in its place before."""
        whole = [certificate, *chain[1:]]
        check(b"".join(each.public_bytes(Encoding.DER) for each in whole), server, now)

    def again(at: float) -> None:
        check(endpoint.ServerCertificate, endpoint.Server, at)

    client.application_uri = own.uri
    client.certificate_validator = check_again
    await client.set_security(
        _POLICIES[name],
        own.certificate.public_bytes(Encoding.DER),
        CertProperties(own.key, "pem"),
        server_certificate=CertProperties(chain[0].public_bytes(Encoding.DER), "der"),
        mode=getattr(ua.MessageSecurityMode, mode),
    )
    return Protected(own.certificate, chain[0], again)


async def why_not_open(discovery: Client, config: OpcuaConfig) -> str | None:
    """What a server that refused a session without security asks for; None where that is not the reason."""
    endpoints = await endpoints_of(discovery, config.timeout)
    if any(each.SecurityPolicyUri == _NONE for each in endpoints):
        return None
    return f"the server asks for security: it offers {offers(endpoints)}"


def offers(endpoints: Sequence[ua.EndpointDescription]) -> str:
    """What `endpoints` offer, in the words of the configuration."""
    told: dict[str, None] = {}
    for each in endpoints:
        policy = _name(each.SecurityPolicyUri)
        mode = "" if each.SecurityPolicyUri == _NONE else f"/{each.SecurityMode.name}"
        users = sorted({_TOKENS.get(token.TokenType, "other") for token in each.UserIdentityTokens or ()})
        told[f"{policy.lower() if not mode else policy}{mode} ({', '.join(users) or 'no user'})"] = None
    return "; ".join(told) or "nothing"


def user_of(certificate: Path, key: Path) -> tuple[x509.Certificate, PrivateKeyTypes]:
    """A user's certificate and its key, from their files. Raises SourceError."""
    try:
        data, secret = certificate.read_bytes(), key.read_bytes()
        of_user = (x509.load_pem_x509_certificate if _PEM in data else x509.load_der_x509_certificate)(data)
        return of_user, (load_pem_private_key if _PEM in secret else load_der_private_key)(secret, None)
    except OSError as error:
        text = f"the user's certificate or key cannot be read: {error.strerror} ({error.filename})"
        raise SourceError(text) from None
    except (ValueError, TypeError):  # its message could hold parts of the key
        raise SourceError(f"{certificate} and {key} are not a certificate and a key without a password") from None


async def check_password_way(client: Client, config: OpcuaConfig, now: float) -> None:
    """Raise SourceError where the password of a session that is created, but not activated yet, could be read by
    others: in clear, by a cipher that is broken, or because anybody may have said by what to encrypt it."""
    policy, channel = client.server_policy(ua.UserTokenType.UserName), client.security_policy
    if not _encrypts(policy, channel.Mode):
        name = _name(policy.SecurityPolicyUri)
        weak = "" if name in {"", "None"} else f", or as good as that ({name})"
        better = [each for each in await client.get_endpoints() if _takes_passwords(each)]
        offer = f"offers {offers(better)}" if better else "offers no way to encrypt it"
        raise SourceError(f"the server would have the password in clear{weak}, and {offer}")
    if channel.URI == _NONE:
        host, time = urlsplit(config.url).hostname or "", datetime.fromtimestamp(now, UTC)
        try:
            chain = split_chain(channel.peer_certificate or b"")
            check_server(PkiFolder(config.pki), chain, next(iter(uris(chain[0])), ""), host, time)
        except Untrusted as error:
            raise SourceError(f"the password is not sent: {error}") from None
        except (ValueError, IndexError):
            raise SourceError("the server's certificate cannot be read, so the password is not sent") from None


def concerns(config: OpcuaConfig, protected: Protected | None, now: float) -> dict[KindName, str]:
    """What is wrong with how the session is protected although it works, by kind of problem."""
    if config.security is None:
        return {"source_unprotected": "has no `security`: anybody on its network can read along, or pretend to be it"}
    told: dict[KindName, str] = {}
    for whose, certificate in (("ours", protected.ours), ("the server's", protected.servers)) if protected else ():
        left = certificate.not_valid_after_utc - datetime.fromtimestamp(now, UTC)
        if left < EXPIRY_AHEAD:
            end = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            told.setdefault("certificate_expires", f"certificate {common_name(certificate)} ({whose}) ends on {end}")
    return told


def certificate_ends(protected: Protected | None) -> float | None:
    """When the first of the certificates of a session ends, in seconds since 1970; None where there are none."""
    if protected is None:
        return None
    return min(each.not_valid_after_utc.timestamp() for each in (protected.ours, protected.servers))


def _name(policy: str | None) -> str:
    """What a policy is called in the configuration."""
    return str(policy or "").rpartition("#")[2].replace("_", "")


def _encrypts(token: ua.UserTokenPolicy, mode: ua.MessageSecurityMode) -> bool:
    """Whether a password is encrypted that is said so over a channel with this mode."""
    return _name(token.SecurityPolicyUri) in _POLICIES or mode == ua.MessageSecurityMode.SignAndEncrypt


def _takes_passwords(endpoint: ua.EndpointDescription) -> bool:
    """Whether it takes users with passwords, and lets the password be encrypted."""
    if _name(endpoint.SecurityPolicyUri) not in _POLICIES:
        return False
    users = [each for each in endpoint.UserIdentityTokens or () if each.TokenType == ua.UserTokenType.UserName]
    return any(_encrypts(each, endpoint.SecurityMode) or not each.SecurityPolicyUri for each in users)


def _is(endpoint: ua.EndpointDescription, uri: str, mode: str) -> bool:
    return str(endpoint.SecurityPolicyUri) == uri and str(endpoint.SecurityMode.name) == mode


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
    print_ = thumbprint(own)
    trusting = f"oden-gateway pki trust {print_} --pki {shlex.quote(str(folder.path))}"
    if not any(certificate in trusted for certificate in path[1:]):
        folder.reject(own)
        raise Untrusted(
            f"the server's certificate is not trusted ({common_name(own)}, thumbprint {print_}). If it is the one that "
            f"the server shows: {trusting}"
        )
    _check_revoked(path, authorities, folder, now)
    if host.lower() not in hosts(own):
        folder.reject(own)
        known = ", ".join(sorted(hosts(own))) or "none"
        raise Untrusted(
            f"the server's certificate is for another host than {host} (it names {known}). Use one of these in `url`; "
            f"or trust this very certificate, if it is the one that the server shows: {trusting}"
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
    except (x509.ExtensionNotFound, ValueError):
        return False
    return issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc and _is_by(issuer, certificate)


def _is_by(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether `certificate` names `issuer` and is signed with its key."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _check_revoked(
    path: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], folder: PkiFolder, now: datetime
) -> None:
    """Raise Untrusted where an authority has revoked one of `path`, or has a list, and none of the present.

    An authority is its key: another of the same name has serial numbers and lists of its own. One that has expired
    itself is asked as well: what it has revoked stays revoked.
    """
    known = folder.revocations()
    for certificate in path:
        for signer in [each for each in authorities if _is_by(each, certificate)]:
            lists = [each for each in known if _has_signed_list(signer, each)]
            number = certificate.serial_number
            if any(each.get_revoked_certificate_by_serial_number(number) is not None for each in lists):
                raise Untrusted(f"{common_name(certificate)} was revoked by its authority: renew the certificate")
            if lists and all(each.next_update_utc is not None and now > each.next_update_utc for each in lists):
                raise Untrusted(
                    f"the list of certificates revoked by {signer.subject.rfc4514_string()} is out of date: put "
                    f"the present one into {folder.path / 'crl'}"
                )


def _has_signed_list(issuer: x509.Certificate, revocations: x509.CertificateRevocationList) -> bool:
    """Whether `revocations` names `issuer` and is signed with its key."""
    try:
        named = revocations.issuer == issuer.subject
        return named and revocations.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
