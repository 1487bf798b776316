"""Polling: the planner of services/polling.py against the loop that the service's pages describe.

Both see the same random jobs on a virtual clock, with decisions beside them. The planner is the real one,
over its database; only the client under it is `upstream.Service`. The pages of those who look are real, too:
their own polls go through the program's views. Prints each figure beside its bar and its goal; the exit code
says whether every bar holds.

    python -m tests.bench.polling [--seed N …] [--in-flight 1,10,100,1000] [--size small|full]
"""

import argparse
import os
import random
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import ceil, sqrt
from types import SimpleNamespace
from unittest import mock

from tests.bench.upstream import (
    DECISION_COSTS,
    DECISIONS_A_MINUTE,
    LIMIT,
    PAGE_ASKS_EVERY,
    PERSONAS,
    START,
    WATCHED_EVERY,
    Job,
    Outcome,
    Service,
    decision_times,
    documented_loop,
    make_jobs,
    mean,
    moment,
    p95,
)

TURN = 1.0  # seconds between plans; the poller's own is half of it, and an answer takes the rest
GIVE_UP = 3000.0  # seconds after which a run ends whatever is left
SEEN_WITHIN = 12.0  # seconds from done to seen, at most, of what lies in the past
PAST = 60  # posts that a workspace has in its past
HTMX = {"HX-Request": "true"}


class Clock:
    def __init__(self):
        self.at = 0.0

    def now(self):
        return moment(self.at)

    def time(self) -> float:
        return START + self.at

    monotonic = time


@dataclass
class OpenPage:
    """A page on which somebody waits for this post; it asks for changes at its own pace."""

    job: Job
    asks_at: float
    version: int = 1


@contextmanager
def virtual(clock: Clock, service: Service):
    """The program under this clock and this service; nothing of it stays in the database."""
    from django.db import transaction

    from reviewqueue import gateway, wake
    from reviewqueue.services import looks, rates

    with ExitStack() as stack:
        stack.enter_context(mock.patch("django.utils.timezone.now", clock.now))
        stack.enter_context(mock.patch.object(rates, "time", clock))
        stack.enter_context(mock.patch.object(looks, "time", clock))
        stack.enter_context(mock.patch.object(gateway, "client_for", service.client))
        stack.enter_context(wake.quietly())
        stack.enter_context(transaction.atomic())
        yield
        transaction.set_rollback(True)


def planner(service: Service, decisions: list[float], past: list[Job] | None = None) -> Outcome:
    """The real planner, turn by turn, until every post is seen."""
    clock = Clock()
    with virtual(clock, service):
        desk = Desk(clock, service, decisions)
        desk.remember(past or [])
        return desk.run()


