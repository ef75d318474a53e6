"""Why no answer of Oden came, in words for a person: pure, from what the HTTP library raised."""

import errno
import re
import socket
import ssl

import aiohttp

UNREACHABLE = "Oden cannot be reached"
"""How every reason begins where certainly nothing has left this machine."""

_CODES = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection cut",
    errno.ECONNABORTED: "connection cut",
    errno.EPIPE: "connection cut",
    errno.ENETUNREACH: "no route",
    errno.ENETDOWN: "no route",
    errno.EHOSTUNREACH: "no route",
    errno.EHOSTDOWN: "no route",
    errno.ETIMEDOUT: "timed out",
    errno.EACCES: "blocked on this machine",
    errno.EPERM: "blocked on this machine",
}

_CERTIFICATES = {
    9: "its certificate is not valid yet: is the clock right?",
    10: "its certificate has expired",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
}
"""By X509_V_ERR_…, the verification codes of OpenSSL (X509_STORE_CTX_get_error(3)); all others: not trusted."""


def reason(error: Exception, *, sent: bool) -> str:
    """What `error` means; `sent` is whether the request may have left this machine."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{UNREACHABLE} (the proxy refused: {error.status} {error.message})"
    if not sent:
        return f"{UNREACHABLE} ({_obstacle(error)})"
    if isinstance(error, TimeoutError):
        return "Oden did not answer in time"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what answered does not speak HTTP"
    return "the connection was cut before the whole answer had come"


def _obstacle(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy does not answer: {_what(cause)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _name(cause)
    return _what(cause)


def _what(cause: Exception) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(cause.verify_code, "its certificate is not trusted")
    if isinstance(cause, ssl.SSLError):
        return "no secure connection: the other side does not speak TLS as it should"
    if isinstance(cause, socket.gaierror):
        return _name(cause)
    if isinstance(cause, TimeoutError):
        return "timed out"
    # Where a name has several addresses that fail differently, only the text of the error still has their numbers.
    code = cause.errno if isinstance(cause, OSError) else None
    codes = [code] if code is not None else map(int, re.findall(r"\[Errno (\d+)\]", str(cause)))
    words = dict.fromkeys(_CODES[code] for code in codes if code in _CODES)
    return ", ".join(words) or "no connection"


def _name(cause: Exception) -> str:
    if isinstance(cause, OSError) and cause.errno == socket.EAI_AGAIN:
        return "name not found: no name server answers"
    return "name not found"
