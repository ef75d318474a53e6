"""The sections about the gateway itself: where records wait, the page, and the log."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from gateway.config.schema_base import Duration, Name, Section, Share, Size

MIN_OUTBOX_SIZE = 10**7
"""Bytes. Less does not last through an outage of any length."""


class OutboxConfig(Section):
    """Where records wait until Oden has them, and in which order they leave."""

    directory: Path = Field(Path("/var/lib/oden-gateway"), description="A directory of the gateway's own, on a disk.")
    size_limit: Size = Field(
        2 * 2**30,
        description="How much may wait, in bytes on the disk. When it is reached the gateway takes nothing more "
        "in until Oden has taken something (`when_full`). Where nothing waits, what lines remember may take more.",
    )
    when_full: Literal["stop", "drop_oldest_output"] = Field(
        "stop",
        description="What happens at `size_limit`. `stop`: nothing more is taken in. `drop_oldest_output`: the "
        "scrap and yield that have waited longest are dropped for good to make room, counted and shown; runs, "
        "batches and states are kept. Where that makes no room, nothing more is taken in either.",
    )
    late_limit: Size = Field(
        32 * 2**20,
        ge=2**20,
        description="How much of the disk is for what lines have heard, so that messages that come late can be put in "
        "their places (`late` of a line); a quarter of `size_limit` at the most. Beyond that all lines remember less "
        "over a restart.",
    )
    min_free: Share = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Share of the disk that the gateway leaves free for others, half of it (`50%`) at the most; "
        "it takes nothing in while less is free.",
    )
    merge_span: Duration = Field(
        900.0,
        ge=1,
        le=86_400,
        description="How finely output that had to wait is told apart: of one run or interval, amounts with "
        "otherwise equal `raw_data` from one stretch of this length are summed and sent as one. Totals stay "
        "exact, and nothing is held back for it. `1s` keeps every amount apart; a day is the longest.",
    )
    backlog: Literal["after_live", "in_order"] = Field(
        "after_live",
        description="What goes first after an outage. `after_live`: what happens now, then the backlog, oldest first. "
        "`in_order`: everything in the order in which it happened; what happens now is at Oden only when the "
        "backlog is.",
    )
    ends: Literal["auto", "bulk", "before_next"] = Field(
        "auto",
        description="When Oden is told that a state or run has ended. `auto`: ends share requests with each "
        "other, which saves requests, so that one may come a little after the next start; where Oden refuses a start "
        "while the one before is open, they go first, which is tried anew once a day. `bulk`: always so that they "
        "share requests. `before_next`: each end before the next start.",
    )
    updates: Literal["auto", "fields", "whole"] = Field(
        "auto",
        description="How Oden is told that the name or the metadata of something have changed. What somebody has "
        "changed in Oden since stays as it is: before each change it is looked at, which is one request more. `auto`: "
        "a change names only what is new; the first one shows whether this Oden drops metadata that a change does "
        "not name, and where it does, each change names everything that is there. `fields`: always only what is new. "
        "`whole`: always everything.",
    )

    @property
    def heard_limit(self) -> int:
        """Bytes that may be stored of what lines have heard: most of the outbox is for what waits."""
        return min(self.late_limit, self.size_limit // 4)

    @field_validator("size_limit")
    @classmethod
    def _holds_an_outage(cls, size: int) -> int:
        if size < MIN_OUTBOX_SIZE:
            raise ValueError(f"write at least {MIN_OUTBOX_SIZE // 10**6} MB; 2 GB is usual")
        return size


Tone = Literal["running", "planned", "stopped"]
"""How the status page shows a state: it runs, it stands and that is planned, it stands and should not."""


class PageTls(Section):
    """The certificate by which the page is served over TLS (https)."""

    certificate: Path = Field(description="PEM file with the certificate, and those between it and its authority.")
    key: Path = Field(description="PEM file with its key, without a password, readable for the gateway's user.")


class Status(Section):
    """The status page and what stands beside it."""

    listen: Annotated[str, Field(pattern=r"^[^\s/]+:\d+$")] = Field(
        "127.0.0.1:8321",
        description="Address and port of the status page. Without `token` it has no password: keep it on this machine.",
    )
    hosts: list[Name] = Field(
        [],
        description="Names by which browsers may ask for the page, such as `line-gateway.plant.example`, beside the "
        "name in `listen`, `localhost`, this machine's own name and any IP address. Under other names it is refused, "
        "so that no web site can read it through somebody's browser.",
    )
    token: SecretStr | None = Field(
        None,
        description="Absent, whoever reaches the page can read it. With a token a browser asks for it as the password "
        "of any user, and programs send it as `Authorization: Bearer TOKEN`; only `/healthz` and `/readyz` need none. "
        "Without `tls` it is sent in clear. Write `${secret:NAME}`.",
    )
    actions_token: SecretStr | None = Field(
        None,
        description="Absent, nothing can be changed on the page. With a token of at least 16 letters, digits and "
        "signs, whoever has it can try dead letters again or give them up there, and pause delivery: on this machine "
        "or, with `tls`, from others. Write `${secret:NAME}`.",
    )
    tls: PageTls | None = Field(
        None,
        description="Absent, the page is served in clear (http). With a certificate it is served over TLS alone; when "
        "the files are renewed they are read again, without a restart.",
    )
    categories: dict[Name, Tone] = Field(
        {},
        description="How the page shows the state categories of your factory: `{Uptime: running, Setup: planned, "
        "Breakdown: stopped}`. A category that is not named has a neutral colour, but for those that a `preset` of "
        "states makes.",
    )

    @field_validator("actions_token")
    @classmethod
    def _is_hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and re.fullmatch(r"[!-~]{16,}", token.get_secret_value()) is None:
            raise ValueError("write at least 16 ASCII letters, digits and signs, such as `openssl rand -hex 16` makes")
        return token


class Log(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = Field("auto", description="`auto`: text on a terminal, JSON elsewhere.")
