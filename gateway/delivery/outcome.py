"""What an answer means: a pure table from endpoint and answer to what happens with the record and with everything else.

A request that creates something must never be sent twice unless the first certainly had no effect. So the record's fate
errs on the side of doubt, and doubt is settled by looking, not by guessing.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.oden.client import Answer

Fate = Literal["delivered", "again", "doubt", "dead"]
"""delivered: it is at Oden. again: it is not, send it later. doubt: it may be, look it up. dead: Oden refuses it for good."""

LONGEST_ASKED = 3600.0
"""Seconds; a server that asks for more is asked again after these."""

Hold = Literal["none", "line", "api", "token"]
"""What has to wait beyond this record: nothing, its line, everything, everything until the token is accepted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of the request's records, what to hold, and why, in words for a person.

    `unsettled`: it may still take effect. Where it only sets values it is sent again, but not before it has had the time for that:
    it could undo what is sent in between.
    """

    fate: Fate
    hold: Hold = "none"
    reason: str = ""
    retry_after: float | None = None
    unsettled: bool = False


def judge(answer: Answer, *, creates: bool, search: bool = False, needs_body: bool = True) -> Outcome:
    """What `answer` means for a request that `creates` something, or is a `search` (where 404 means: none).

    `needs_body` is whether a success without readable JSON is to be believed.
    """
    lost: Fate = "doubt" if creates else "again"
    status, why = answer.status, answer.error
    asked = None if answer.retry_after is None else min(answer.retry_after, LONGEST_ASKED)
    if not answer.sent:
        return Outcome("again", "api", why)
    if status is None:
        return Outcome(lost, "none", why, unsettled=True)
    if 200 <= status < 300:
        if not answer.own:
            reason = f"something between here and Oden answered: {status}, not Oden's JSON"
            return Outcome(lost, "api", reason, unsettled=True)
        if needs_body and not answer.readable:
            return Outcome(lost, "none", f"{status} without readable JSON")
        return Outcome("delivered")
    if status in (425, 429):
        return Outcome("again", "api", why or str(status), asked)
    if status == 503 and asked:
        return Outcome(lost, "api", why, answer.retry_after, unsettled=True)
    if status == 408 or status >= 500:
        return Outcome(lost, "none", why, answer.retry_after, unsettled=True)
    if not answer.own or status < 400:
        arrived = status != 407
        reason = f"something between here and Oden answered: {why}"
        return Outcome(lost if arrived else "again", "api", reason, unsettled=arrived)
    if status == 401:
        return Outcome("again", "token", why)
    if status == 403:
        return Outcome("again", "line", why)
    if search and status == 404:
        return Outcome("delivered")
    retryable = isinstance(answer.body, dict) and answer.body.get("retryable") is True
    return Outcome("again" if retryable else "dead", "none", why, asked)
