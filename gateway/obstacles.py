"""Why another machine could not be reached, or the way to it was lost: what the libraries raise, in the words of those
who look after machines. Pure."""

import errno
import re
import socket
import ssl

_ERRNO_TEXTS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection cut",
    errno.ECONNABORTED: "connection cut",
    errno.EPIPE: "connection cut",
    errno.ENETUNREACH: "no route",
    errno.ENETDOWN: "no route",
    errno.EHOSTUNREACH: "no route",
    errno.EHOSTDOWN: "no route",
    errno.ETIMEDOUT: "no answer",
    errno.EACCES: "blocked on this machine",
    errno.EPERM: "blocked on this machine",
}

CERTIFICATE_DATES = ("certificate is not valid yet: is the clock right?", "certificate has expired")
"""What is said where only the time speaks against a certificate: it may be the time of this machine."""
_CERTIFICATE_TEXTS = {
    9: CERTIFICATE_DATES[0],
    10: CERTIFICATE_DATES[1],
    62: "certificate is for another host",
    64: "certificate is for another host",
}
"""By X509_V_ERR_…, the verification codes of OpenSSL (X509_STORE_CTX_get_error(3)); all others: not trusted."""


def obstacle(error: BaseException, whose: str = "its") -> str:
    """What `error` means; `whose` certificate it is where it is about one. Never a word of a library's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{whose} {_CERTIFICATE_TEXTS.get(error.verify_code, 'certificate is not trusted')}"
    if isinstance(error, ssl.SSLError):
        return "no secure connection: the other side does not speak TLS as it should"
    if isinstance(error, socket.gaierror | UnicodeError):
        return name_obstacle(error)
    if isinstance(error, TimeoutError):
        return "no answer"
    # Where a name has several addresses that fail differently, only the text of the error still has their numbers.
    code = error.errno if isinstance(error, OSError) else None
    codes = [code] if code is not None else map(int, re.findall(r"\[Errno (\d+)\]", str(error)))
    words = dict.fromkeys(_ERRNO_TEXTS[code] for code in codes if code in _ERRNO_TEXTS)
    return ", ".join(words) or ("connection cut" if isinstance(error, ConnectionError | EOFError) else "no connection")


def name_obstacle(error: BaseException) -> str:
    """The same, where it is about the host's name."""
    if isinstance(error, OSError) and error.errno == socket.EAI_AGAIN:
        return "name not found: no name server answers"
    return "name not found"
