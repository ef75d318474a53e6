"""asyncua's own server as a program; see `commands` for how it is talked to.

Settings: `port`, `before` (namespaces ahead of the line's), `variables` (name -> value), `users` (name -> password;
with them nobody is let in anonymously unless `anonymous` says so), `certificate` (the files of one and of its key: it
then knows the policies, and lets in clients and users with any certificate), `uri` (of the application), `history`
(how many values of each variable and events of the object Press are kept), `counting` (see `Counters`). `happen` is an
event of Press, `alarm` a state of its alarm, and `past` adds a variable that has counted since a time.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from asyncua import ua
from asyncua.common.node import Node
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from tests.real_peers.commands import LINE, Command, Counters, obey, settings

_GUESSED = {int: "Int32", float: "Double", bool: "Boolean", str: "String"}


class Users:
    """Lets in who knows a password, or has a certificate; everybody where there are no passwords."""

    def __init__(self, users: dict[str, str], *, anonymous: bool) -> None:
        self._users = users
        self._anonymous = anonymous

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """As the library asks: None refuses."""
        known = self._users.get(username) == password if username else self._anonymous or certificate is not None
        return User(role=UserRole.User) if known else None


class Plc:
    """The server and its variables."""

    def __init__(self, chosen: dict[str, Any]) -> None:
        users = chosen.get("users", {})
        manager: Any = Users(users, anonymous=chosen.get("anonymous", not users))
        self.server = Server(user_manager=manager)
        self._chosen = chosen
        self._index = 0
        self._nodes: dict[str, Node] = {}
        self._press: Node | None = None
        self.counters = Counters(chosen.get("counting", {}), self.write)

    async def start(self) -> None:
        await self.server.init()
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{self._chosen['port']}")
        policies = [ua.SecurityPolicyType.NoSecurity]
        if "certificate" in self._chosen:
            certificate, key = self._chosen["certificate"]
            await self.server.set_application_uri(self._chosen["uri"])
            await self.server.load_certificate(certificate)
            await self.server.load_private_key(key, format="pem")
            policies += [kind for kind in ua.SecurityPolicyType if kind.name.startswith(("Basic256Sha256", "Aes"))]
        self.server.set_security_policy(policies)
        for uri in (*self._chosen.get("before", ()), LINE):
            self._index = await self.server.register_namespace(uri)
        for name, value in self._chosen.get("variables", {}).items():
            await self.add({"name": name, "value": value})
        for name in self.counters.names():
            await self.add({"name": name, "value": 0})
        await self.server.start()
        press_id = ua.NodeId(ua.String("Press"), ua.Int16(self._index))
        self._press = await self.server.nodes.objects.add_object(press_id, "Press")
        self._events = await self.server.get_event_generator(ObjectIds.BaseEventType, press_id)
        self._alarms = await self.server.get_event_generator(ObjectIds.AlarmConditionType, press_id)
        if self._chosen.get("history"):
            await self.server.historize_node_event(self._press)

    async def add(self, command: dict[str, Any]) -> None:
        name = command["name"]
        node_id = ua.NodeId(ua.String(name), ua.Int16(self._index))
        browse_name = ua.QualifiedName(name, ua.UInt16(self._index))
        self._nodes[name] = node = await self.server.nodes.objects.add_variable(
            node_id, browse_name, self._value(command)
        )
        if self._chosen.get("history") and not isinstance(command["value"], list):
            await self.server.historize_node_data_change(node, timedelta(days=1), count=self._chosen["history"])

    async def write(self, command: dict[str, Any]) -> None:
        status = ua.StatusCode(ua.UInt32(getattr(StatusCodes, command.get("status", "Good"))))
        time: Any = datetime.fromisoformat(command["time"]) if "time" in command else datetime.now(UTC)
        data = ua.DataValue(self._value(command), status, time)
        await self.server.write_attribute_value(self._nodes[command["name"]].nodeid, data)

    async def past(self, command: dict[str, Any]) -> None:
        """A variable that has counted once a second since `time`, in which the server was there."""
        began, name, number = datetime.fromisoformat(command["time"]), command["name"], command["number"]
        await self.add({"name": name, "value": number})
        for count in range(1, number + 1):
            at = (began + timedelta(seconds=count)).isoformat()
            await self.write({"name": name, "value": count, "time": at})
        started: Any = began - timedelta(minutes=1)
        status = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_StartTime), ua.Int16(0))
        await self.server.write_attribute_value(status, ua.DataValue(ua.Variant(started, ua.VariantType.DateTime)))

    async def happen(self, command: dict[str, Any]) -> None:
        event: Any = self._events.event
        event.Severity = 300
        await self._events.trigger(message=command["message"])

    async def alarm(self, command: dict[str, Any]) -> None:
        event: Any = self._alarms.event
        event.add_property("NodeId", ua.NodeId(ua.Int32(42), ua.Int16(self._index)), ua.VariantType.NodeId)
        event.add_property("ActiveState/Id", command["active"], ua.VariantType.Boolean)
        event.ConditionName, event.Retain = command["name"], command["active"]
        await self._alarms.trigger(message=command["name"])

    async def delete(self, command: dict[str, Any]) -> None:
        await self.server.delete_nodes([self._nodes.pop(command["name"])])

    def _value(self, command: dict[str, Any]) -> ua.Variant:
        """In the type that is named, else in the one that PLCs would have for it."""
        value = command["value"]
        kind = command.get("type") or _GUESSED[type(value[0] if isinstance(value, list) else value)]
        if kind == "Guid":
            value = UUID(value)
        elif kind == "QualifiedName":
            value = ua.QualifiedName(value, ua.UInt16(1))
        return ua.Variant(value, ua.VariantType[kind])

    async def sessions(self, _command: dict[str, Any]) -> dict[str, object]:
        return {"sessions": len(self.server.iserver._external_sessions)}

    async def forget(self, _command: dict[str, Any]) -> None:
        for session in [*self.server.iserver._external_sessions.values()]:
            await session.close_session(delete_subs=True)

    async def silence(self, _command: dict[str, Any]) -> None:
        """End the subscriptions of all sessions; nobody is told."""
        service = self.server.iserver.subscription_service
        await service.delete_subscriptions([*service.subscriptions])

    async def level(self, command: dict[str, Any]) -> None:
        level = ua.DataValue(ua.Variant(ua.Byte(command["level"]), ua.VariantType.Byte))
        await self.server.write_attribute_value(ua.NodeId(ua.Int32(2267), ua.Int16(0)), level)


async def main() -> None:
    """Serve until the input ends."""
    plc = Plc(settings())
    await plc.start()
    counters = plc.counters
    commands: dict[str, Command] = {"add": plc.add, "write": plc.write, "delete": plc.delete, "level": plc.level}
    commands |= {"sessions": plc.sessions, "forget": plc.forget, "silence": plc.silence}
    commands |= {"count": counters.count, "rest": counters.rest}
    commands |= {"past": plc.past, "happen": plc.happen, "alarm": plc.alarm}
    await obey(commands)
    await plc.server.stop()


if __name__ == "__main__":
    asyncio.run(main())
