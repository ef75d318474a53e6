"""Which time a message means by a local time that can be two, because clocks go back or ahead then. Pure.

In the hour that comes twice it is the second time, unless the message came before that, by its sender's clock as it is
known. Where it came long after both, it is of a backlog, whose order decides: it is of the first hour where that is
newer than all that its topic has said, and else of the second, because no topic goes back by the hour.

A local time that does not exist is of a clock that has not gone ahead yet, or that has too early.
"""

from gateway.frozen import replace
from gateway.mapping.clocks import LONG, SenderClock
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import SOON, InputPlan
from gateway.mapping.judged import clock_of, is_live
from gateway.mapping.sessions import BEHIND
from gateway.mapping.times import ORDER, times_of_fold
from gateway.mapping.trail import Feed
from gateway.mapping.values import find
from gateway.model import Sample


def with_fold(plan: LinePlan, line: Feed, message: Sample) -> Sample:
    """The message, of which is known which time it means by a local one."""
    if (message.source, message.address) not in plan.zoned:
        return message
    for fed in plan.fed_by(message):
        if fed.time is None or fed.zone is None:
            continue
        times = times_of_fold(find(message.value, fed.time), fed.zone)
        if times is not None:
            fold = _fold(line, fed, message, times, clock_of(plan, line, message))
            return message if message.fold == fold else replace(message, fold=fold)
    return message


def _fold(line: Feed, fed: InputPlan, message: Sample, times: tuple[float, float], clock: SenderClock | None) -> bool:
    ahead = clock.ahead if clock is not None else 0.0
    first, second = (at + fed.clock_offset - ahead for at in times)
    later = max(first, second)
    has_come = later <= message.received + SOON
    if first > second:  # there was no such time
        return not has_come
    known, newest = line.state.inputs.get(fed.name), clock.said - ahead if clock is not None else None
    is_lead = False
    if known is not None and known.received and known.origin == fed.origin and not (clock and clock.is_wrong):
        newest = known.at if newest is None else max(newest, known.at)
        is_lead = not (known.clock_trusted or known.untimed)
    goes_back = newest is not None and first < newest - ORDER
    if not has_come:  # a clock that is ahead by more than is learned shows by that too
        return is_lead and goes_back
    usual = LONG if is_live(line, message) and not message.retained else BEHIND
    return goes_back or newest is None or message.received - later <= usual
