"""Making records: each gets the next number of its line, which with its time is its identity."""

from collections.abc import Mapping

from pydantic import JsonValue

from gateway.model import (
    IntervalType,
    Output,
    Record,
    Scalar,
    Setting,
    SettingType,
    StartInterval,
    UpdateInterval,
    record_key,
)

Details = Mapping[str, JsonValue]
NOTHING: Details = {}


class Recorder:
    """Gathers the records of one step, in order. `number` is that of the next record; `rules` is by record the key of the rule that
    it is told by, where there is one."""

    def __init__(self, line: str, number: int) -> None:
        self.line = line
        self.number = number
        self.records: list[Record] = []
        self.rules: dict[str, str] = {}

    def _key(self, at: float) -> str:
        key = record_key(self.line, self.number, at)
        self.number += 1
        return key

    def start(self, at: float, kind: IntervalType, start: int, name: str | None, details: Details) -> str:
        """Record the start of an interval; answers the interval's key."""
        key = self._key(at)
        self.records.append(StartInterval(key, self.line, at, kind, start, name, details))
        return key

    def end(self, at: float, kind: IntervalType, interval: str, end: int, details: Details = NOTHING) -> None:
        self.update(at, kind, interval, end=end, details=details)

    def update(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        *,
        end: int | None = None,
        name: str | None = None,
        details: Details = NOTHING,
    ) -> None:
        """Record what is now known of an interval."""
        self.records.append(UpdateInterval(self._key(at), self.line, at, kind, interval, end, name, details))

    def output(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        timestamp: int,
        raw_data: Mapping[str, Scalar],
        amounts: tuple[str, ...],
    ) -> None:
        self.records.append(Output(self._key(at), self.line, at, kind, interval, timestamp, raw_data, amounts))

    def test(
        self,
        at: float,
        kind: IntervalType,
        interval: str,
        timestamp: int,
        raw_data: Mapping[str, Scalar],
        schema: str,
        rule: str,
    ) -> None:
        """Record the result of a quality test of an interval."""
        key = self._key(at)
        self.records.append(Output(key, self.line, at, kind, interval, timestamp, raw_data, (), schema))
        self.rules[key] = rule

    def setting(self, at: float, kind: SettingType, fields: Details, rule: str) -> None:
        """Record what is to be so of one thing at Oden."""
        key = self._key(at)
        self.records.append(Setting(key, self.line, at, kind, fields))
        self.rules[key] = rule
