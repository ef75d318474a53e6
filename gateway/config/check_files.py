"""Checks the files that only a connection reads: certificates, keys, and the folder of those that are trusted.

A file that is not there, or cannot be used yet, is `absent` where all rests on it, so that a service waits for it at
its start. Where it is of one source it is a warning: that source alone waits for it and says so, and the others go on.
"""

import shlex
import ssl
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gateway.config.near_words import did_you_mean
from gateway.config.schema import Config, Oden, OpcuaConfig
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.schema_process import PageTls
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault
from gateway.secret_forms import shown_address

_SECURE = ("mqtts:", "wss:")


def file_faults(config: Config) -> Iterator[ConfigFault]:
    """What is wrong with the files that the sections of `config` name."""
    yield from _of_oden(config.oden)
    if config.status.tls is not None:
        yield from _of_page(config.status.tls)
    for name, source in config.sources.items():
        loc: Loc = ("sources", name)
        of_source = _of_server(source, loc) if isinstance(source, OpcuaConfig) else _of_broker(source, loc)
        yield from (replace(fault, warning=True, absent=False) if fault.absent else fault for fault in of_source)


def _of_oden(oden: Oden) -> Iterator[ConfigFault]:
    if oden.ca is not None and not oden.url.startswith("https:"):
        text = f"this is for TLS, and means nothing for {quoted(oden.shown_url)}: write https:// there, or remove it"
        yield ConfigFault(("oden", "ca"), text, warning=True, rests_on=(("oden", "url"),))
    elif oden.ca is not None:
        yield from _authorities(oden.ca, ("oden", "ca"))


def _of_page(files: PageTls) -> Iterator[ConfigFault]:
    missing = [*_unread(files.certificate, ("status", "tls", "certificate"))]
    missing += _unread(files.key, ("status", "tls", "key"))
    yield from missing
    if missing:
        return
    try:
        page_context(files)
    except PermissionError as error:
        yield ConfigFault(("status", "tls"), str(error), absent=True)
    except (OSError, ValueError) as error:
        yield ConfigFault(("status", "tls"), str(error))


def page_context(files: PageTls) -> ssl.SSLContext:
    """What the page is served by. Raises OSError or ValueError with a clause that says why it cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, files.certificate, files.key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Give `context` a certificate and its key. Raises as `page_context` does."""
    which = f"{certificate} and {key}" if key != certificate else str(certificate)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        why = "not in PEM, or one of them is missing"
        if key != certificate:
            is_pair = error.reason != "KEY_VALUES_MISMATCH"
            why = "they are not in PEM" if is_pair else "they do not belong together"
        raise ValueError(f"{which} cannot be used: {why}") from error
    except OSError as error:
        raise type(error)(f"{which} cannot be read: {error.strerror}") from error


def _no_password() -> str:
    """Asked for where the key is encrypted: nobody is there to type it."""
    raise ValueError("the key is encrypted: write one without a password, readable for the gateway's user alone")


def _of_broker(source: MqttConfig, loc: Loc) -> Iterator[ConfigFault]:
    files = {"ca": source.ca, "certificate": source.certificate, "key": source.key}
    plain = [url for url in (source.url, *source.alternatives) if not url.startswith(_SECURE)]
    wrong = []
    for key, file in files.items():
        if file is not None and plain:
            text = (
                f"this is for TLS: write mqtts:// or wss:// in place of {quoted(shown_address(plain[0]))}, or remove it"
            )
            wrong.append(ConfigFault((*loc, key), text))
        elif file is not None:
            wrong += _authorities(file, (*loc, key)) if key == "ca" else _unread(file, (*loc, key))
    yield from wrong
    if source.key is not None and source.certificate is None:
        yield ConfigFault((*loc, "key"), "a key needs 'certificate' beside it")
    elif source.certificate is not None and not {(*loc, "certificate"), (*loc, "key")} & {each.loc for each in wrong}:
        try:
            _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), source.certificate, source.key or source.certificate)
        except (OSError, ValueError) as error:
            yield ConfigFault((*loc, "certificate"), str(error), absent=True)


def _of_server(source: OpcuaConfig, loc: Loc) -> Iterator[ConfigFault]:
    if source.password is not None and source.username is None:
        yield ConfigFault((*loc, "password"), "a password needs 'username' beside it")
    pair = {"user_certificate": source.user_certificate, "user_key": source.user_key}
    given = [key for key, path in pair.items() if path is not None]
    if len(given) == 1:
        other = next(key for key in pair if key not in given)
        yield ConfigFault((*loc, given[0]), f"a user's certificate and its key go together: write '{other}' too")
    elif given and source.username is not None:
        yield ConfigFault((*loc, given[0]), "the user is 'username', or whom the certificate names: remove one of them")
    elif given and source.security in {None, "none"}:
        yield ConfigFault((*loc, given[0]), "a user's certificate needs 'security', such as Basic256Sha256/Sign")
    for key, path in pair.items():
        if path is not None:
            yield from _unread(path, (*loc, key))
    if source.security not in {None, "none"}:
        yield from _own_certificate(source, loc)


def _own_certificate(source: OpcuaConfig, loc: Loc) -> Iterator[ConfigFault]:
    """That the gateway has no certificate to show. It runs without: the source says so until there is one. A file that
    is checked on another machine names a folder of the gateway's own there, of which nothing can be said here."""
    is_named = "pki" in source.model_fields_set
    own = source.pki / "own" / "cert.der"
    try:
        lacks = not own.exists() and (is_named or source.pki.parent.is_dir())
    except OSError:  # who checks may not look
        return
    if lacks:
        text = f"with 'security' the gateway needs a certificate of its own in {source.pki}: oden-gateway pki create"
        place = (*loc, "pki") if is_named else (*loc, "security")
        yield ConfigFault(
            place,
            f"{text} --pki {shlex.quote(str(source.pki))}",
            warning=True,
            rests_on=((*loc, "pki"), (*loc, "security")),
        )


def _unread(file: Path, loc: Loc) -> Iterator[ConfigFault]:
    """Why `file`, which is named at `loc`, cannot be read."""
    try:
        kind = file.stat().st_mode
        if stat.S_ISREG(kind):
            with file.open("rb") as opened:
                if opened.read(1):
                    return
        text = f"{file} is {'empty' if stat.S_ISREG(kind) else 'no file'}; name one that holds what is meant"
        if stat.S_ISDIR(kind):
            text = f"{file} is a folder; name the file in it"
    except (FileNotFoundError, NotADirectoryError):
        text = f"there is no file {file}{did_you_mean(file) or '; put it there'}"
    except PermissionError:
        text = f"permission denied: the gateway's user must be able to read {file} (chown, chmod)"
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte in it
        text = f"{file} cannot be read: {error.strerror if isinstance(error, OSError) else 'no file is called so'}"
    yield ConfigFault(loc, text, absent=True)


def _authorities(file: Path, loc: Loc) -> Iterator[ConfigFault]:
    """Why `file` has no certificates of authorities that can be trusted."""
    unread = [*_unread(file, loc)]
    yield from unread
    if unread:
        return
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ValueError):  # ssl.SSLError is one
        yield ConfigFault(loc, f"{file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", absent=True)
