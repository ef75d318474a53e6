"""What a message of a line shows of its sender's clock, and what is known of that: by how much it is ahead of its
arrival, or what is wrong with it. Pure."""

from gateway.frozen import replace
from gateway.mapping.clocks import CALM, LONG, SenderClock, delay, lead, problem, with_message
from gateway.mapping.compile import LinePlan
from gateway.mapping.inputs import SOON, stated_time
from gateway.mapping.trail import Feed
from gateway.model import Notice, Sample


def as_known(message: Sample, clock: SenderClock | None) -> Sample:
    """The message, of which is known by how much its sender's clock is ahead."""
    return replace(message, ahead=clock.ahead) if clock is not None and clock.ahead else message


def is_live(line: Feed, message: Sample) -> bool:
    """Whether the message came as it was said, for all that is known: its source has been heard for a while."""
    return message.source not in line.state.lost and message.received >= line.calm_from.get(message.source, 0.0)


def judged(plan: LinePlan, line: Feed, message: Sample, said: float) -> tuple[Feed, Sample, tuple[Notice, ...]]:
    """What a message shows of its sender's clock; and the message with what is known of that: by how much it is ahead,
    or what is wrong with it. What is to be listed where a clock is ahead, or each message late."""
    stated = max(filter(None, (stated_time(each, message) for each in plan.fed_by(message))), default=said)
    stream, lag = (message.source, message.address), message.received - stated
    live, known = is_live(line, message), line.clocks.get(stream)
    clock = with_message(known, said, lag, is_live=live)
    if clock is not known:
        line = replace(line, clocks={**line.clocks, stream: clock})
    if -lag - clock.ahead > SOON:
        wrong = f"the clock of the sender is {-lag:.0f} s ahead, so the time of arrival counts"
        return line, replace(message, distrust=wrong), ()
    message = as_known(message, clock)
    if clock.ahead > SOON and not (known is not None and known.ahead > SOON):
        return line, message, (Notice("time", message.received, *stream, lead(clock.ahead)),)
    if clock is known or clock.older or plan.counts_each(message):  # a person may book later what was then
        return line, message, ()
    longest = max(plan.late, LONG)
    is_beyond = live and lag > longest and line.heard_by(message.received - CALM) - said > longest
    if is_beyond or clock.is_wrong:
        return line, replace(message, distrust=problem(lag)), ()
    begins = clock.is_steady and not (known is not None and known.is_steady)
    return line, message, (Notice("time", message.received, *stream, delay(lag)),) if begins else ()
