"""What a running count says: how many since it was last seen.

A PLC's counter grows, rolls over at its width, and is reset by people and programs. The gateway sees it only now and
then, so each rule here is about two sightings and the time between them, and about what is remembered from before: how
far it usually moves, and a glitch that may be under way. All is in the numbers that the PLC shows.

Inside, a count always grows: a number with a sign is taken as the bits that it stands for, and of a counter that counts
down the negative is taken.
"""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.schema_io import Counter
from gateway.frozen import dataclass, replace
from gateway.mapping.values import DECIMALS, Number, whole

JITTER = 1.0
"""Seconds added to the time between two sightings before a rate is called implausible: sampling is not exact."""
REMEMBERED_MOVES = 100
"""Without a `max_rate`, the largest of so many moves says what is usual."""
FAR = 100
"""A move of more than so many times what is usual is implausible."""
UNUSUAL = 10
"""A move of more than so many times what is usual is rather one that comes back, if it ends where that would."""
FEW = 100
"""As many can always be made between a reset and the next sighting where there is no `max_rate`."""
REMEMBERED_EXCURSIONS = 3
"""After so many implausible moves in a row the counter may still come back to what it showed before them."""
EXCURSION = 60.0
"""Seconds for which it may still come back although it may have counted all that it shows from where it went."""


@dataclass(frozen=True, slots=True)
class Excursion:
    """A move that no machine makes, or that ends at zero or over the rollover as a restart's does, and after which the
    counter may come back: `value` is what it showed before, `counted` what was counted since, `seconds` how long ago
    that was, `away` for how long it has shown something else. `before`: the one that was under way already. `possible`:
    the machine can have made the move, or has counted on from where it went."""

    value: Number
    counted: Number
    seconds: float
    before: Annotated["Excursion | None", Field(exclude_if=lambda before: before is None)] = None
    possible: Annotated[bool, Field(exclude_if=lambda possible: not possible)] = False
    away: Annotated[float, Field(exclude_if=lambda away: not away)] = 0.0


@dataclass(frozen=True, slots=True)
class CounterMemory:
    """What is remembered of a counter beside its value: how often it has `moved`, the `largest` of its last moves
    (each with its number, smaller and smaller), and the `excursion` that is under way."""

    moved: int = 0
    largest: tuple[tuple[int, Number], ...] = ()
    excursion: Annotated[Excursion | None, Field(exclude_if=lambda excursion: excursion is None)] = None

    @property
    def usual(self) -> Number | None:
        """The largest of the last moves; None where there were none."""
        return self.largest[0][1] if self.largest else None

    def with_move(self, amount: Number) -> "CounterMemory":
        """After one more move."""
        number = self.moved + 1
        if self.largest and amount >= self.largest[0][1]:
            return CounterMemory(number, ((number, amount),), self.excursion)
        oldest = number - REMEMBERED_MOVES
        kept = [move for move in self.largest if move[1] > amount and move[0] > oldest]
        return CounterMemory(number, (*kept, (number, amount)), self.excursion)


NOTHING_KNOWN = CounterMemory()


Move = Literal["on", "anew", "back"]
"""How a counter came to what it shows: it went on, it began anew, or it is back from where a glitch had shown it."""


@dataclass(frozen=True, slots=True)
class CounterDelta:
    """What was counted between two sightings; `gap` says what is doubtful about it, as a sentence; `memory` is what is
    remembered from now on."""

    amount: Number
    gap: str | None = None
    memory: CounterMemory = NOTHING_KNOWN
    move: Move = "on"


@dataclass(frozen=True, slots=True)
class Credit:
    """So much of what is counted next has been told already, in the unit in which it is told; `anew`: the counter began
    anew before all of it was seen, so that the rest is of counts that nobody will see."""

    amount: Number
    anew: Annotated[bool, Field(exclude_if=lambda anew: not anew)] = False


def refusal(counter: Counter, value: Number) -> str | None:
    """Why this counter cannot show `value`, as the end of a sentence; None where it can."""
    if counter.signed is not None:
        half = 1 << (counter.signed - 1)
        fits = isinstance(value, int) and -half <= value < half
        return None if fits else f"is no whole number from {-half} to {half - 1}, which {counter.signed} bits hold"
    if value < 0 and (counter.rollover is not None or (counter.backwards != "count" and counter.direction == "up")):
        return "is negative, which a counter never is"
    if counter.rollover is not None and value >= counter.rollover:
        return f"is not below the counter's rollover of {counter.rollover}"
    return None


