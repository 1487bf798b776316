"""What is generated in a simulation, a service that tells of it, and the loop that its pages describe."""

import heapq
import random
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from reviewqueue.rules.cadence import SPANS
from reviewqueue.upstream import errors
from reviewqueue.upstream.exchange import RateReading
from reviewqueue.upstream.reelmirror import types

LIMIT = 60  # requests a minute and key (contracts, x-rate-limits)
START = 60.0 * 34_000_000  # the epoch second at which every simulation begins: a full minute
WATCHED_EVERY = 20  # one in twenty posts is on somebody's screen
PERSONAS = 4
PAGE_ASKS_EVERY = 2.0  # seconds; an open page, while something on it is in flight


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(START + at, UTC)


@dataclass
class Job:
    """A post that is being made: a video, or one to four images, each done at an age of its own."""

    started: float
    persona: int
    media: str
    lasts: tuple[float, ...]
    watched: bool
    id: str
    phase: float = 0.0  # where in its interval the page asks that shows it, from 0 to 1

    @property
    def done(self) -> float:
        return self.started + max(self.lasts)


# How long an item really takes by its place among all (0 to 1), given the documented range.
DURATIONS = {
    "documented": lambda place, low, high: low + (high - low) * place,
    "early": lambda place, low, high: low + (high - low) * (1 - (1 - place) ** (1 / 3)),
    "late": lambda place, low, high: low + (high - low) * place ** (1 / 3),
    "overrunning": lambda place, low, high: (
        low + (high - low) * place / 0.9 if place < 0.9 else high + high * (place - 0.9) / 0.1
    ),
    "40 % faster": lambda place, low, high: 0.6 * (low + (high - low) * place),
}
EVENLY = 0.618034  # steps by which places are taken, so that few posts already show all durations
MEAN_SECONDS = 130.0  # of a post, about; for how many begin in a steady state