class Desk:
    """A workspace whose posts are in flight, with a reviewer at work on something else."""

    def __init__(self, clock: Clock, service: Service, decisions: list[float]):
        from django.test import Client

        from reviewqueue.models import Look
        from tests import factories

        self.clock, self.service = clock, service
        self.decisions = [SimpleNamespace(at=at, again=at, left=DECISION_COSTS) for at in decisions]
        self.workspace = factories.make_workspace("Simulated", next_number=1_000_000)
        self.key = self.workspace.keys.get().fingerprint
        self.personas = [
            factories.make_persona(
                self.workspace,
                f"Persona {number}",
                accounts=(),
                posts_walked_at=moment(GIVE_UP),  # the hourly walk is not what is measured
            )
            for number in range(PERSONAS)
        ]
        for number, persona in enumerate(self.personas):
            type(persona).objects.filter(pk=persona.pk).update(upstream_id=str(number))
        self.reviewed = factories.make_post(
            self.personas[0], made_at=moment(-7200), upstream_id="reviewed", review_status="rejected"
        )
        self.member = factories.make_member(self.workspace)
        self.browser = Client()
        backend = "allauth.account.auth_backends.AuthenticationBackend"
        self.browser.force_login(self.member.user, backend=backend)
        self.pages: dict = {}
        self.workspace.watches.all().delete()
        Look.objects.create(workspace=self.workspace, member=self.member, post=self.reviewed, at=moment(0))
        self.unborn = list(reversed(service.jobs))
        self.unseen: dict = {}
        self.out = Outcome(posts=len(service.jobs))
        self.spent = 0  # on decisions
        self.numbers = 0

    def run(self) -> Outcome:
        noted = -10.0
        while (self.unborn or self.unseen or self.pages) and self.clock.at < GIVE_UP:
            self.service.pass_time(self.clock.at)
            self.begin()
            if self.clock.at - noted >= 10:
                noted = self.clock.at
                self.workspace.looks.filter(post=self.reviewed).update(at=self.clock.now())
            self.ask_for_changes()
            self.decide()
            if self.unseen:
                self.turn()
            self.clock.at += TURN
        out, service = self.out, self.service
        out.calls, out.refused = service.served - self.spent, service.refused
        out.late += [GIVE_UP - job.done for job in self.unseen.values()]
        return out

    def begin(self) -> None:
        """What begins now lies here as if the answer to its generate call had been read."""
        from reviewqueue.models import GeneratedPost

        rows, jobs = [], []
        while self.unborn and self.unborn[-1].started <= self.clock.at:
            job = self.unborn.pop()
            jobs.append(job)
            rows.append(self.row_of(job))
        for row, job in zip(GeneratedPost.objects.bulk_create(rows), jobs, strict=True):
            self.unseen[row.pk] = job
            if job.watched:
                self.pages[row.pk] = OpenPage(job, self.clock.at + job.phase * PAGE_ASKS_EVERY)

    def row_of(self, job: Job, **facts):
        from reviewqueue.models import GeneratedPost

        at = moment(job.started)
        return GeneratedPost(
            workspace=self.workspace,
            persona=self.personas[job.persona],
            upstream_id=job.id,
            number=self.take_number(),
            made_at=at,
            asked_at=at,
            seen_at=at,
            face={"items": len(job.lasts), "done": 0, "media": job.media},
            **facts,
        )

    def take_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def remember(self, past: list[Job]) -> None:
        """Posts that were asked for from here before, and were seen some time after they were done."""
        from reviewqueue.models import GeneratedPost, MediaItem
        from tests import factories

        facts = {"status": "completed", "desk": "rejected", "review_status": "rejected"}
        rows = [self.row_of(job, **facts) for job in past]
        for row, job in zip(GeneratedPost.objects.bulk_create(rows), past, strict=True):
            MediaItem.objects.bulk_create(
                MediaItem(
                    post=row,
                    upstream_id=f"{job.id}-{number}",
                    position=number,
                    media_type=job.media,
                    status="completed",
                    asked_at=row.asked_at,
                    ended_at=moment(job.started + lasts + job.phase * SEEN_WITHIN),
                    seen_at=row.seen_at,
                )
                for number, lasts in enumerate(job.lasts)
            )
            factories.make_operation(row, "generate", by=self.member, state="succeeded")

    def ask_for_changes(self) -> None:
        """Every open page asks at its own pace, until it shows that its post is ready."""
        from django.urls import reverse

        from reviewqueue.models import GeneratedPost

        for pk, page in list(self.pages.items()):
            if page.asks_at > self.clock.at:
                continue
            page.asks_at += PAGE_ASKS_EVERY
            answer = self.browser.get(reverse("live-post", args=[pk]), {"v": page.version}, headers=HTMX)
            if answer.status_code == 200:
                post = GeneratedPost.objects.get(pk=pk)
                page.version = post.version
                if post.desk == "ready":
                    self.out.shown.append(self.clock.at - page.job.done)
                    del self.pages[pk]

    def decide(self) -> None:
        """Decisions that are due take their requests from the same minute, before the polls of the turn."""
        from reviewqueue.services import rates
        from reviewqueue.upstream import errors

        for one in self.decisions:
            if one.at > self.clock.at:
                break
            if not one.left or one.again > self.clock.at:
                continue
            given = rates.grant(self.key, one.left, "decide")
            if not given.given:
                one.again = self.clock.at + given.wait_seconds
                continue
            try:
                while one.left:
                    reading = self.service.request()
                    self.spent += 1
                    one.left -= 1
                    rates.learn(self.key, reading.limit, reading.remaining, reading.reset_in_seconds)
            except errors.Throttled as full:
                rates.block(self.key, full.wait)
                one.again = self.clock.at + full.wait
            else:
                self.out.waits.append(max(0.0, self.clock.at - one.at - TURN))  # a turn is how we cut time

    def turn(self) -> None:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from reviewqueue.services import clockwork, polling

        if len(self.unseen) > self.out.planned:
            with CaptureQueriesContext(connection) as asked:
                found = polling.plan()
            self.out.queries, self.out.planned = len(asked), len(self.unseen)
        else:
            found = polling.plan()
        for candidate in found[: clockwork.LOOKS_A_TURN]:
            polling.look_at(candidate)
        if found:
            self.see()

    def see(self) -> None:
        """What the mirror now says is done; its files are copied at once."""
        from reviewqueue.models import GeneratedPost, MediaFile
        from reviewqueue.services import desk

        MediaFile.objects.filter(workspace=self.workspace, state="wanted").update(state="stored")
        ended = GeneratedPost.objects.filter(workspace=self.workspace, desk="generating", status="completed")
        for pk in list(ended.values_list("pk", flat=True)):
            desk.refresh(pk)
            if job := self.unseen.pop(pk, None):
                self.out.saw(job, self.clock.at)