def is_before(counter: Counter, value: Number, known: Number) -> bool:
    """Whether the counter showed `value` before it showed `known`, unless it has rolled over or was set back."""
    return _count(counter, value) < _count(counter, known)


def delta(
    counter: Counter,
    last: Number,
    value: Number,
    elapsed: float,
    *,
    watched: bool,
    restarted: bool = False,
    memory: CounterMemory = NOTHING_KNOWN,
) -> CounterDelta:
    """How far the counter came from `last` to `value` in `elapsed` seconds, in which it was `watched` or not.

    `restarted`: what it starts again with has changed in between, and nobody watched. Forwards: by the difference.
    Backwards: over its rollover where that is plausible, else it was set back, which means what its `backwards` says.
    With a `max_rate` a move is plausible up to that rate; without, where it was watched, up to FAR times what is usual.
    Where it was not watched for long enough for a whole turn, how many turns there were cannot be told and the shortest
    way is counted. What goes away by an implausible move, to zero or over the rollover, and comes back by a move that
    it cannot have made, to what it showed or a little more, was a glitch; so it is where it has counted on for a while,
    and where it comes back from zero itself, soon.
    """
    if watched and not restarted and (known := counted_on(counter, last, value, elapsed, memory)) is not None:
        return CounterDelta(value - last, None, known)
    move = _Move(counter, last, value, max(elapsed, 0.0), memory, watched=watched)
    if restarted:
        return move.restarted()
    if move.begin == move.end:
        return move.rested()
    return move.returned() or move.taken()


def counted_on(
    counter: Counter, last: Number, value: Number, elapsed: float, memory: CounterMemory
) -> CounterMemory | None:
    """What is remembered of a counter that was watched and has counted on from `last` to `value`; None where it can
    have done anything else. As nearly always: the rest of this module has nothing to say of it."""
    if memory.excursion is not None or not _goes_up(counter, last, value):
        return None
    amount, most = value - last, _most(counter, max(elapsed, 0.0), memory, watched=True)
    if most is not None and amount > most:
        return None
    return memory if counter.max_rate is not None else memory.with_move(amount)


def less_credit(
    counter: Counter, credit: Credit, amount: Number, move: Move, unit: Number, *, alone: bool
) -> tuple[Number, Credit | None, Number]:
    """What is left to tell of an `amount` that was counted; what is still to be taken off; and what never can be.

    `unit` is what one count means in the amount; `alone`: nothing but this counter has told of its kind, so that what
    it shows says how often it had rolled over or been reset meanwhile. Never more is left to tell than was counted
    beyond what was told.
    """
    if credit.anew and move == "on" and amount:
        return amount, None, credit.amount
    turn = abs(counter.turn * unit) if counter.turn is not None and alone else None
    rest = amount - credit.amount
    if counter.backwards == "count":
        return rest if turn is None else rest - turn * round(rest / turn), None, 0
    more = rest if credit.amount > 0 else -rest
    if more < 0 and turn is not None and move != "anew":
        more += turn * round(-more / turn)  # so often it had rolled over
    more = whole(round(more if credit.amount > 0 else -more, DECIMALS))
    if more == 0 or (more > 0) == (credit.amount > 0):
        return more, None, 0
    return 0, Credit(-more, anew=alone and move == "anew"), 0


