"""The configuration file, as frozen, strict models. The descriptions are the user's reference.

What one model can say by itself is checked here; what needs two places of the file (an input naming a source, an
expression naming an input) is checked in `config.check`.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from gateway.config.units import Duration, Rate, Share, Size
from gateway.model import Scalar

Name = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that expressions and patterns can use."""

FASTEST = 1.0
"""Requests per second that Oden permits."""
_PROXY = re.compile(r"http://([^\s/@]+@)?([^\s/@:\[\]]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?")
SMALLEST_OUTBOX = 10**7
"""Bytes; less does not hold an outage worth the name."""


class Section(BaseModel):
    """What all parts of the file have in common: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Oden(Section):
    """How to reach Oden."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] = Field(
        "https://api.oden.app/v2", description="Base address of the Oden API, up to and with the version."
    )
    token: SecretStr = Field(
        description="The API token. Write `${secret:NAME}` and keep the token itself in a credential or file."
    )
    ca: Path | None = Field(
        None,
        description="File with the CA certificates (PEM) that vouch for Oden's, where a firewall of yours inspects what passes; "
        "the system's if absent.",
    )
    proxy: SecretStr | None = Field(
        None,
        description="Address of the HTTP proxy on the way to Oden, such as `http://proxy.plant-a.local:3128`; with name and password in "
        "it, write `${secret:NAME}`. Absent, the environment's counts (`HTTPS_PROXY`, `NO_PROXY`).",
    )
    timeout: Duration = Field(
        30.0, gt=0, le=45, description="How long to wait for Oden's answer to one request; 45 s at the most."
    )
    settle: Duration = Field(
        60.0,
        gt=0,
        description="How long Oden may take to commit a request whose answer was lost. A request that may have arrived "
        "is looked up after this time, never sooner, before it is sent again.",
    )
    raw_data: Literal["object", "string"] = Field(
        "object", description="Whether `raw_data` is sent as a JSON object or as a string that holds JSON."
    )
    reference: Identifier | None = Field(
        None,
        description="Name under which each record carries a key of the gateway's, in the metadata of intervals and in the "
        "`raw_data` of output. With it, a look-up after a lost answer is certain whose entry it found. Absent, nothing is added.",
    )
    allow_faster_for_tests: bool = Field(
        default=False,
        description="Only for a test server of your own: lets `rate` be more than `1/s`. The log says so at every start. "
        "Never set it for Oden itself.",
    )
    rate: Rate = Field(
        FASTEST,
        gt=0,
        description="Requests to Oden at the most. Oden permits `1/s` for a token; where five gateways share one, write "
        "`0.2/s` in each of them.",
    )

    @field_validator("proxy")
    @classmethod
    def _http(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy is not None and not _PROXY.fullmatch(proxy.get_secret_value()):
            raise ValueError("write http://host:port, or a secret that holds http://name:password@host:port")
        return proxy

    @field_validator("rate")
    @classmethod
    def _permitted(cls, rate: float, info: ValidationInfo) -> float:
        if rate > FASTEST and info.data.get("allow_faster_for_tests") is not True:
            raise ValueError(
                "Oden permits one request per second: write 1/s or less, or, for a test server of your own, add "
                "'allow_faster_for_tests: true'"
            )
        return rate


class OpcuaSource(Section):
    """An OPC UA server (a PLC, or a gateway in front of PLCs)."""

    type: Literal["opcua"]
    url: Annotated[str, Field(pattern=r"^opc\.tcp://[^\s]+$")] = Field(
        description="Endpoint of the server, such as `opc.tcp://10.1.4.20:4840`."
    )
    publishing_interval: Duration = Field(0.25, gt=0, description="How often the server reports changed values.")
    timeout: Duration = Field(10.0, gt=0, description="How long to wait for the server's answer to one request.")


class MqttSource(Section):
    """An MQTT broker."""

    type: Literal["mqtt"]
    url: Annotated[str, Field(pattern=r"^mqtts?://[^\s/:]+(:\d+)?$")] = Field(
        description="Address of the broker: `mqtt://host:1883` or, with TLS, `mqtts://host:8883`."
    )
    client_id: Name = Field(
        description="The session's name at the broker. Keep it for ever and give each gateway its own: the broker keeps "
        "messages for this name while the gateway is away."
    )
    username: str | None = Field(None, description="User name at the broker.")
    password: SecretStr | None = Field(None, description="Password at the broker; write `${secret:NAME}`.")
    ca: Path | None = Field(None, description="CA certificate (PEM) that signed the broker's; the system's if absent.")
    version: Literal["5", "3.1.1"] = Field("5", description="Protocol version that the broker speaks.")
    keepalive: Duration = Field(30.0, ge=5, description="How soon a dead connection is noticed.")
    session_expiry: Duration = Field(
        604800.0, gt=0, description="How long the broker is asked to keep messages while the gateway is away (MQTT 5)."
    )


SourceSection = Annotated[OpcuaSource | MqttSource, Field(discriminator="type")]


class Counter(Section):
    """A number that only grows, until it rolls over or is reset."""

    rollover: int | None = Field(
        None,
        gt=0,
        description="The first value that is never shown: 65536 for a 16-bit counter that wraps after 65535.",
    )
    max_rate: Rate | None = Field(
        None,
        gt=0,
        description="The fastest that the line can count. Tells a rollover from a reset, and how long a gap can be "
        "bridged exactly.",
    )


class Input(Section):
    """One value that the mapping uses: an OPC UA tag, an MQTT message or one field of it."""

    source: Name = Field(description="One of the names under `sources`.")
    node: str | None = Field(
        None, description="OPC UA only: the node id, such as `nsu=urn:acme:line;s=L01.State` or `ns=2;i=1001`."
    )
    topic: str | None = Field(None, description="MQTT only: the topic, without wildcards.")
    field: str | None = Field(
        None,
        description="MQTT only: the field of the JSON message, with dots for nested ones; absent, the whole message.",
    )
    time: str | None = Field(
        None,
        description="MQTT only: the field that holds the event's own time (ISO 8601 with zone, or seconds or milliseconds "
        "since 1970). Absent, the time of arrival counts.",
    )
    counter: Counter | None = Field(None, description="Present when the value is a running count.")


class RunEnd(Section):
    """When a run ends although no other has started."""

    when: str = Field(description='A condition over inputs, such as "state == 0".')
    for_: Duration = Field(0.0, alias="for", description="How long the condition must hold.")


class Run(Section):
    """How runs are recognised."""

    key: Identifier = Field(description="The input whose change starts a new run; empty or 0 means that no run is on.")
    product: Name = Field(description='Name of the product, with inputs in braces: "{product}".')
    name: str | None = Field(None, description='Name of the run, with inputs in braces: "{order}".')
    settle: Duration = Field(0.5, description="How long to wait after the key changed for the other inputs to follow.")
    end: RunEnd | None = Field(None, description="Ends a run while its key stays.")


class StateCode(Section):
    """What one code of the PLC means at Oden."""

    category: Name = Field(description='State category at Oden; inputs in braces are filled in, as in "PLC {state}".')
    reason: Name | None = Field(None, description="State reason at Oden; inputs in braces are filled in.")


class States(Section):
    """How states are recognised."""

    input: Identifier = Field(description="The input that holds the state code.")
    codes: dict[int | str, StateCode] = Field(min_length=1, description="Code -> state.")
    other: StateCode | None = Field(
        None,
        description="State for a code that is not in the table. Absent, such a code "
        "is reported and the last state stays.",
    )
    hold: Duration = Field(0.0, description="A state that lasts less than this is not reported.")


class Entry(Section):
    """One kind of output."""

    count: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$")] = Field(
        description="An input with `counter`, or an event input and the field with its amount: `scrap.qty`."
    )
    raw_data: dict[str, Scalar] = Field(
        min_length=1,
        description="What is sent, in the terms of the factory's scrap/yield schema at Oden. `{n}` is the amount, other "
        "names in braces are inputs; a value that is one placeholder keeps its type.",
    )


