"""Records as they lie in a damaged outbox."""

from gateway.model import Output, StartInterval, UpdateInterval, record_key
from gateway.outbox.store import Outbox
from gateway.outbox.verify import check, lines, strays

LINE = "Factory A/Line 01"
OTHER = "Factory A/Line 02"


def start(number: int, line: str = LINE, end: int | None = None) -> StartInterval:
    return StartInterval(record_key(line, number, 1e9), line, 1e9, "RUN", 10**9 + number, f"run {number}", {}, end)


def output(number: int, of: StartInterval) -> Output:
    raw: dict[str, str | int] = {"good": number, "code": "Splice " * 20}
    return Output(record_key(of.line, number, 1e9), of.line, 1e9, "RUN", of.key, 10**9 + number, raw)


def update(number: int, of: StartInterval) -> UpdateInterval:
    return UpdateInterval(record_key(of.line, number, 1e9), of.line, 1e9, "RUN", of.key, 10**9 + number)


def problems(outbox: Outbox) -> list[str]:
    """What is not in order, but for intervals that are lost."""
    verdicts = [verdict for line in lines(outbox) for verdict in check(outbox, line) if verdict is not None]
    return [text for verdict in verdicts for text in verdict.problems if "is not known" not in text] + [*strays(outbox)]