class _Move:
    """One move of a counter, with what it could have counted at most (None: anything)."""

    def __init__(
        self, counter: Counter, last: Number, value: Number, elapsed: float, memory: CounterMemory, *, watched: bool
    ) -> None:
        self.counter = counter
        self.begin, self.end = _count(counter, last), _count(counter, value)
        self.elapsed = elapsed
        self.watched = watched
        self.memory = memory
        self.most = _most(counter, elapsed, memory, watched=watched)
        self.last = last
        self.shows_zero = value == 0
        self.went = f"went from {last} to {value}"

    def restarted(self) -> CounterDelta:
        """It began anew: all that it shows was counted since, or, where it counts down, nobody knows how much."""
        move = self._plausible(self.end if self.counter.direction == "up" else 0)
        return replace(move, memory=replace(move.memory, excursion=None), move="anew")

    def rested(self) -> CounterDelta:
        """It shows what it showed."""
        if self.memory.excursion is None:
            return CounterDelta(0, None, self.memory)
        excursion = _later(self.memory.excursion, 0, self.elapsed)
        return CounterDelta(0, None, replace(self.memory, excursion=excursion))

    def returned(self) -> CounterDelta | None:
        """What was counted where it comes back from an excursion; None where it does not.

        The newest counts, or one before of the same fall, such as 10, 4, 0, 11: the nearest.
        """
        excursion = _later(self.memory.excursion, 0, self.elapsed)
        if excursion is None or (self._goes_on() and not self._dips(excursion)):
            return None
        found: tuple[Excursion, Number] | None = None
        while excursion is not None and not (excursion.possible and (found is not None or self._explains(excursion))):
            back = self._ahead_of(excursion)
            if 0 <= back <= self._made_since(excursion) and (found is None or back < found[1]):
                found = excursion, back
            excursion = excursion.before
        return None if found is None else self._glitch(*found)

    def _ahead_of(self, excursion: Excursion) -> Number:
        """How far it is ahead of what it showed before the excursion. With a known rate it may have rolled over behind
        one that it cannot have made; not behind zero, from where less than it showed is what was made since a reset."""
        ahead, turn = self.end - _count(self.counter, excursion.value), self.counter.turn
        may_roll_over = self.counter.max_rate is not None and self.last != 0 and not excursion.possible
        return ahead + turn if ahead < 0 and may_roll_over and turn is not None else ahead

    def _dips(self, excursion: Excursion) -> bool:
        """Whether it has shown nothing but what it fell to, and not for long, since it fell by more than it can make:
        to zero, and it comes back by more than it usually moves; or to what it can hardly have made since a reset."""
        usual = 0 if self.counter.max_rate is not None else self.memory.usual
        if usual is None or excursion.possible or excursion.away > EXCURSION:
            return False
        if self.last == 0:
            return self.end - self.begin > usual
        is_reset = excursion.counted and (self.counter.max_rate is not None or excursion.counted <= usual)
        fell = self.begin < _count(self.counter, excursion.value)
        return fell and not is_reset and self.counter.restarts_with is None

    def _explains(self, excursion: Excursion) -> bool:
        """Whether what it has made since the excursion, or that it was set anew, explains the move as well."""
        ahead, turn = self.end - self.begin, self.counter.turn
        if ahead < 0 and self.counter.direction == "down":
            return excursion.away > EXCURSION
        if ahead < 0 and turn is not None:
            ahead += turn  # it has rolled over, as it may have before
        return self.counter.max_rate is not None and 0 <= ahead <= (self.most or 0)

    def _made_since(self, excursion: Excursion) -> float:
        """How much it may have counted since before the excursion, at most."""
        if self.counter.max_rate is not None:
            return self.counter.max_rate * (excursion.seconds + JITTER) + 1
        if not self.watched:
            return 0
        ahead, usual = self.end - self.begin, self.memory.usual
        if usual is None:
            return ahead / FAR
        return FAR * usual if not 0 <= ahead <= FAR * usual else usual

    def _glitch(self, excursion: Excursion, back: Number) -> CounterDelta:
        """It is back from the excursion, and `back` farther than it was then."""
        amount, ago = back - excursion.counted, f"{excursion.seconds:.0f} s before"
        how = f"{self.went} after {excursion.value}, {ago}: a glitch, {displayed(back)} counted"
        under_way = _later(excursion.before, amount, 0)
        if self.end < _count(self.counter, excursion.value):  # over the rollover, or the glitch goes on
            under_way = Excursion(excursion.value, back, excursion.seconds, under_way, possible=True)
        memory = replace(self.memory, excursion=under_way)
        return CounterDelta(amount, how, memory.with_move(back) if back else memory, "back")

    def _goes_on(self) -> bool:
        """Whether all of the move can have been made: then it is none that comes back."""
        ahead = self.end - self.begin
        if self.counter.max_rate is not None:
            return 0 <= ahead <= self.counter.max_rate * self.elapsed
        return not self.watched or 0 <= ahead <= max(FEW, UNUSUAL * (self.memory.usual or 0))

    def taken(self) -> CounterDelta:
        """What the move means by itself."""
        counter = self.counter
        amount = self._difference()
        if amount is None:
            return replace(self._reset(), move="anew")
        turn = counter.turn if not self.watched else None
        if counter.max_rate is not None and turn is not None and self.elapsed > turn / counter.max_rate:
            unseen = f"was not seen for {self.elapsed:.0f} s, long enough for a whole turn"
            memory = replace(self.memory, excursion=None)
            return CounterDelta(amount, f"{unseen}: {displayed(amount)} counted", memory)
        return self._plausible(amount)

    def _difference(self) -> Number | None:
        """The difference, or the way over the rollover where that is meant; None where the counter was set back."""
        ahead, turn = self.end - self.begin, self.counter.turn
        if self.counter.backwards == "count":
            if turn is None or abs(ahead) * 2 <= turn:
                return ahead
            return ahead - turn if ahead > 0 else ahead + turn
        if ahead >= 0:
            return ahead
        over = None if turn is None else ahead + turn
        return None if over is None or over < 0 or (self.most is not None and over > self.most) else over

    def _reset(self) -> CounterDelta:
        """It went back, and that is no rollover."""
        counter = self.counter
        if counter.direction == "down":
            quiet = counter.restarts_with is not None
            return self._doubtful(0, None if quiet else f"{self.went}: set to another value, nothing counted")
        if counter.backwards == "ignore":
            return self._doubtful(0, f"{self.went}: set to another value, nothing counted")
        if self.most is not None and self.end > self.most:
            none = "not a reset to zero, for so many cannot have been made since; nothing counted"
            return self._doubtful(0, f"{self.went}: {none}")
        taken = None if counter.restarts_with is not None else f"{self.went}: taken as a reset, {self.end} counted"
        return self._doubtful(self.end, taken, is_usual=False)

    def _plausible(self, amount: Number) -> CounterDelta:
        if self.most is None or abs(amount) <= self.most:
            if amount > 0 and (self.end < self.begin or self.shows_zero):
                return self._doubtful(amount, None, possible=True)
            excursion = self.memory.excursion
            going_on = excursion is not None and excursion.away + self.elapsed <= EXCURSION
            later = _later(excursion, amount, self.elapsed) if going_on else None
            if later is not None and amount:
                later = replace(later, possible=True)
            memory = self.memory if later is excursion else replace(self.memory, excursion=later)
            is_usual = amount > 0 and self.watched and self.counter.max_rate is None
            return CounterDelta(amount, None, memory.with_move(amount) if is_usual else memory)
        how = f"in {self.elapsed:.1f} s, faster than its max_rate"
        if self.counter.max_rate is None:
            how = f"at once, more than {FAR} times what it moved by at most before"
        if self.counter.too_fast == "ignore":
            return self._doubtful(0, f"{self.went} {how}: not counted")
        return self._doubtful(amount, f"{self.went} {how}: counted")

    def _doubtful(
        self, amount: Number, gap: str | None, *, possible: bool = False, is_usual: bool = True
    ) -> CounterDelta:
        """A move after which it may come back; `is_usual`: where it does not, it shows how far it moves."""
        is_usual = is_usual and amount > 0 and self.counter.max_rate is None
        memory = self.memory.with_move(amount) if is_usual else self.memory
        before = _later(memory.excursion, amount, self.elapsed, REMEMBERED_EXCURSIONS - 1)
        excursion = Excursion(self.last, amount, self.elapsed, before, possible)
        return CounterDelta(amount, gap, replace(memory, excursion=excursion))