class ScrapYield(Section):
    """How output is reported."""

    every: Duration = Field(60.0, ge=1, description="How often output is reported while a run is on.")
    entries: list[Entry] = Field(min_length=1)


class Line(Section):
    """One production line."""

    factory: Name = Field(description="Name of the factory at Oden.")
    line: Name = Field(description="Name of the line at Oden.")
    id: str | None = Field(None, description="Id of the line at Oden. Absent, it is looked up once by name.")
    inputs: dict[Identifier, Input] = Field(min_length=1)
    run: Run | None = None
    states: States | None = None
    scrap_yield: ScrapYield | None = None

    @property
    def key(self) -> str:
        """What the line's memory and records are kept by."""
        return self.id or f"{self.factory}/{self.line}"


class Outbox(Section):
    """Where records wait until Oden has them, and in which order they leave."""

    directory: Path = Field(Path("/var/lib/oden-gateway"), description="A directory of the gateway's own, on a disk.")
    size_limit: Size = Field(
        2 * 2**30,
        description="How much may wait, in bytes on the disk. When it is reached the gateway takes nothing more in until Oden "
        "has taken something (`when_full`).",
    )
    when_full: Literal["stop", "drop_oldest_output"] = Field(
        "stop",
        description="What happens at `size_limit`. `stop`: nothing more is taken in until there is room. `drop_oldest_output`: the oldest "
        "amounts that wait are lost, each counted and reported, so that new ones, runs and states still find room.",
    )
    min_free: Share = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Share of the disk that the gateway leaves free for others, half of it (`50%`) at the most; it takes "
        "nothing in while less is free.",
    )
    merge_span: Duration = Field(
        900.0,
        ge=1,
        le=86_400,
        description="How finely output that had to wait is told apart: of one run or interval, amounts with otherwise equal "
        "`raw_data` from one stretch of this length are summed and sent as one. Totals stay exact, and nothing is held back "
        "for it. `1s` keeps every amount apart; a day is the longest.",
    )
    backlog: Literal["after_live", "in_order"] = Field(
        "after_live",
        description="What goes first after an outage. `after_live`: what happens now, then the backlog, oldest first. "
        "`in_order`: everything in the order in which it happened; what happens now is at Oden only when the backlog is.",
    )
    ends: Literal["bulk", "before_next"] = Field(
        "bulk",
        description="When Oden is told that a state or run has ended. `bulk`: ends share requests with each other, which saves "
        "requests, so that one may come a little after the next start. `before_next`: each end before the next start.",
    )

    @field_validator("size_limit")
    @classmethod
    def _holds_an_outage(cls, size: int) -> int:
        if size < SMALLEST_OUTBOX:
            raise ValueError(f"write at least {SMALLEST_OUTBOX // 10**6} MB; 2 GB is usual")
        return size


class Status(Section):
    """The status page and what stands beside it."""

    listen: Annotated[str, Field(pattern=r"^[^\s]+:\d+$")] = Field(
        "127.0.0.1:8321",
        description="Address and port of the status page. It has no password: keep it on this machine.",
    )


class Log(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = Field("auto", description="`auto`: text on a terminal, JSON elsewhere.")


class Config(Section):
    """The whole file."""

    oden: Oden
    sources: dict[Identifier, SourceSection] = Field(min_length=1)
    lines: list[Line] = Field(min_length=1)
    outbox: Outbox = Outbox()
    status: Status = Status()
    log: Log = Log()
