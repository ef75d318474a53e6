"""The errors of the gateway. Each layer translates the errors of its libraries into these at its boundary; why another
machine could not be reached is said by `obstacle`, in the words of those who look after machines."""

import errno
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass


class GatewayError(Exception):
    """The root of all errors that the gateway raises itself. The message is a sentence that a user can act on."""


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One thing that is wrong in a configuration, at a key path; the file and line are not known yet.

    `loc` is the path from the root of the configuration, keys and list indices, as pydantic writes it. `text` says what
    is wrong and what would be right. `at_key` says that the key is wrong, not the value below it. `warning`: it may be
    meant as it is. `absent`: something that is named cannot be read, and may yet come by itself (a secret, a file on
    a share). `rests_on` are the key paths of what else it rests on: it is wrong because of what stands there, or
    because nothing does; one that ends in `*` stands for which entries there are, whatever is in them. Without any it
    is wrong whatever else the configuration says, as the syntax of an expression is; None: what it rests on is not
    known. `at` are the characters of the text at `loc`, from 0, at which it is wrong, the first of which is told with
    its place; without any it is the text as a whole.
    """

    loc: tuple[str | int, ...]
    text: str
    at_key: bool = False
    warning: bool = False
    absent: bool = False
    rests_on: tuple[tuple[str | int, ...], ...] | None = None
    at: tuple[int, ...] = ()


class TextError(ValueError):
    """A text is not written as it has to be; the message is a sentence, or the end of one. `at` are the characters,
    from 0, at which it is wrong; without any it is the text as a whole."""

    def __init__(self, text: str, *at: int) -> None:
        self.at = at
        super().__init__(text)


def characters_of(error: ValueError) -> tuple[int, ...]:
    """At which characters of a text it is wrong, where that is known."""
    return error.at if isinstance(error, TextError) else ()


class InvalidConfig(GatewayError):
    """The configuration fits the schema but makes no sense.

    `faults` holds everything that was found. The loader turns them into a ConfigError with positions.
    """

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.text for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong in a configuration, with its position, as a user sees it.

    `where` is `file:line:column` or the name of an environment variable. `text` says what is wrong and what would be
    right. `absent` is as of a ConfigFault.
    """

    where: str
    text: str
    absent: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class ConfigError(GatewayError):
    """The configuration cannot be used. `diagnostics` holds everything that is wrong, in the order of the files, and
    `warnings` what may be wrong beside it."""

    def __init__(self, diagnostics: Sequence[Diagnostic], warnings: Sequence[Diagnostic] = ()) -> None:
        self.diagnostics = tuple(diagnostics)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(map(str, self.diagnostics)))

    @property
    def may_pass(self) -> bool:
        """Whether nothing is wrong but what is absent, so that it may be right later without anybody writing in it."""
        return all(diagnostic.absent for diagnostic in self.diagnostics)


class NotThereYet(GatewayError):
    """What the configuration names could not be read for a while; it may come by itself."""


class OutboxError(GatewayError):
    """The outbox directory cannot be used: it is not writable, or another process holds it."""


class OutboxFull(OutboxError):
    """The outbox has no room for more: its size limit is reached, or the disk is full."""


class DamagedRow(GatewayError):
    """A row of the outbox does not read back as it was written."""


class DamagedStore(DamagedRow):
    """A part of the outbox that holds more than one row cannot be read: no row can be passed over."""


class CommitConflict(GatewayError):
    """A commit does not follow the last one, or has its number and other content: a fault of the program."""


class SourceError(GatewayError):
    """A source cannot be reached or answered with an error. It will be tried again."""


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
_ANOTHER_HOST = "certificate is for another host: write a name that it has in `url`"
_CERTIFICATE_TEXTS = {
    9: CERTIFICATE_DATES[0],
    10: CERTIFICATE_DATES[1],
    62: _ANOTHER_HOST,
    64: _ANOTHER_HOST,
}
"""By X509_V_ERR_…, the verification codes of OpenSSL (X509_STORE_CTX_get_error(3)); all others: not trusted."""
_NOT_TRUSTED = "certificate is not trusted: set `ca` to the one that signed it"


_CLIENT_REFUSED = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_UNSUPPORTED_CERTIFICATE")
"""What OpenSSL's reasons have in them where the other side has said by an alert (RFC 8446, 6.2) that it lacks our
certificate, or does not take it."""


def obstacle(error: BaseException, whose: str = "its") -> str:
    """What `error` means; `whose` certificate it is where it is about one. Never a word of a library's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{whose} {_CERTIFICATE_TEXTS.get(error.verify_code, _NOT_TRUSTED)}"
    if isinstance(error, ssl.SSLError):
        if any(word in (getattr(error, "reason", None) or "") for word in _CLIENT_REFUSED):
            return "the other side takes nobody without a client certificate that it trusts"
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
