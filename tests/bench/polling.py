"""Polling: the planner of services/polling.py against the loop that the service's pages describe.

Both see the same random jobs on a virtual clock, with decisions beside them. The planner is the real one,
over its database; only the client under it is `upstream.Service`. Prints a table and which bars hold.

    python -m tests.bench.polling [--seed N] [--in-flight 1,10,100,1000] [--size small|full]
"""

import argparse
import os
import random
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

from tests.bench.upstream import (
    DECISION_COSTS,
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
PAGE_ASKS_EVERY = 2.0  # an open page, while something on it is in flight
GIVE_UP = 3000.0  # seconds after which a run ends whatever is left


class Clock:
    def __init__(self):
        self.at = 0.0

    def now(self):
        return moment(self.at)

    def time(self) -> float:
        return START + self.at


@contextmanager
def virtual(clock: Clock, service: Service):
    """The program under this clock and this service; nothing of it stays in the database."""
    from django.db import transaction

    from reviewqueue import gateway, wake
    from reviewqueue.services import rates

    with ExitStack() as stack:
        stack.enter_context(mock.patch("django.utils.timezone.now", clock.now))
        stack.enter_context(mock.patch.object(rates, "time", clock))
        stack.enter_context(mock.patch.object(gateway, "client_for", service.client))
        stack.enter_context(wake.quietly())
        stack.enter_context(transaction.atomic())
        yield
        transaction.set_rollback(True)


def planner(service: Service, decisions: list[float]) -> Outcome:
    """The real planner, turn by turn, until every post is seen."""
    clock = Clock()
    with virtual(clock, service):
        return Desk(clock, service, decisions).run()


class Desk:
    """A workspace whose posts are in flight, with a reviewer at work on something else."""

    def __init__(self, clock: Clock, service: Service, decisions: list[float]):
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
        reviewed = factories.make_post(
            self.personas[0], made_at=moment(-7200), upstream_id="reviewed", review_status="rejected"
        )
        self.member = factories.make_member(self.workspace)
        self.watched = {reviewed.pk}
        self.workspace.watches.all().delete()
        Look.objects.create(workspace=self.workspace, member=self.member, post=reviewed, at=moment(0))
        self.unborn = list(reversed(service.jobs))
        self.unseen: dict = {}
        self.out = Outcome(posts=len(service.jobs))
        self.spent = 0  # on decisions

    def run(self) -> Outcome:
        noted = -10.0
        while (self.unborn or self.unseen) and self.clock.at < GIVE_UP:
            self.service.pass_time(self.clock.at)
            self.begin()
            if self.clock.at - noted >= 10:
                noted = self.clock.at
                self.note_looks()
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
        from reviewqueue.models import GeneratedPost, Look

        rows, jobs = [], []
        while self.unborn and self.unborn[-1].started <= self.clock.at:
            job = self.unborn.pop()
            jobs.append(job)
            rows.append(self.row_of(job))
        for row, job in zip(GeneratedPost.objects.bulk_create(rows), jobs, strict=True):
            self.unseen[row.pk] = job
            if job.watched:
                self.watched.add(row.pk)
                Look.objects.create(
                    workspace=self.workspace, member=self.member, post=row, at=self.clock.now()
                )

    def row_of(self, job: Job):
        from reviewqueue.models import GeneratedPost

        at = moment(job.started)
        return GeneratedPost(
            workspace=self.workspace,
            persona=self.personas[job.persona],
            upstream_id=job.id,
            number=len(self.service.jobs) - len(self.unborn),
            made_at=at,
            asked_at=at,
            seen_at=at,
            face={"items": len(job.lasts), "done": 0, "media": job.media},
        )

    def note_looks(self) -> None:
        from reviewqueue.models import Look

        Look.objects.filter(post_id__in=self.watched).update(at=self.clock.now())

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
                self.watched.discard(pk)


# ---- scenarios -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """One line of the table."""

    in_flight: int
    shape: str = "burst"
    durations: str = "documented"
    others: float = 0.0
    sliding: bool = False
    all_watched: bool = False

    def __str__(self):
        extras = [self.durations] if self.durations != "documented" else []
        extras += [f"second client {self.others:.0f}/min"] if self.others else []
        extras += ["sliding minute"] if self.sliding else []
        extras += ["all looked at"] if self.all_watched else []
        return ", ".join([f"{self.in_flight} {self.shape}", *extras])


def compare(scenario: Scenario, *, seed: int, runs: int, steady: float) -> tuple[Outcome, Outcome]:
    """(planner, documented loop) over the same jobs."""
    ours, theirs = Outcome(), Outcome()
    for number in range(runs):
        name = f"{seed} {number} {scenario}"
        watched = 1 if scenario.all_watched else WATCHED_EVERY
        lasting = steady if scenario.shape == "steady" else 0.0
        jobs = make_jobs(
            random.Random(name),
            scenario.in_flight,
            steady=lasting,
            durations=scenario.durations,
            watched=watched,
            first=number * scenario.in_flight,
            offset=random.Random(seed).random(),
        )
        if not jobs:
            continue
        ends = max(job.done for job in jobs)
        decisions = decision_times(random.Random(f"decisions {name}"), ends)
        for out, way in ((ours, planner), (theirs, documented_loop)):
            service = Service(
                jobs, random.Random(f"others {name}"), others=scenario.others, sliding=scenario.sliding
            )
            out += way(service, decisions) if way is planner else way(service, decisions, ends + 3600)
    return ours, theirs


# Bar and goal by number in flight: calls a post and time from done to seen, each against the loop.
CALLS = {1: (1.2, 1.0), 10: (0.75, 0.6), 100: (0.6, 0.45), 1000: (0.3, 0.2)}
LATENESS = {1: (0.35, 0.27), 10: (0.35, 0.27), 100: (0.15, 0.11), 1000: (0.03, 0.02)}
WATCHED = (4.0, 2.0)  # seconds, up to 100 in flight
SHOWN = (6.0, 3.0)  # seconds until it is on an open page, up to 100 in flight
DECISION = (1.0, 0.0)  # seconds that 95 % of decisions wait at most


def judge(value: float, bar: float, goal: float) -> str:
    return "goal" if value <= goal + 1e-9 else "bar" if value <= bar + 1e-9 else "MISSED"


def verdicts(scenario: Scenario, ours: Outcome, theirs: Outcome) -> dict[str, tuple[float, str]]:
    """Each measure of the house's budget with its figure and what it reaches."""
    size = scenario.in_flight
    found = {"429s": (float(ours.refused), judge(ours.refused, 0, 0))}
    wait = p95(ours.waits) if ours.waits else 0.0
    found["decision waits"] = (wait, judge(wait, *DECISION))
    if size <= 100 and ours.watched and not scenario.others:
        seen = mean(ours.watched)
        found["looked at"] = (seen, judge(seen, *WATCHED))
        found["on an open page"] = (shown := seen + PAGE_ASKS_EVERY / 2, judge(shown, *SHOWN))
    if scenario.shape == "burst" and not scenario.all_watched and not scenario.others:
        ratio = ours.calls_a_post / theirs.calls_a_post
        found["calls"] = (ratio, judge(ratio, *CALLS[size]))
        ratio = mean(ours.late) / mean(theirs.late)
        found["done to seen"] = (ratio, judge(ratio, *LATENESS[size]))
    return found


# Runs of a scenario by number in flight, so that each has a few hundred posts.
RUNS = {"small": {1: 24, 10: 6, 100: 1, 1000: 1}, "full": {1: 100, 10: 20, 100: 4, 1000: 1}}
STEADY_SECONDS = {1: 1800.0, 10: 900.0, 100: 600.0, 1000: 400.0}


def scenarios(sizes: list[int], *, full: bool) -> list[Scenario]:
    found = [Scenario(size, shape) for size in sizes for shape in ("burst", "steady")]
    found += [Scenario(size, all_watched=True) for size in sizes if size == 1]
    found += [Scenario(size, others=20.0) for size in sizes]
    if full:
        few = [size for size in sizes if size <= 100]
        odd = ("early", "late", "overrunning", "40 % faster")
        found += [Scenario(size, durations=durations) for durations in odd for size in few]
        found += [Scenario(size, others=20.0, sliding=True) for size in few]
        found += [Scenario(size, sliding=True) for size in few]
    return found


HEAD = (
    f"{'in flight':42} {'posts':>5} | {'calls/post':>10} {'loop':>6} {'x':>5} | {'seen mean':>9} {'p95':>6} "
    f"{'loop':>6} {'p95':>7} {'x':>5} | {'looked at':>9} {'p95':>5} {'loop':>6} | {'429':>3} {'loop':>6} | "
    f"{'decision p95':>12} {'loop':>6} | {'queries':>7} |"
)


def line(scenario: Scenario, ours: Outcome, theirs: Outcome) -> str:
    reached = " ".join(f"{name}: {said}" for name, (_, said) in verdicts(scenario, ours, theirs).items())
    return (
        f"{scenario!s:42} {ours.posts:5} | {ours.calls_a_post:10.2f} {theirs.calls_a_post:6.2f} "
        f"{ours.calls_a_post / theirs.calls_a_post:5.2f} | {mean(ours.late):9.1f} {p95(ours.late):6.1f} "
        f"{mean(theirs.late):6.1f} {p95(theirs.late):7.1f} {mean(ours.late) / mean(theirs.late):5.2f} | "
        f"{mean(ours.watched):9.1f} {p95(ours.watched):5.1f} {mean(theirs.watched):6.1f} | "
        f"{ours.refused:3} {theirs.refused:6} | {p95(ours.waits):12.1f} {p95(theirs.waits):6.0f} | "
        f"{ours.queries:7} | {reached}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-flight", default="1,10,100,1000")
    parser.add_argument("--size", choices=RUNS, default="small")
    options = parser.parse_args()
    sizes = [int(one) for one in options.in_flight.split(",")]
    missed = 0
    with own_database():
        sys.stdout.write(f"seed {options.seed}, {options.size}\n{HEAD}\n")
        for scenario in scenarios(sizes, full=options.size == "full"):
            size = scenario.in_flight
            runs = RUNS[options.size][size]
            if scenario.shape == "steady":
                runs = max(1, runs // 10)
            ours, theirs = compare(scenario, seed=options.seed, runs=runs, steady=STEADY_SECONDS[size])
            missed += any(said == "MISSED" for _, said in verdicts(scenario, ours, theirs).values())
            sys.stdout.write(line(scenario, ours, theirs) + "\n")
            sys.stdout.flush()
    return 1 if missed else 0


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
