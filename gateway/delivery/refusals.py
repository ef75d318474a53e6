"""What Oden refuses for a reason that we can meet: a run's name that is taken, a work order that is completed. Each is
said once more, in another way."""

import asyncio
import json
from dataclasses import replace

import structlog

from gateway.delivery.breaker import backoff
from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import Outcome
from gateway.delivery.searches import NOT_UNIQUE, searched_for_one
from gateway.delivery.settlement import Settlement
from gateway.model import Setting, StartInterval
from gateway.oden import answers, requests
from gateway.oden.classification import Answer
from gateway.oden.requests import Request
from gateway.outbox.entries import Attempt, Work
from gateway.record_kinds import creates

log = structlog.get_logger()

TAKEN = (400, NOT_UNIQUE)
"""With what Oden may refuse to change what is completed."""
MOST_TRIES = 5
"""Refusals of a change of a work order, where no search says what has become of that."""
MOST_NAMES = 9
"""How many of one name are told apart."""


class Refusals:
    """Finds another way to say what was refused."""

    def __init__(self, settlement: Settlement, client: LimitedClient) -> None:
        self._settlement = settlement
        self._client = client

    async def meet(self, work: Work, attempt: Attempt, answer: Answer, outcome: Outcome) -> bool:
        """Whether what Oden refuses with `answer` is sent again in another way."""
        record = work.records[0]
        refused = outcome.fate == "dead" or (outcome.foreign and answer.status in TAKEN)
        if not refused or len(work.records) > 1:
            return False
        if isinstance(record, StartInterval) and record.name and self._is_about_name(answer):
            return await self._rename(work, attempt, record, outcome.reason)
        if isinstance(record, Setting) and creates(record) and answer.status in TAKEN:
            return await self._make_another(work, attempt, record, outcome)
        return False

    def _is_about_name(self, answer: Answer) -> bool:
        name = answer.body.get("name") if isinstance(answer.body, dict) else None
        return answer.status == NOT_UNIQUE or (answer.status == 400 and name == "name")

    async def _rename(self, work: Work, attempt: Attempt, record: StartInterval, reason: str) -> bool:
        """Another interval has the name: this one gets it with a number."""
        body = json.loads(attempt.body)
        called = str(body.get("name"))
        line_id = self._settlement.line_id(work.line)
        request = requests.find_interval(record.type, line_id, name=called)
        found, outcome, are_several = await self._search(work, request)
        is_shown = outcome.fate == "delivered" and answers.is_called(found.body, called)
        if not is_shown and not are_several:
            return False
        reference = self._settlement.options.wording.reference
        if is_shown and requests.row_of(record).is_there(found.body, record, reference):
            # It is this one, made by a request of which nobody knew.
            await self._settlement.put_off(work, attempt, phase="in_doubt", not_before=0.0, reason=reason)
            return True
        number = 2 if called == record.name else int(called.rpartition("(")[2].rstrip(")")) + 1
        if number > MOST_NAMES:
            return False
        body["name"] = f"{record.name} ({number})"
        log.warning("name_taken", record=record.key, line=work.line, name=record.name, instead=body["name"])
        await self._again(work, replace(attempt, body=json.dumps(body, ensure_ascii=False)), reason)
        return True

    async def _make_another(self, work: Work, attempt: Attempt, record: Setting, refusal: Outcome) -> bool:
        """A work order that is begun again after its completion is another one. Here it was open when it was looked
        for: so it is looked for once more, whether it is completed by now, or something in between has refused
        that."""
        oden_id = json.loads(attempt.body).get("id")
        if record.type != "maintenance_work_order" or oden_id is None:
            return False
        request = requests.look_up([record], self._settlement.line_id(work.line), None)
        chosen = self._settlement.clock.now()
        found, outcome, _ = await self._search(work, request)
        if outcome.fate != "delivered":
            if refusal.fate != "dead" or attempt.tries >= MOST_TRIES:
                return False
            again = chosen + backoff(attempt.tries)
            await self._settlement.put_off(work, attempt, phase="retry", not_before=again, reason=refusal.reason)
            return True
        meant = answers.setting_id(found.body, record)
        if meant == oden_id:
            return False
        try:
            body = requests.setting_request(record, self._settlement.line_id(work.line), meant).text()
        except Exception:  # noqa: BLE001 - what does not say enough for another one stays refused
            return False
        log.warning("order_begun_again", record=record.key, line=work.line)
        await self._again(work, replace(attempt, body=body), refusal.reason)
        return True

    async def _search(self, work: Work, request: Request) -> tuple[Answer, Outcome, bool]:
        return await searched_for_one(self._settlement, self._client, work, request, asyncio.Event())

    async def _again(self, work: Work, attempt: Attempt, reason: str) -> None:
        await self._settlement.put_off(work, attempt, phase="retry", not_before=0.0, reason=reason)
