"""`oden-gateway pki`: the gateway's own certificate, and the OPC UA servers that it trusts."""

import argparse
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gateway.config.schema import OpcuaConfig

_EXAMPLE = """examples:
  oden-gateway pki create
  oden-gateway pki list
  oden-gateway pki trust 3F2A99E1
  oden-gateway pki reject 3F2A99E1
  oden-gateway pki export > oden-gateway.pem"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `pki`."""
    parser = commands.add_parser(
        "pki",
        help="certificates for OPC UA servers",
        description="Makes the gateway's own certificate, and says which OPC UA servers are trusted. A server that is "
        "not is kept among the rejected ones; the status page prints the command that trusts it.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = _action(actions, "create", "make the gateway's own certificate, once, for twenty years", _create)
    create.add_argument("--uri", help="the application URI; default: urn:HOST:oden-gateway")
    create.add_argument("--host", action="append", help="a name or address of this machine; default: its host name")
    _action(actions, "list", "list all certificates, and lists of revoked ones, with their thumbprints and ends", _list)
    trust = _action(actions, "trust", "trust a rejected server", _trust)
    reject = _action(actions, "reject", "trust a server no more", _reject)
    for one in (trust, reject):
        one.add_argument("thumbprint", help="its thumbprint, or the first 8 characters or more")
    _action(actions, "export", "print the gateway's own certificate (PEM), for a server that is to trust it", _export)


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    call: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default: Path = OpcuaConfig.model_fields["pki"].default
    parser.add_argument(
        "--pki", type=Path, default=default, help="the folder, `pki` of the source; default: %(default)s"
    )
    parser.set_defaults(call=call)
    return parser


def _create(arguments: argparse.Namespace) -> int:
    from gateway.sources.opcua.certificates import PkiFolder, thumbprint  # noqa: PLC0415 - costs 0.1 s

    host = socket.gethostname()
    uri = arguments.uri or f"urn:{host}:oden-gateway"
    own = PkiFolder(arguments.pki).create(uri, arguments.host or [host], datetime.now(UTC))
    sys.stdout.write(f"{thumbprint(own.certificate)}  {uri}  until {own.certificate.not_valid_after_utc:%Y-%m-%d}\n")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from gateway.sources.opcua.certificates import PkiFolder, common_name, thumbprint  # noqa: PLC0415

    folder = PkiFolder(arguments.pki)
    now = datetime.now(UTC)
    for kind in ("own", "trusted", "issuers", "rejected"):
        for certificate in folder.certificates(kind):
            ends = _ends(certificate.not_valid_after_utc, now)
            sys.stdout.write(f"{kind:8}  {thumbprint(certificate)}  {ends}  {common_name(certificate)}\n")
    for revocations in folder.revocations():
        count = sum(1 for _ in revocations)
        revokes = f"revokes {count} certificate{'s' if count != 1 else ''}"
        ends = _ends(revocations.next_update_utc, now)
        sys.stdout.write(f"{'crl':8}  {thumbprint(revocations)}  {ends}  {common_name(revocations)}: {revokes}\n")
    return 0


def _ends(end: datetime | None, now: datetime) -> str:
    return f"{'ended' if end < now else 'ends'} {end:%Y-%m-%d}" if end is not None else "without end"


def _trust(arguments: argparse.Namespace) -> int:
    return _move(arguments, "rejected", "trusted")


def _reject(arguments: argparse.Namespace) -> int:
    return _move(arguments, "trusted", "rejected")


def _move(arguments: argparse.Namespace, source: str, target: str) -> int:
    from gateway.sources.opcua.certificates import PkiFolder, common_name, thumbprint  # noqa: PLC0415

    certificate = PkiFolder(arguments.pki).move(arguments.thumbprint, source, target)
    sys.stdout.write(f"{target}: {thumbprint(certificate)}  {common_name(certificate)}\n")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    from gateway.sources.opcua.certificates import PkiFolder  # noqa: PLC0415

    own = PkiFolder(arguments.pki).own()
    sys.stdout.write(own.certificate.public_bytes(Encoding.PEM).decode())
    return 0
