"""The schema of the configuration file, as frozen and strict models. Their descriptions are the user's reference.

What one model can check by itself is checked here. What needs two places of the file, such as an input that names a
source, is checked in `config.check`; the parts of a line are in the modules `schema_*`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from gateway.config.schema_base import (
    Duration,
    DurationOrZero,
    Identifier,
    Name,
    Periodically,
    Rate,
    Sampling,
    Section,
    Watched,
)
from gateway.config.schema_intervals import Batches, Interval, Run, States
from gateway.config.schema_io import Input, ScrapYield
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.schema_process import Log, OutboxConfig, Status
from gateway.config.schema_rules import Rule
from gateway.secret_forms import shown_address

MAX_RATE = 1.0
"""Requests per second that Oden permits."""
_PROXY = re.compile(r"http://([^\s/@]+@)?([^\s/@:\[\]]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?")
_SECURITY = r"^(none|(Basic256Sha256|Aes128Sha256RsaOaep|Aes256Sha256RsaPss)/(Sign|SignAndEncrypt))$"


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
        description="File with the CA certificates (PEM) that vouch for Oden's, where a firewall of yours "
        "inspects what passes; the system's if absent.",
    )
    proxy: SecretStr | None = Field(
        None,
        description="Address of the HTTP proxy on the way to Oden, such as `http://proxy.plant-a.local:3128`; "
        "with name and password in it, write `${secret:NAME}`. Absent, the environment's counts (`HTTPS_PROXY`, "
        "`NO_PROXY`).",
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
        description="Name under which each record carries a key of the gateway's, in the metadata of intervals "
        "and in the `raw_data` of output. With it, a look-up after a lost answer is certain whose entry it found. "
        "Absent, nothing is added.",
    )
    allow_faster_for_tests: bool = Field(
        default=False,
        description="Only for a test server of your own: lets `rate` be more than `1/s`. The log says so at every "
        "start. Never set it for Oden itself.",
    )
    rate: Rate = Field(
        MAX_RATE,
        gt=0,
        description="Requests to Oden at the most. Oden permits `1/s` for a token; where five gateways share one, "
        "write `0.2/s` in each of them.",
    )

    @property
    def shown_url(self) -> str:
        """The address as it is shown and logged."""
        return shown_address(self.url)

    @field_validator("proxy")
    @classmethod
    def _http(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy is not None and not _PROXY.fullmatch(proxy.get_secret_value()):
            raise ValueError("write http://host:port, or a secret that holds http://name:password@host:port")
        return proxy

    @field_validator("rate")
    @classmethod
    def _permitted(cls, rate: float, info: ValidationInfo) -> float:
        if rate > MAX_RATE and info.data.get("allow_faster_for_tests") is not True:
            raise ValueError(
                "Oden permits one request per second: write 1/s or less, or, for a test server of your own, add "
                "'allow_faster_for_tests: true'"
            )
        return rate


class OpcuaConfig(Section):
    """An OPC UA server (a PLC, or a gateway in front of PLCs)."""

    type: Literal["opcua"]
    url: Annotated[str, Field(pattern=r"^opc\.tcp://[^\s]+$")] = Field(
        description="Endpoint of the server, such as `opc.tcp://10.1.4.20:4840`."
    )
    redundant: list[Annotated[str, Field(pattern=r"^opc\.tcp://[^\s]+$")]] = Field(
        [],
        description="Other addresses of this server, or of its twins that have the same tags. The one is used that "
        "answers and says of itself that it is well (ServiceLevel).",
    )
    publishing_interval: Duration = Field(
        0.25, gt=0, description="How often the server reports changed values; an input can have another."
    )
    sampling: Sampling = Field(
        0.05,
        ge=0,
        description="How often the server looks at each tag, `0`: as fast as it can; an input can have another. What "
        "changes and changes back in between is not seen.",
    )
    queue: int = Field(
        100,
        ge=1,
        le=100_000,
        description="How many values of a tag the server keeps until they can be taken; an input can have another. "
        "With `sampling` this says how long an outage may be of which every change is told afterwards.",
    )
    timestamps: Literal["source", "server", "arrival"] = Field(
        "source",
        description="When a value was so: when the device says (`source`), when the server saw it (`server`), or when "
        "it arrived. The device's is the best there is, unless its clock is wrong in a way that changes.",
    )
    timeout: Duration = Field(
        10.0,
        gt=0,
        description="How long to wait for the server's answer to one request. A third of it is how often the server's "
        "clock is watched: silence of three times that is a fault.",
    )
    audit: Periodically = Field(
        60.0,
        ge=0,
        description="How often all tags are read, in small requests spread over this time, to find those of which the "
        "server no longer tells; `off`: never.",
    )
    history: Literal["auto", "off"] = Field(
        "off",
        description="Whether what changed while the gateway could not hear the server is read from its history "
        "afterwards (`auto`), for the tags of which it keeps one, and put where it belongs. Lines with this source "
        "then remember what they have heard, as those with messages that can come late do.",
    )
    security: Annotated[str, Field(pattern=_SECURITY)] | None = Field(
        None,
        description="How the session is protected, as policy and mode: `Basic256Sha256/SignAndEncrypt`; policies are "
        "Basic256Sha256, Aes128Sha256RsaOaep and Aes256Sha256RsaPss, modes Sign and SignAndEncrypt. `none`: not at "
        "all. Absent, not at all either, which is shown as a problem for as long as it is so.",
    )
    pki: Path = Field(
        Path("/var/lib/oden-gateway/pki"),
        description="The folder with the gateway's own certificate and those that it trusts: see `oden-gateway pki`.",
    )
    username: str | None = Field(
        None, description="User name at the server. It is never sent unencrypted with a password."
    )
    password: SecretStr | None = Field(None, description="Password at the server; write `${secret:NAME}`.")
    user_certificate: Path | None = Field(
        None,
        description="Instead of `username`: the file (PEM or DER) with the certificate of the user. It is read at each "
        "connection.",
    )
    user_key: Path | None = Field(
        None, description="The file (PEM or DER, without a password) with the key of `user_certificate`."
    )


SourceConfig = Annotated[OpcuaConfig | MqttConfig, Field(discriminator="type")]


class Line(Section):
    """One production line."""

    factory: Name = Field(description="Name of the factory at Oden.")
    line: Name = Field(description="Name of the line at Oden.")
    id: str | None = Field(None, description="Id of the line at Oden. Absent, it is looked up once by name.")
    renamed_from: Name | None = Field(
        None,
        description="What the line was called in this file before: `Line 01`, with the factory where that had another "
        "name too (`Factory A/Line 01`), or its `id`. It goes on with the run, the counts and the records that wait "
        "under that name; leave it in.",
    )
    inputs: dict[Identifier, Input] = Field(min_length=1)
    run: Run | None = None
    batches: Batches | None = None
    states: States | None = None
    intervals: list[Interval] = Field([], description="Custom intervals: operator, shift, recipe, tool.")
    scrap_yield: ScrapYield | None = None
    rules: list[Rule] = Field(
        [], description="What else Oden is told: quality tests, targets, product mappings and attributes, work orders."
    )
    late: DurationOrZero = Field(
        900.0,
        ge=0,
        le=86_400,
        description="How far back at least a message with a `time` of its own that comes late is put in its place: "
        "what the line has heard is remembered for so long, and what was told is corrected. `0`: not at all; such a "
        "message is taken by itself, with its own time, and what was told before stays as it is.",
    )
    late_withdraw: Literal["keep", "delete"] = Field(
        "keep",
        description="What becomes of an interval that Oden has and that never was, as a late message shows, such as a "
        "stop that was none. `keep`: it ends a second after it began. `delete`: it is deleted at Oden, once what was "
        "made in it has been moved. What somebody has changed at Oden stays either way.",
    )
    late_max: Duration = Field(
        28_800.0,
        le=604_800,
        description="While a source is not heard, the line remembers from its loss on until what "
        "the source has to say of that time has come, for so long at most; at least as long as `late` says.",
    )

    @property
    def key(self) -> str:
        """By what the line's state and records are stored: it stays when the line is renamed."""
        name = f"{self.factory}/{self.line}"
        if self.renamed_from is None:
            return self.id or name
        is_whole = "/" in self.renamed_from or self.renamed_from == self.id
        return self.renamed_from if is_whole else f"{self.factory}/{self.renamed_from}"


