"""How long things take, when it is worth looking again, and when they count as late.

Ranges and limits: contracts, x-timing (https://reelmirror.com/docs/guides/webhooks). The rule for
looking is a debt: the seconds for which something may have been ready without our having seen it.
All functions are pure; times are seconds, ages are seconds since the thing was started.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True)
class Span:
    """A documented duration: usual from `low` to `high`, given up after `limit` seconds.

    `factor`: how many times faster than documented it goes (the sandbox). `steps`: ages between which even
    shares of it end, where that is known better than by the documents (`learned`).
    """

    low: float
    high: float
    limit: float
    factor: float = 1.0
    steps: tuple[float, ...] = ()

    def faster(self, factor: float) -> "Span":
        steps = tuple(step / factor for step in self.steps)
        return Span(self.low / factor, self.high / factor, self.limit / factor, self.factor * factor, steps)

    @property
    def earliest(self) -> float:
        """The age at which it can be done."""
        return self.steps[0] if self.steps else self.low

    def done_by(self, age: float) -> float:
        """The chance that it has finished at `age`: even from step to step, one in twenty running over."""
        steps = self.steps or (self.low, self.high)
        if age <= steps[0]:
            return 0.0
        if age < steps[-1]:
            step = bisect_right(steps, age) - 1
            within = (age - steps[step]) / (steps[step + 1] - steps[step])
            return 0.95 * (step + within) / (len(steps) - 1)
        over = (age - steps[-1]) / steps[-1]
        return 0.95 + 0.05 * over / (1 + over)


SPANS = {
    "image": Span(20, 90, 300),
    "video": Span(60, 300, 600),
    "voice": Span(30, 120, 300),
    "sync": Span(30, 300, 600),
    "delivery": Span(10, 60, 180),
}
SPAN_WORDS = {
    "image": "Images usually take 20 to 90 seconds.",
    "video": "Videos usually take 1 to 5 minutes.",
    "voice": "Voice conversion usually takes 30 seconds to 2 minutes.",
    "sync": "Syncing usually takes 30 seconds to 5 minutes.",
    "delivery": "Publishing usually takes 10 to 60 seconds.",
}

ENOUGH = 30  # past durations, before they count for more than the documents
SHARES = 10  # into which they are cut
SEEN_AFTER = 5.0  # seconds from done to seen, about: what is known of the past is when it was seen
EARLIER = 0.8  # of the shortest one: where looking begins, so that what became faster is found to be so


def learned(span: Span, durations: Iterable[float]) -> Span:
    """The span as the past shows it, in seconds as `span` counts them; as it is while there is too little.

    What is late stays so by the documented range and limit, and what took longer than the limit says
    nothing of the usual: nobody may have looked for hours.
    """
    known = sorted(max(one - SEEN_AFTER, one / 2) for one in durations if 0 < one <= span.limit)
    if len(known) < ENOUGH:
        return span
    steps = (known[round(share * (len(known) - 1) / SHARES)] for share in range(1, SHARES + 1))
    return replace(span, steps=(EARLIER * known[0], *steps))


SYNC_COOLDOWN = 15 * MINUTE  # a sync sooner than this is skipped
PUBLIC_LOCK_DAYS = 20  # a discounted item made public stays so


# What nobody knows the outcome of is looked for so many seconds after it was sent.
UNKNOWN_LOOKS = (15.0, 45.0, 120.0, 300.0, 600.0, 1800.0, 2 * HOUR, DAY)
SETTLING = 600.0  # effects may arrive late and lists may lag: nothing is ruled out before
SETTLING_ACCEPTED = 1800.0  # where the service said yes and nothing that could be read
LOOKS_APART = 60.0  # between two looks that did not see it


@dataclass(frozen=True)
class Pending:
    """One thing in flight, as the planner sees it."""

    span: Span
    age: float  # now
    looked_age: float  # when it was last looked at; 0 if never
    parts: int = 1  # a post is ready when all its items are
    watched: bool = False  # somebody has it on the screen

    def ready_by(self, age: float) -> float:
        return self.span.done_by(age) ** self.parts

    @property
    def waited(self) -> float:
        """Seconds since the last look, of those in which it can have been done."""
        return self.age - max(self.looked_age, self.span.earliest)


WATCHED_WEIGHT = 10.0
STEPS = 6


def debt(pending: Pending) -> float:
    """Expected seconds of readiness not seen since the last look, weighted when somebody watches."""
    then, now = pending.looked_age, pending.age
    missed = 1.0 - pending.ready_by(then)
    if now <= then or missed <= 0:
        return 0.0
    width = (now - then) / STEPS
    base = pending.ready_by(then)
    area = (
        sum((pending.ready_by(then + (step + 0.5) * width) - base) / missed for step in range(STEPS)) * width
    )
    return area * (WATCHED_WEIGHT if pending.watched else 1.0)


# Where the calls and the waiting that `python -m tests.bench.polling` measures are in balance.
CHEAP, DEAR = 1.0, 12.0
LONGEST_WAIT_FIRST, LONGEST_WAIT_LAST = 10.0, 40.0
LONGEST_WAIT_LEARNED = 22.0
LONGEST_WAIT_WATCHED = 4.0
IMPATIENCE = 3.0  # debt a second beyond the longest wait of what is watched
SHORTEST_WAIT = 2.0  # a page's own poll comes every two seconds: to know sooner helps nobody


def price_of_a_look(used_share: float) -> float:
    """The debt at which a look pays: 1 post-second with an idle budget, 12 with a full one."""
    share = min(1.0, max(0.0, used_share))
    return CHEAP + (DEAR - CHEAP) * share * share


def worth_looking(pendings: list[Pending], *, used_share: float) -> float:
    """The debt to rank by if one look that answers for all of `pendings` is due now, else 0."""
    if any(pending.looked_age and pending.age - pending.looked_age < SHORTEST_WAIT for pending in pendings):
        return 0.0
    total = sum(debt(pending) for pending in pendings) + sum(map(impatience, pendings))
    if total >= price_of_a_look(used_share):
        return total
    if any(pending.waited >= longest_wait(pending) for pending in pendings):
        return max(total, 1e-6)
    return 0.0


def longest_wait(pending: Pending) -> float:
    """Seconds from look to look at most, whatever is owed by what is believed of the duration.

    The documents may be wrong: closely at first, for what is faster than they say, and ever more rarely, for
    what is slower. What the past has shown needs less of that.
    """
    if pending.watched:
        return LONGEST_WAIT_WATCHED
    if pending.span.steps:
        return LONGEST_WAIT_LEARNED
    grown = pending.span.done_by(pending.age) * (LONGEST_WAIT_LAST - LONGEST_WAIT_FIRST)
    return LONGEST_WAIT_FIRST + grown


def impatience(pending: Pending) -> float:
    """What somebody waits for goes first once its time is over, however much else stands on other pages."""
    if not pending.watched:
        return 0.0
    return IMPATIENCE * max(0.0, pending.waited - LONGEST_WAIT_WATCHED)


def lateness(span: Span, age: float) -> str:
    """Empty within the range, then slow, no_answer past the limit, stuck past twice, lost after a day."""
    if age <= span.high:
        return ""
    if age <= span.limit:
        return "slow"
    if age <= 2 * span.limit:
        return "no_answer"
    return "stuck" if age <= max(DAY, 3 * span.limit) else "lost"


def pause_when_late(span: Span, age: float) -> float | None:
    """Seconds between looks past the limit: every minute, then hourly for a day, then None (never)."""
    pauses = {"no_answer": MINUTE / span.factor, "stuck": HOUR / span.factor, "lost": None}
    return pauses.get(lateness(span, age), 0.0)


def late_phases(span: Span) -> tuple[tuple[float, float | None], ...]:
    """From which age on the looks lie how far apart, in seconds, as long as each is made; None for never.

    Hourly it is only after the look that found it stuck, which is made a minute after the one before.
    """
    minute, hour = MINUTE / span.factor, HOUR / span.factor
    lost = max(DAY, 3 * span.limit)
    return (span.limit, minute), (2 * span.limit + minute, hour), (lost + hour, None)


def checking(pause: float | None, *, at_least: bool = False) -> str:
    """What is said while no answer comes. `pause`: real seconds between looks, 0 as usual, None for never."""
    if pause is None:
        return "No longer checked by itself"
    if not pause:
        return "Still checking"
    said = f"{pause:.0f} s"
    for length, unit in ((HOUR, "hour"), (MINUTE, "minute")):
        if pause >= length:
            count = round(pause / length)
            said = unit if count == 1 else f"{count} {unit}s"
            break
    return f"Still checking {'at least ' if at_least else ''}every {said}"