# ---- scenarios -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """One line of the table. `has_past`: the workspace knows from its own past how long things take."""

    in_flight: int
    shape: str = "burst"
    durations: str = "documented"
    has_past: bool = False
    others: float = 0.0
    sliding: bool = False
    all_watched: bool = False

    def __str__(self):
        extras = [self.durations] if self.durations != "documented" else []
        extras += ["known from its past"] if self.has_past else []
        extras += [f"second client {self.others:.0f}/min"] if self.others else []
        extras += ["sliding minute"] if self.sliding else []
        extras += ["all looked at"] if self.all_watched else []
        return ", ".join([f"{self.in_flight} {self.shape}", *extras])


def compare(scenario: Scenario, *, seed: int, runs: int, steady: float) -> tuple[Outcome, Outcome]:
    """(planner, documented loop) over the same jobs."""
    ours, theirs = Outcome(), Outcome()
    for number in range(runs):
        name = f"{seed} {number} {scenario}"
        jobs = make_jobs(
            random.Random(name),
            scenario.in_flight,
            steady=steady if scenario.shape == "steady" else 0.0,
            durations=scenario.durations,
            watched=1 if scenario.all_watched else WATCHED_EVERY,
            first=number * scenario.in_flight,
            offset=random.Random(seed).random(),
        )
        if not jobs:
            continue
        ends = max(job.done for job in jobs)
        decisions = decision_times(random.Random(f"decisions {name}"), ends)

        def service(jobs=jobs, name=name) -> Service:
            rng = random.Random(f"others {name}")
            return Service(jobs, rng, others=scenario.others, sliding=scenario.sliding)

        ours += planner(service(), decisions, past_jobs(scenario, name))
        ours.least += least_waits(jobs, left_for_polls(LIMIT, scenario))
        theirs += documented_loop(service(), decisions, ends + 3600)
    return ours, theirs


def past_jobs(scenario: Scenario, name: str) -> list[Job]:
    """Posts of an hour before, that took as long as those of the scenario do."""
    if not scenario.has_past:
        return []
    rng = random.Random(f"past {name}")
    jobs = make_jobs(rng, PAST, steady=0, durations=scenario.durations, watched=WATCHED_EVERY)
    return [replace(job, started=job.started - 3600) for job in jobs]


