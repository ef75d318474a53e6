"""open62541, in the package `o6`, as a program in an environment of its own; see `commands` for how it is talked to.

Settings: `port`, `before` (namespaces ahead of the line's), `variables` (name -> value), `users` (name -> password;
with them nobody is let in anonymously unless `anonymous` says so), `certificate` (the files of one and of its key: it
then knows the policies, trusts every client, and lets in users that are a certificate), `uri` (of the application),
`history` (how many values of each variable are kept), `counting` (see `Counters`). `add` knows the `range` of an analog
value, `write` a `time`, and `past` adds one that has counted since a time. It ends by itself after ten minutes.
"""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import o6
from o6.ns import ns0

from tests.real_peers.commands import LINE, Command, Counters, obey, settings

_KINDS = {
    "Int32": o6.Int32,
    "UInt16": o6.UInt16,
    "UInt32": o6.UInt32,
    "Int64": o6.Int64,
    "Double": o6.Double,
    "Float": o6.Float,
    "Guid": o6.Guid,
    "QualifiedName": lambda name: o6.QualifiedName(1, name),
    "Boolean": bool,
    "String": str,
}
_GUESSED = {int: "Int32", float: "Double", bool: "Boolean", str: "String"}


class LoopbackOnly(asyncio.SelectorEventLoop):
    """The library listens on all addresses and has no setting for it; here it listens on this machine's own."""

    async def create_server(self, protocol: Any, host: Any = None, *rest: Any, **more: Any) -> Any:  # type: ignore[override]
        """As the library calls it, but for the address."""
        return await super().create_server(protocol, "127.0.0.1", *rest, **more)


class Users(o6.AccessControl):  # type: ignore[misc]
    """Lets in who knows a password, or has a certificate; knows who is there."""

    def __init__(self, users: dict[str, str], *, anonymous: bool, certificates: bool) -> None:
        super().__init__(anonymous=anonymous, username=bool(users))
        if certificates:
            kind = ns0.datatypes.UserTokenType.CERTIFICATE
            self.user_token_policies.append(ns0.datatypes.UserTokenPolicy(policyId="certificate", tokenType=kind))
        self._users = users
        self.sessions: dict[str, Any] = {}

    def activateSession(self, endpoint: Any, remoteCertificate: bytes, session: Any, userIdentityToken: Any) -> Any:  # noqa: N802, N803
        """Refuse by raising, as the library asks for."""
        self._check(endpoint, remoteCertificate, session, userIdentityToken)
        self.sessions[str(session.id)] = session

    def closeSession(self, session: Any) -> None:  # noqa: N802 - as the library calls it
        """However it ends."""
        self.sessions.pop(str(session.id), None)

    def _check(self, endpoint: Any, remoteCertificate: bytes, session: Any, userIdentityToken: Any) -> None:  # noqa: N803
        if isinstance(userIdentityToken, ns0.datatypes.X509IdentityToken):
            return
        if not self._users or not isinstance(userIdentityToken, ns0.datatypes.UserNameIdentityToken):
            super().activateSession(endpoint, remoteCertificate, session, userIdentityToken)
        elif self._users.get(str(userIdentityToken.userName)) != bytes(userIdentityToken.password).decode():
            raise o6.StatusCodeError(o6.StatusCode.BAD_USER_ACCESS_DENIED)