def _later(
    excursion: Excursion | None, counted: Number, seconds: float, most: int = REMEMBERED_EXCURSIONS
) -> Excursion | None:
    """The excursion, and the `most` newest under way with it, after so many more were counted in so many seconds."""
    if excursion is None or most == 0:
        return None
    before = _later(excursion.before, counted, seconds, most - 1)
    counted, away = excursion.counted + counted, excursion.away + seconds
    return replace(excursion, counted=counted, seconds=excursion.seconds + seconds, before=before, away=away)


def _count(counter: Counter, value: Number) -> Number:
    """What the counter has counted when it shows `value`, from wherever it began."""
    if counter.signed is not None and isinstance(value, int):
        value &= (1 << counter.signed) - 1
    return value if counter.direction == "up" else -value


def _goes_up(counter: Counter, last: Number, value: Number) -> bool:
    """Whether it shows more than it did, which can mean nothing but that so many more were counted."""
    return last < value != 0 and counter.direction == "up" and counter.signed is None and counter.backwards != "count"


def _most(counter: Counter, elapsed: float, memory: CounterMemory, *, watched: bool) -> float | None:
    """What it can have counted at most in so many seconds; None where that is not known."""
    if counter.max_rate is not None:
        return counter.max_rate * (elapsed + JITTER) + 1
    usual = memory.usual
    return None if usual is None or not watched else FAR * usual


def displayed(amount: Number) -> Number:
    """The amount as a person would write it: what floats cannot hold is hidden."""
    return whole(round(amount, DECIMALS))
