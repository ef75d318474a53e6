"""An OPC UA server that wants security, with the certificate, the users and the trust that a test gives it."""

from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.listening import stop_listening
from tests.peers import free_port
from tests.sources.opcua.authority import Issued

URI = "urn:acme:secure"
LOGIN = {"username": "operator", "password": "hunter2"}
ENCRYPTED = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt


class Secured:
    """Its one tag is `ns=2;s=L01.State`. The port stays the same over restarts."""

    def __init__(self, *policies: ua.SecurityPolicyType) -> None:
        self.port = free_port()
        self.trusts: set[bytes] | None = None
        """The certificates of clients that it trusts; None: any."""
        self.users: set[bytes] = set()
        """Certificates of users that it takes beside the operator."""
        self._policies = list(policies or (ENCRYPTED,))
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def start(self, issued: Issued) -> None:
        self._server = server = Server(user_manager=_Users(self))
        await server.init()
        server.disable_clock()
        server.set_endpoint(self.url)
        await server.set_application_uri(URI)
        server.set_security_policy(self._policies)
        await server.load_certificate(issued.der)
        await server.load_private_key(issued.key_pem, format="pem")
        await server.register_namespace("urn:acme:line")
        await server.nodes.objects.add_variable(ua.NodeId(ua.String("L01.State"), ua.Int16(2)), "L01.State", 5)
        server.set_certificate_validator(self._trust)
        await server.start()

    async def stop(self) -> None:
        if self._server is not None:
            listener: Any = self._server.bserver
            await stop_listening(listener._server)
            await self._server.stop()
            self._server = None

    async def renew(self, issued: Issued) -> None:
        """Have another certificate from the next connection on: to build another server takes seconds of work."""
        core: Any = self._server
        await core.load_certificate(issued.der)
        await core.load_private_key(issued.key_pem, format="pem")
        core._policies.clear()
        core.iserver.endpoints.clear()
        await core._setup_server_nodes()

    async def _trust(self, certificate: x509.Certificate, *_: Any) -> None:
        if self.trusts is not None and certificate.public_bytes(Encoding.DER) not in self.trusts:
            raise UaStatusCodeError(StatusCodes.BadSecurityChecksFailed)  # type: ignore[no-untyped-call, unused-ignore]


class _Users(UserManager):
    def __init__(self, owner: Secured) -> None:
        self._owner = owner

    def get_user(self, _server: Any, username: Any = None, password: Any = None, certificate: Any = None) -> Any:
        known = {"username": username, "password": password} == LOGIN or certificate in self._owner.users
        return User(role=UserRole.User) if known else None
