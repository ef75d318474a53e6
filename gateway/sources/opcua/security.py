"""How a session is protected: what the server offers, whom we trust, and that no password is ever said in clear."""

from collections.abc import Sequence
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
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key

from gateway.config.schema import OpcuaConfig
from gateway.errors import SourceError
from gateway.health import KindName
from gateway.sources.opcua.certificates import PkiError, PkiFolder, common_name, split_chain
from gateway.sources.opcua.trust import Untrusted, check_server

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


async def protect(client: Client, discovery: Client, config: OpcuaConfig, now: float) -> Protected:
    """Make `client` use what the configuration says; `discovery` is another one for the same address.

    Nothing but the question what it offers goes to the server before its certificate is trusted. Raises SourceError.
    """
    name, _, mode = (config.security or "").partition("/")
    folder, time = PkiFolder(config.pki), datetime.fromtimestamp(now, UTC)
    try:
        own = folder.own()
    except PkiError as error:
        raise SourceError(str(error)) from None
    endpoints = await discovery.connect_and_get_server_endpoints()
    endpoint = next((each for each in endpoints if _is(each, _POLICIES[name].URI, mode)), None)
    if endpoint is None:
        raise SourceError(f"the server does not offer {config.security}: it offers {offers(endpoints)}")
    host = urlsplit(config.url).hostname or ""

    def check(data: bytes | None, server: ua.ApplicationDescription) -> list[x509.Certificate]:
        try:
            chain = split_chain(data or b"")
            check_server(folder, chain, str(server.ApplicationUri or ""), host, time)
        except Untrusted as error:
            raise SourceError(str(error)) from None
        except (ValueError, IndexError):
            raise SourceError("the server's certificate cannot be read") from None
        return chain

    chain = check(endpoint.ServerCertificate, endpoint.Server)

    async def check_again(certificate: x509.Certificate, server: ua.ApplicationDescription) -> None:
        """What the session says of itself counts, not what anybody may have said in its place before."""
        whole = [certificate, *chain[1:]]
        check(b"".join(each.public_bytes(Encoding.DER) for each in whole), server)

    client.application_uri = own.uri
    client.certificate_validator = check_again
    await client.set_security(
        _POLICIES[name],
        own.certificate.public_bytes(Encoding.DER),
        CertProperties(own.key, "pem"),
        server_certificate=CertProperties(chain[0].public_bytes(Encoding.DER), "der"),
        mode=getattr(ua.MessageSecurityMode, mode),
    )
    return Protected(own.certificate, chain[0])


async def why_not_open(discovery: Client) -> str | None:
    """What a server that refused a session without security asks for; None where that is not the reason."""
    endpoints = await discovery.connect_and_get_server_endpoints()
    if any(each.SecurityPolicyUri == _NONE for each in endpoints):
        return None
    return f"the server asks for security: it offers {offers(endpoints)}"


def offers(endpoints: Sequence[ua.EndpointDescription]) -> str:
    """What `endpoints` offer, in the words of the configuration."""
    told: dict[str, None] = {}
    for each in endpoints:
        policy = str(each.SecurityPolicyUri or "").rpartition("#")[2].replace("_", "")
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


def refuse_clear_password(client: Client) -> None:
    """Raise SourceError where the password of a session that is created, but not activated yet, would go in clear."""
    policy = client.server_policy(ua.UserTokenType.UserName)
    encrypted_way = client.security_policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
    if policy.SecurityPolicyUri in {None, "", _NONE} and not encrypted_way:
        raise SourceError("the server would have the password in clear: set `security` to what it offers")


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


def _is(endpoint: ua.EndpointDescription, uri: str, mode: str) -> bool:
    return str(endpoint.SecurityPolicyUri) == uri and str(endpoint.SecurityMode.name) == mode