@dataclass(frozen=True)
class Figure:
    """One measure beside its bar and its goal (the house's budgets); less is better in all of them."""

    measured: float
    bar: float
    goal: float

    @property
    def holds(self) -> bool:
        return self.measured <= self.bar + 1e-9

    @property
    def reached(self) -> str:
        if not self.holds:
            return "FAIL"
        return "goal" if self.measured <= self.goal + 1e-9 else "pass"


# Bar and goal by number in flight: calls a post and time from done to seen, each against the loop.
CALLS = {1: (1.2, 1.0), 10: (0.75, 0.6), 100: (0.6, 0.45), 1000: (0.3, 0.2)}
LATENESS = {1: (0.35, 0.27), 10: (0.35, 0.27), 100: (0.15, 0.11), 1000: (0.03, 0.02)}
WATCHED = (4.0, 2.0)  # seconds from done to seen of what somebody looks at
SHOWN = (6.0, 3.0)  # seconds until it is on their page, without a click
DECISION = (1.0, 0.0)  # seconds that 95 % of decisions wait at most


def figures(scenario: Scenario, ours: Outcome, theirs: Outcome) -> dict[str, Figure]:
    """Each measure of the house's budgets that the scenario can tell."""
    size = scenario.in_flight
    found = {
        "429s": Figure(ours.refused, 0, 0),
        "decision waits, p95 s": Figure(p95(ours.waits) if ours.waits else 0.0, *DECISION),
    }
    if ours.watched:
        found["looked at: done to seen, mean s"] = Figure(mean(ours.watched), *WATCHED)
        found["looked at: done to shown, mean s"] = Figure(mean(ours.shown), *SHOWN)
    if not scenario.all_watched:
        found["calls a post ÷ loop"] = Figure(ours.calls_a_post / theirs.calls_a_post, *CALLS[size])
        found["done to seen ÷ loop"] = Figure(mean(ours.late) / mean(theirs.late), *LATENESS[size])
    return found


# Runs of a scenario and seed by number in flight, in twenties of posts, as one in twenty is looked at.
# And how long a steady one lasts.
RUNS = {"small": {1: 20, 10: 4, 100: 1, 1000: 1}, "full": {1: 40, 10: 10, 100: 1, 1000: 1}}
STEADY_RUNS = {"small": {1: 1, 10: 1, 100: 1, 1000: 1}, "full": {1: 3, 10: 1, 100: 1, 1000: 1}}
STEADY_SECONDS = {1: 1800.0, 10: 900.0, 100: 600.0, 1000: 400.0}


def scenarios(sizes: list[int], *, full: bool) -> list[Scenario]:
    found = [Scenario(size, shape) for size in sizes for shape in ("burst", "steady")]
    found += [Scenario(1, all_watched=True)] if 1 in sizes else []
    found += [Scenario(size, others=20.0) for size in sizes]
    if full:
        few = [size for size in sizes if size <= 100]
        odd = ("early", "late", "overrunning", "40 % faster")
        found += [Scenario(size, durations=durations) for durations in odd for size in sizes]
        found += [Scenario(size, durations=durations, has_past=True) for durations in odd for size in few]
        found += [Scenario(size, has_past=True) for size in few]
        found += [Scenario(size, "steady", others=20.0) for size in few]
        found += [Scenario(size, others=20.0, sliding=True) for size in few]
        found += [Scenario(size, sliding=True) for size in few]
    return found


def measure(scenario: Scenario, *, seeds: list[int], size: str) -> tuple[Outcome, Outcome]:
    """All seeds of a scenario together."""
    runs = (STEADY_RUNS if scenario.shape == "steady" else RUNS)[size][scenario.in_flight]
    ours, theirs = Outcome(), Outcome()
    for seed in seeds:
        steady = STEADY_SECONDS[scenario.in_flight]
        one, other = compare(scenario, seed=seed, runs=runs, steady=steady)
        ours += one
        theirs += other
    return ours, theirs