class LookupTable(Section):
    """A table in a file of its own, such as a product list. `{products[sku].name}` in a text is the value in the column
    `name` of the row for the value of the input `sku`. A file that has changed counts within seconds, without a
    restart; one that is wrong is reported, and what was read before stays.

    With `from` it is no file: each line learns it from the messages of one of its inputs, and keeps it on its disk."""

    file: Path | None = Field(None, description="A CSV table with a header line.")
    key: Name | None = Field(
        None,
        description="The column by which rows are found; each value stands in it once. Absent, the first column. With "
        "`from`: the field of the message that says which row it is.",
    )
    learned_from: Identifier | None = Field(
        None,
        alias="from",
        description="Instead of `file`: an input that takes whole messages, such as announced orders. Each is a row; "
        "one with the key of another adds to that row, and what it says again is as it says.",
    )
    keep: int = Field(
        500,
        ge=1,
        le=5_000,
        description="With `from`: how many rows a line keeps. Beyond them the oldest are forgotten.",
    )


class Config(Section):
    """The whole file."""

    oden: Oden
    sources: dict[Identifier, SourceConfig] = Field(min_length=1)
    lines: list[Line] = Field(min_length=1)
    tables: dict[Identifier, LookupTable] = Field({}, description="Tables in which inputs are looked up, by name.")
    outbox: OutboxConfig = OutboxConfig()
    status: Status = Status()
    log: Log = Log()

    @property
    def addresses(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The addresses of other machines that stand in the file, with their key paths; but for that of a proxy, which
        is a secret."""
        yield ("oden", "url"), self.oden.url
        for name, source in self.sources.items():
            yield ("sources", name, "url"), source.url
            key = "redundant" if isinstance(source, OpcuaConfig) else "alternatives"
            others: list[str] = getattr(source, key)
            yield from ((("sources", name, key, index), url) for index, url in enumerate(others))

    @property
    def keepers(self) -> frozenset[str]:
        """The sources that keep what they have to say while they are not heard, where it is wanted."""
        of_devices = {each.source for line in self.lines for each in line.inputs.values() if each.device is not None}
        return frozenset(
            name
            for name, source in self.sources.items()
            if source.history == "auto" and (isinstance(source, OpcuaConfig) or name in of_devices)
        )

    @property
    def watching(self) -> dict[str, Watched]:
        """How OPC UA sources watch their tags, by the names of the sources."""
        return {
            name: Watched(source.sampling, source.publishing_interval)
            for name, source in self.sources.items()
            if isinstance(source, OpcuaConfig)
        }


class Template(Section):
    """What lines have in common: all keys of `lines[]` can stand here, with `${NAME}` for what differs."""

    defaults: dict[Identifier, Any] = Field(
        {}, description="Values of parameters that a line need not give: `defaults: {rollover: 65536}`."
    )
    use: Name | None = Field(None, description="Another template, over which this one is laid.")
    with_: dict[Identifier, Any] = Field({}, alias="with", description="The parameters of that other template.")


class TopLevelKeys(Section):
    """The file's own order: other files that belong to it, and templates."""

    include: list[str] = Field(
        [],
        description="Other files that count as if they stood here, from the folder of this one: `[sources.yaml, "
        "lines/*.yaml]`. Sections are put together key by key; a key may stand in one file only.",
    )
    templates: dict[Identifier, Template] = Field({}, description="What lines have in common, by name.")


class LineKeys(Section):
    """What a line can say besides or instead of writing everything out."""

    use: Name | None = Field(
        None,
        description="One of the names under `templates`. What the line says itself comes over what the template says.",
    )
    with_: dict[Identifier, Any] = Field(
        {},
        alias="with",
        description="The parameters: `with: {plc: L01}` fills in `${plc}`. The line's `factory` and `line` are "
        "parameters too.",
    )
    file: str | None = Field(
        None,
        description="A CSV table with a line of the plant in each row. Columns named like keys of a line are "
        "those keys (`factory`, `line`, `states.hold`), all others are parameters. What stands beside `file` "
        "holds for every row.",
    )


PREPROCESSED_KEYS: dict[type[BaseModel], type[BaseModel]] = {Config: TopLevelKeys, Line: LineKeys}
"""Section -> the keys that may also be written there, and that are gone once templates and files are worked in."""