class Plc:
    """The server and its variables."""

    def __init__(self, chosen: dict[str, Any]) -> None:
        users = chosen.get("users", {})
        certificate, key = chosen.get("certificate", (None, None))
        anonymous = chosen.get("anonymous", not users)
        self.users = Users(users, anonymous=anonymous, certificates=certificate is not None)
        self.server = o6.Server(
            port=chosen["port"],
            accessControl=self.users,
            allowNonePolicyPassword=True,
            certificate=certificate,
            privateKey=key,
            acceptAllCertificates=certificate is not None,
            applicationUri=chosen.get("uri"),
        )
        self._kept = chosen.get("history", 0)
        if self._kept:
            self.server.config.setHistoryDatabase(capacity=self._kept)
        for index, uri in enumerate([*chosen.get("before", ()), LINE], 2):
            self.server._add_namespace(uri, index)
            self.index = index

    def node(self, command: dict[str, Any]) -> str:
        return f"ns={self.index};s={command['name']}"

    def value(self, command: dict[str, Any]) -> Any:
        """The value in the type that is named, else in the one that PLCs would have for it."""
        value = command["value"]
        kind = _KINDS[command.get("type") or _GUESSED[type(value[0] if isinstance(value, list) else value)]]
        return [kind(each) for each in value] if isinstance(value, list) else kind(value)

    async def add(self, command: dict[str, Any]) -> None:
        name, parent = command["name"], self.server.objectsNode
        historizing = bool(self._kept) and not isinstance(command["value"], list)
        node = await self.server.addVariable(
            name, parent, self.value(command), nodeId=self.node(command), ns=self.index, historizing=historizing
        )
        if "range" in command:
            low, high = command["range"]
            limits = ns0.datatypes.Range(low=low, high=high)
            of_node: dict[str, Any] = {"nodeId": f"{self.node(command)}.EURange", "ns": 0, "parentReference": "i=46"}
            await self.server.addVariable("EURange", node, limits, typeDefinition="i=68", **of_node)

    async def happen(self, command: dict[str, Any]) -> None:
        await self.server.createEvent(message=command["message"], severity=300)

    async def level(self, command: dict[str, Any]) -> None:
        (await self.server.write("i=2267", o6.Byte(command["level"]))).check()

    async def write(self, command: dict[str, Any]) -> None:
        time = datetime.fromisoformat(command["time"]) if "time" in command else datetime.now(UTC)
        told: dict[str, Any] = {"sourceTimestamp": o6.DateTime(time)}
        if "status" in command:  # one that a value had none of before is a change for this server, deadband or not
            name = re.sub("(?<!^)(?=[A-Z])", "_", command["status"]).upper()
            told["status"] = getattr(o6.StatusCode, name)
        value = o6.DataValue(self.value(command), **told)
        (await self.server.write(self.node(command), value)).check()

    async def past(self, command: dict[str, Any]) -> None:
        """A variable that has counted once a second since `time`, in which the server was there."""
        began, name, number = datetime.fromisoformat(command["time"]), command["name"], command["number"]
        await self.add({"name": name, "value": number})
        for count in range(1, number + 1):
            at = (began + timedelta(seconds=count)).isoformat()
            await self.write({"name": name, "value": count, "time": at})
        started = o6.DateTime(began - timedelta(minutes=1))
        (await self.server.write("i=2257", started)).check()

    async def delete(self, command: dict[str, Any]) -> None:
        (await self.server.deleteNode(self.node(command))).check()

    async def sessions(self, _command: dict[str, Any]) -> dict[str, object]:
        return {"sessions": len(self.users.sessions)}

    async def forget(self, _command: dict[str, Any]) -> None:
        for session in [*self.users.sessions.values()]:
            session.close()


async def main() -> None:
    """Serve until the input ends."""
    chosen = settings()
    plc = Plc(chosen)
    for name, value in chosen.get("variables", {}).items():
        await plc.add({"name": name, "value": value})
    counters = Counters(chosen.get("counting", {}), plc.write)
    for name in counters.names():
        await plc.add({"name": name, "value": 0})
    plc.server.start()
    await plc.server.waitReady()
    commands: dict[str, Command] = {
        "add": plc.add,
        "write": plc.write,
        "delete": plc.delete,
        "happen": plc.happen,
        "past": plc.past,
        "level": plc.level,
    }
    commands |= {"sessions": plc.sessions, "forget": plc.forget, "count": counters.count, "rest": counters.rest}
    await obey(commands)
    plc.server.stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=LoopbackOnly) as runner:
        runner.run(main())
