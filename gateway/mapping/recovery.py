"""What a source has kept while it was not heard, put in its places among what a line heard meanwhile.

Where nothing of it is missing for the line, and the line remembers what it has heard since, the source was heard after
all: what was decided because it was not is decided again. Else what there is of it is put in its places, and that the
source was lost stands.
"""

from gateway.frozen import replace
from gateway.mapping.again import Slices, corrected
from gateway.mapping.clocks import CALM
from gateway.mapping.compile import LinePlan
from gateway.mapping.line import Step
from gateway.mapping.trail import MOST_AT_ALL, Feed
from gateway.model import Notice, Recovered


def put_back(plan: LinePlan, line: Feed, kept: Recovered) -> Slices[tuple[Feed, Step]]:
    """The line with what was `kept` in its places, and what is to be told because of that. The trail is recalled."""
    line = replace(line, recovered={**line.recovered, kept.source: kept.received})
    loss = line.state.lost.get(kept.source)
    if loss is not None and loss.since is None and not kept.in_part:
        # The gateway was off, and each line has heard it until another time.
        newer = tuple(moment for moment in kept.moments if moment.received > loss.until)
        kept = replace(kept, since=loss.until, moments=newer)
    base = kept.received
    if line.base is not None and line.base.after is not None:
        base = max(line.base.at, line.base.after.now)
    moments = [(moment, moment.received) for moment in kept.moments]
    fitting = [(moment, said) for moment, said in moments if said >= base][-MOST_AT_ALL:]
    lacking = kept.in_part or any(
        source == kept.source and address in kept.missing for source, address in plan.subscriptions
    )
    whole = not lacking and base <= kept.since and len(fitting) == len(moments)
    if not fitting and not whole:
        return line, Step(line.state, notices=left_out(kept, len(moments)))
    before = line
    line, result = yield from corrected(plan, line, fitting, kept.received, kept if whole else None)
    line = replace(line, corrected=before.corrected + 1)
    if whole:
        behind = {source: at for source, at in line.behind.items() if source != kept.source}
        line = replace(line, behind=behind, calm_from={**line.calm_from, kept.source: kept.received + CALM})
    notices = (*result.notices, *left_out(kept, len(moments) - len(fitting)))
    return line, replace(result, notices=notices)


def left_out(kept: Recovered, moments: int) -> tuple[Notice, ...]:
    """What is said of so many moments that are not put in their places."""
    if not moments:
        return ()
    text = f"{moments} moments that it had kept are older than what is remembered of the line, and left out"
    return (Notice("gap", kept.received, kept.source, "", text),)