def make_jobs(
    rng: random.Random,
    count: int,
    *,
    steady: float,
    durations: str,
    watched: int,
    first: int = 0,
    offset: float = 0.0,
) -> list[Job]:
    """`count` posts started within ten seconds; or with `steady` so many in flight for that many seconds.

    Every `watched`-th is looked at, every other one is a video. `first` is how many there were before,
    `offset` where the durations begin.
    """
    if steady:
        starts, at = [], 0.0
        while (at := at + rng.expovariate(count / MEAN_SECONDS)) < steady:
            starts.append(at)
    else:
        starts = sorted(rng.uniform(0, 10) for _ in range(count))
    jobs = []
    for number, started in enumerate(starts, first):
        media = ("video", "image")[(number + number // watched) % 2]
        span = SPANS[media]
        parts = 1 if media == "video" else 1 + number // 2 % 4
        last = ((offset + number // 2 * EVENLY) % 1) ** (1 / parts)  # of the item that is done last
        places = [last, *(last * rng.random() for _ in range(parts - 1))]
        lasts = tuple(DURATIONS[durations](place, span.low, span.high) for place in places)
        is_watched = number % watched == watched // 2
        name = str(uuid.UUID(int=rng.getrandbits(128)))
        jobs.append(Job(started, rng.randrange(PERSONAS), media, lasts, is_watched, name, rng.random()))
    return jobs


@dataclass
class Service:
    """Counts requests under one key as the real one does and refuses what is too much.

    `others`: requests a minute that a second client makes under the same key. `sliding`: the minute slides
    instead of beginning anew on the clock. `refused` counts only what we were refused.
    """

    jobs: list[Job]
    rng: random.Random
    others: float = 0.0
    sliding: bool = False
    now: float = 0.0
    served: int = 0
    refused: int = 0
    _used: list[float] = field(default_factory=list)
    _next_other: float = 0.0

    def __post_init__(self):
        self.by_id = {job.id: job for job in self.jobs}
        self.lists = [[job for job in self.jobs if job.persona == number] for number in range(PERSONAS)]
        self._next_other = self.rng.expovariate(self.others / 60) if self.others else float("inf")

    def pass_time(self, to: float) -> None:
        """The second client makes its requests meanwhile; those refused are its own affair."""
        while self._next_other <= to:
            self._take(self._next_other)
            self._next_other += self.rng.expovariate(self.others / 60)
        self.now = to

    def _window(self, at: float) -> list[float]:
        begin = at - 60 if self.sliding else at // 60 * 60
        self._used = [one for one in self._used if (one > begin if self.sliding else one >= begin)]
        return self._used

    def _take(self, at: float) -> bool:
        used = self._window(at)
        if len(used) >= LIMIT:
            return False
        used.append(at)
        return True

    def resets_at(self) -> float:
        used = self._window(self.now)
        return used[0] + 60 if self.sliding and used else self.now // 60 * 60 + 60

    def request(self) -> RateReading:
        """One request under our key. Raises Throttled."""
        taken = self._take(self.now)
        self.served += taken
        self.refused += not taken
        reading = RateReading(LIMIT, LIMIT - len(self._used), max(1.0, self.resets_at() - self.now))
        if not taken:
            raise errors.Throttled("Too many requests", wait=reading.reset_in_seconds)
        return reading

    # What it tells of a post, as the client reads it.

    def post(self, job: Job) -> types.GeneratedPost:
        age = self.now - job.started
        ended = [age >= lasts for lasts in job.lasts]
        items = tuple(
            types.MediaItem(
                id=f"{job.id}-{number}",
                status="completed" if is_ended else "generating",
                generated_post_id=job.id,
                media_type=job.media,
                url=f"https://media.example.com/{job.id}-{number}.webp?sig={self.now}" if is_ended else None,
                position=number,
                review_status="pending_review",
                created_at=moment(job.started),
            )
            for number, is_ended in enumerate(ended)
        )
        return types.GeneratedPost(
            id=job.id,
            status="completed" if all(ended) else "generating",
            media_items=items,
            persona_id=str(job.persona),
            review_status="pending_review",
            caption="Door no. 114.",
            created_at=moment(job.started),
        )

    def page(self, persona: int, limit: int, offset: int) -> types.Page:
        """Newest first."""
        rows = self.lists[persona]
        there = bisect_right(rows, self.now, key=lambda job: job.started)
        rows = rows[max(0, there - offset - limit) : max(0, there - offset)]
        return types.Page(items=tuple(self.post(job) for job in reversed(rows)), count=there)

    def client(self, key=None, *, observe=None, **_options):
        """Stands where gateway.client_for stands."""

        def asked(answer):
            reading = self.request()
            if observe:
                observe(SimpleNamespace(rate=reading))
            return answer()

        posts = SimpleNamespace(
            list=lambda persona, limit=100, offset=0: asked(lambda: self.page(int(persona), limit, offset)),
            get=lambda post_id: asked(lambda: self.post(self.by_id[post_id])),
        )
        return SimpleNamespace(posts=posts)


@dataclass
class Outcome:
    """What one or several runs came to."""

    posts: int = 0
    calls: int = 0
    refused: int = 0
    late: list[float] = field(default_factory=list)  # from done to seen
    watched: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)  # from done to being on the page of who looks
    waits: list[float] = field(default_factory=list)  # of decisions
    least: list[float] = field(default_factory=list)  # below which no planner gets what is looked at
    queries: int = 0  # of the costliest plan
    planned: int = 0  # how many posts were in flight then

    def saw(self, job: Job, at: float) -> None:
        self.late.append(at - job.done)
        if job.watched:
            self.watched.append(at - job.done)

    def __iadd__(self, other: "Outcome") -> "Outcome":
        for name in ("posts", "calls", "refused", "late", "watched", "shown", "waits", "least"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.planned >= self.planned:
            self.queries, self.planned = other.queries, other.planned
        return self

    @property
    def calls_a_post(self) -> float:
        return self.calls / max(1, self.posts)


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)] if values else float("nan")


DECISIONS_A_MINUTE = 6
DECISION_COSTS = 2  # the fresh read before it, and the decision itself


def decision_times(rng: random.Random, until: float) -> list[float]:
    times, at = [], 0.0
    while (at := at + rng.expovariate(DECISIONS_A_MINUTE / 60)) < until:
        times.append(at)
    return times


def documented_loop(service: Service, decisions: list[float], until: float) -> Outcome:
    """Each post asked for singly after 5 s, then after 1.5 times as long, at most 60 s, 60 times; on a 429
    again once the limit starts anew. Decisions are made beside it and wait likewise.
    """
    out, rng = Outcome(posts=len(service.jobs)), service.rng
    queue = [(job.started + 5, rng.random(), "poll", job, 5.0, 1) for job in service.jobs]
    queue += [(at, rng.random(), "decide", at, 0.0, DECISION_COSTS) for at in decisions]
    heapq.heapify(queue)
    polls, unseen = 0, {job.id: job for job in service.jobs}
    while queue and queue[0][0] < until:
        at, _, what, subject, pause, count = heapq.heappop(queue)
        service.pass_time(at)
        try:
            service.request()
        except errors.Throttled as full:
            heapq.heappush(queue, (at + full.wait, rng.random(), what, subject, pause, count))
            continue
        if what == "decide":
            if count > 1:
                heapq.heappush(queue, (at, rng.random(), what, subject, pause, count - 1))
            else:
                out.waits.append(at - subject)
            continue
        polls += 1
        if subject.done <= at:
            out.saw(subject, at)
            del unseen[subject.id]
        elif count < 60:
            pause = min(60.0, pause * 1.5)
            heapq.heappush(queue, (at + pause, rng.random(), what, subject, pause, count + 1))
    out.late += [max(0.0, until - job.done) for job in unseen.values()]  # never seen: at least so late
    out.calls, out.refused = polls, service.refused
    return out
