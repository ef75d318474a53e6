"""The configuration file, as frozen, strict models. The descriptions are the user's reference.

What one model can say by itself is checked here; what needs two places of the file (an input naming a source, an
expression naming an input) is checked in `config.check`.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from gateway.config.schema_inputs import Input
from gateway.config.schema_output import ScrapYield
from gateway.config.schema_rules import Rule
from gateway.config.schema_runs import Batches, Interval, Run
from gateway.config.schema_states import States
from gateway.config.section import Identifier, Name, Section
from gateway.config.units import Duration, Rate, Share, Size

FASTEST = 1.0
"""Requests per second that Oden permits."""
_PROXY = re.compile(r"http://([^\s/@]+@)?([^\s/@:\[\]]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?")
SMALLEST_OUTBOX = 10**7
"""Bytes; less does not hold an outage worth the name."""


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


class Line(Section):
    """One production line."""

    factory: Name = Field(description="Name of the factory at Oden.")
    line: Name = Field(description="Name of the line at Oden.")
    id: str | None = Field(None, description="Id of the line at Oden. Absent, it is looked up once by name.")
    inputs: dict[Identifier, Input] = Field(min_length=1)
    run: Run | None = None
    batches: Batches | None = None
    states: States | None = None
    intervals: list[Interval] = Field([], description="Custom intervals: operator, shift, recipe, tool.")
    scrap_yield: ScrapYield | None = None
    rules: list[Rule] = Field(
        [], description="What else Oden is told: quality tests, targets, product mappings and attributes, work orders."
    )

    @property
    def key(self) -> str:
        """What the line's memory and records are kept by."""
        return self.id or f"{self.factory}/{self.line}"


class Table(Section):
    """A table in a file of its own, such as a product list. `{products[sku].name}` in a text is the value in the column `name` of
    the row for the value of the input `sku`. A file that has changed counts within seconds, without a restart; one that
    is wrong is reported, and what was read before stays."""

    file: Path = Field(description="A CSV table with a header line.")
    key: Name | None = Field(
        None, description="The column by which rows are found; each value stands in it once. Absent, the first column."
    )


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
        description="What happens at `size_limit`. `stop`: nothing more is taken in. `drop_oldest_output`: the scrap and yield "
        "that have waited longest are dropped for good to make room, counted and shown; runs, batches and states are kept. "
        "Where that makes no room, nothing more is taken in either.",
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
    tables: dict[Identifier, Table] = Field({}, description="Tables in which inputs are looked up, by name.")
    outbox: Outbox = Outbox()
    status: Status = Status()
    log: Log = Log()