def half_a_round(scenario: Scenario) -> float:
    """Seconds from done to seen, on average, while every list page holds posts and each is read in its turn.

    What is left for polls is the minute of their class less what the second client and the decisions take:
    who does not know when something is done cannot do better by much.
    """
    from reviewqueue.services import rates

    left = left_for_polls(int(LIMIT * rates.CEILING["poll_beside_people"]), scenario)
    pages = min(scenario.in_flight, PERSONAS * ceil(scenario.in_flight / PERSONAS / 100))
    return pages * 60 / left / 2


def left_for_polls(most: float, scenario: Scenario) -> float:
    """Requests a minute that the second client and the decisions leave of so many."""
    return most - scenario.others - DECISIONS_A_MINUTE * DECISION_COSTS


def least_waits(jobs: list[Job], a_minute: float) -> list[float]:
    """For each post that is looked at: seconds from done to seen that no planner gets below on average.

    Whoever learns only by reading a page what is done on it, and reads it r times a second, waits 1 / 2r.
    With k unfinished posts that are looked at on each of several pages, the best division of all R requests a
    second among these pages comes to (Σ√k)² / 2RΣk. All else gets nothing, and no decision any reserve.
    """
    place = {}
    for persona in range(PERSONAS):
        listed = sorted((job for job in jobs if job.persona == persona), key=lambda job: -job.started)
        place |= {job.id: (persona, rank // 100) for rank, job in enumerate(listed)}
    watched = [job for job in jobs if job.watched]
    found = []
    for job in watched:
        there = Counter(place[one.id] for one in watched if one.started <= job.done <= one.done)
        found.append(sum(map(sqrt, there.values())) ** 2 / there.total() / (2 * a_minute / 60))
    return found


HEAD = (
    f"{'in flight':46} {'posts':>5} | {'calls/post':>10} {'loop':>5} | {'seen mean':>9} {'p95':>5} "
    f"{'loop':>6} {'p95':>6} | {'looked at':>9} {'p95':>5} {'shown':>5} {'loop':>6} | "
    f"{'429':>3} {'loop':>5} | {'decision p95':>12} {'loop':>6} | {'queries':>7} | {'½ round':>7} "
    f"{'least':>5}"
)


def line(scenario: Scenario, ours: Outcome, theirs: Outcome) -> str:
    return (
        f"{scenario!s:46} {ours.posts:5} | {ours.calls_a_post:10.2f} {theirs.calls_a_post:5.2f} | "
        f"{mean(ours.late):9.1f} {p95(ours.late):5.1f} {mean(theirs.late):6.1f} {p95(theirs.late):6.1f} | "
        f"{mean(ours.watched):9.1f} {p95(ours.watched):5.1f} {mean(ours.shown):5.1f} "
        f"{mean(theirs.watched):6.1f} | {ours.refused:3} {theirs.refused:5} | "
        f"{p95(ours.waits):12.1f} {p95(theirs.waits):6.0f} | {ours.queries:7} | "
        f"{half_a_round(scenario):7.1f} {mean(ours.least):5.1f}"
    )


def lines_of(found: dict[str, Figure]) -> list[str]:
    return [
        f"    {name:34} {one.measured:7.2f}   bar {one.bar:5.2f}   goal {one.goal:5.2f}   {one.reached}"
        for name, one in found.items()
    ]


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--in-flight", default="1,10,100,1000")
    parser.add_argument("--size", choices=RUNS, default="small")
    options = parser.parse_args()
    sizes = [int(one) for one in options.in_flight.split(",")]
    failed = []
    with own_database():
        say(f"seeds {options.seed}, {options.size}", HEAD)
        for scenario in scenarios(sizes, full=options.size == "full"):
            ours, theirs = measure(scenario, seeds=options.seed, size=options.size)
            found = figures(scenario, ours, theirs)
            say(line(scenario, ours, theirs), *lines_of(found))
            failed += [f"{scenario}: {name}" for name, one in found.items() if not one.holds]
    say(*(["bars that do not hold:", *failed] if failed else ["every bar holds"]))
    return 1 if failed else 0


@contextmanager
def own_database():
    """A database in memory, as the tests have it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings_test")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        yield
    finally:
        connection.creation.destroy_test_db("unused", verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
