"""The schema of an MQTT broker as a source. See `schema`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from gateway.config.schema_base import Duration, Name, Section

_BROKER = r"^(mqtts?|wss?)://(\[[^\s/\[\]]*\]|[^\s/:]+)(:\d+)?(/[^\s]*)?$"
BrokerUrl = Annotated[str, Field(pattern=_BROKER)]


class Presence(Section):
    """What others can see of the gateway at the broker: one retained message, and the broker's last will."""

    topic: Annotated[str, Field(pattern=r"^[^+#]+$")] = Field(
        description="The topic of the message, such as `plant-a/oden-gateway/status`."
    )
    online: str = Field("online", description="What is published when the gateway has connected.")
    offline: str = Field(
        "offline", description="What the broker publishes when it has lost the gateway, and the gateway when it stops."
    )


class MqttConfig(Section):
    """An MQTT broker."""

    type: Literal["mqtt"]
    url: BrokerUrl = Field(
        description="Address of the broker: `mqtt://host:1883` or, with TLS, `mqtts://host:8883`; under WebSocket "
        "`ws://host:80/mqtt` or `wss://host:443/mqtt`."
    )
    alternatives: list[BrokerUrl] = Field(
        [],
        description="More addresses of the same broker: of a cluster whose members share sessions, or of a standby "
        "that takes them over. The next one is tried when one cannot be connected to.",
    )
    client_id: Name = Field(
        description="The session's name at the broker. Keep it for ever and give each gateway its own: the broker "
        "keeps messages for this name while the gateway is away."
    )
    username: str | None = Field(None, description="User name at the broker.")
    password: SecretStr | None = Field(None, description="Password at the broker; write `${secret:NAME}`.")
    ca: Path | None = Field(None, description="CA certificate (PEM) that signed the broker's; the system's if absent.")
    certificate: Path | None = Field(
        None,
        description="The gateway's own certificate (PEM), for brokers that ask for one. It, the key and `ca` are read "
        "at each connection, so that renewed files count from the next one on.",
    )
    key: Path | None = Field(
        None, description="The private key (PEM, without a password) of `certificate`; absent, it is in the same file."
    )
    version: Literal["auto", "5", "3.1.1"] = Field(
        "auto",
        description="Protocol version that the broker speaks. `auto`: 5, or 3.1.1 where the broker does not take that.",
    )
    keepalive: Duration = Field(30.0, ge=5, le=65_535, description="How soon a dead connection is noticed.")
    session_expiry: Duration = Field(
        604800.0, gt=0, description="How long the broker is asked to keep messages while the gateway is away (MQTT 5)."
    )
    broker_queue: int | None = Field(
        None,
        gt=0,
        description="How many messages the broker keeps for the gateway while it is away (mosquitto: "
        "`max_queued_messages`, 1,000 unless set; it drops later ones without a word). `check` and the page then say "
        "for how long that is enough.",
    )
    rebirth: Literal["auto", "never"] = Field(
        "auto",
        description="Sparkplug B: whether edge nodes are asked to send their births again where something of them is "
        "missing, each at most every two seconds, and ever more seldom where that does not help. `never`: nothing is "
        "published, and what a device says counts from the next birth that comes by itself.",
    )
    node_birth: Literal["needed", "optional"] = Field(
        "needed",
        description="Sparkplug B: whether a device counts only behind a birth of its edge node (`needed`). `optional`, "
        "for devices that connect without one: each counts from its own birth on, or from the first value that comes "
        "under its name; a message that was lost is not noticed, and numbers (aliases) do not count.",
    )
    history: Literal["auto", "off"] = Field(
        "off",
        description="Sparkplug B: whether values that an edge node had kept while it could not send (`is_historical`) "
        "are put where they belong (`auto`), or left out and listed. Lines with devices of this source then remember "
        "what they have heard, as those with messages that can come late do.",
    )
    host_id: Annotated[str, Field(pattern=r"^[^+#/\s]+$")] | None = Field(
        None,
        description="Sparkplug B: the id of the primary host for which edge nodes wait, as it is written in them. Its "
        "STATE is followed: while it is offline, such nodes keep what they have to say, and the page says so.",
    )
    primary_host: bool = Field(
        default=False,
        description="Sparkplug B: whether the gateway itself is the host `host_id`, and publishes its STATE (3.0). "
        "Edge nodes that wait for it send nothing while the gateway is off: only for nodes that store it, with "
        "`history: auto`.",
    )
    presence: Presence | None = Field(
        None, description="Whether the gateway says at the broker that it is there; absent, it publishes nothing."
    )
