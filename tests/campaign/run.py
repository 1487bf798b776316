"""One campaign from an empty folder to its verdict."""

import contextlib
import json
import shutil
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign import books, ground, plan, silence
from tests.campaign.desk import Press, Visitor
from tests.campaign.storm import Storm
from tests.campaign.upstream import FAULTS, LATE_SECONDS, Stormy
from tests.running import Running

PEOPLE = 3  # at the desk at the same time
# Long enough for the last documented look (30 minutes) at anything that was sent last.
SETTLING_SECONDS = 1800.0
SLACK_SECONDS = 60.0
ASKED_EVERY_SECONDS = 1.0
# For which the strikes go on at most until nearly everything was sent; and the faults as long again.
STORM_SECONDS_EACH, STORM_SLACK_SECONDS = 0.4, 20.0
FEW_SHARE = 0.03
WAITING_AT_MOST = 400  # at once: what is not sent within a quarter of an hour asks a person first
WAITING_SHARE = 0.4  # of all operations, when everything ends and an old backup is put back
LAST_WORDS = 4000  # characters of the log that are shown when something broke
IN_SILENCE = 3  # forms that are sent while the service hangs
ONCE_MORE_SHARE = 0.1  # of what a restored database has forgotten, pressed again by people who do not see it

STATES = "SELECT state, COUNT(*) FROM reviewqueue_operation GROUP BY state"
OPERATIONS = "SELECT id, kind, target, state FROM reviewqueue_operation"
BEING_LOOKED_FOR = """
from datetime import timedelta
from django.utils import timezone
from reviewqueue.models import Operation
soon = timezone.now() + timedelta(seconds=60)
print(Operation.objects.filter(state="blocked", blocked_by="restore", look_at__lt=soon).count())
"""
TO_BE_RELEASED = """
import json
from reviewqueue.models import Operation
waiting = Operation.objects.filter(state="blocked", blocked_by="restore", look_at=None)
print(json.dumps([str(pk) for pk in waiting.values_list("pk", flat=True)]))
"""


@dataclass(frozen=True)
class Weather:
    """How bad it gets. `changing` and `reading`: the shares of requests that meet a fault."""

    changing: float = 0.15
    reading: float = 0.03
    faults: tuple[str, ...] = FAULTS
    self_kill: float = 0.03
    strikes: bool = True
    silence: bool = True


@dataclass(frozen=True)
class Order:
    """Which campaign. `server`: empty for SQLite, else the URL of a PostgreSQL server.

    `restore`: in the middle an old backup is put back. `awaited`: a sort of finding that ends it at once.
    """

    operations: int
    seed: int
    server: str = ""
    time_scale: float = 20.0
    kinds: tuple[str, ...] = ()
    weather: Weather = field(default_factory=Weather)
    restore: bool = False
    awaited: str = ""

    @property
    def needs(self) -> dict[str, int]:
        return plan.needs(self.operations, self.kinds)


def campaign(order: Order, *, keep: Path | None = None, say=print) -> books.Verdict:
    """Run it, and compare the books. `keep`: the folder to work in; what is filled there is used."""
    folder = keep or Path(tempfile.mkdtemp(prefix="loupe-campaign-"))
    began = time.monotonic()

    def tell(text: str) -> None:
        say(f"[{time.monotonic() - began:4.0f} s] {text}")

    try:
        with on_ground(folder, order) as here:
            here.fill()
            stock = here.shell(plan.STOCK)
            presses = plan.draw(stock, order.operations, order.seed, order.kinds)
            tell("the desk is filled")
            lives = two_lives if order.restore else one_life
            try:
                verdict = lives(order, here, presses, json.loads(stock), tell)
            except Exception:
                tell(f"Loupe’s last words:\n{here.log()[-LAST_WORDS:]}")
                raise
            tell(str(verdict))
            return verdict
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def on_ground(folder: Path, order: Order):
    return ground.stand(
        folder, order.needs, order.seed, order.time_scale, order.server, order.weather.self_kill
    )


def one_life(order: Order, here: ground.Ground, presses: list[Press], stock: dict, tell) -> books.Verdict:
    weather = order.weather
    addresses = silence.addresses(plan.untouched(stock, presses)) if weather.silence else []
    presses, quiet = (presses[:-IN_SILENCE], presses[-IN_SILENCE:]) if weather.silence else (presses, [])
    with living(here) as (loupe, people, service):
        with storm(order, loupe, service) as strikes:
            enter_in_turns(here, people, presses)
            tell(f"all are entered; {refusals(people)}")
            if order.awaited and is_found(order, here, tell):
                return caught(order, here)
            until_few_are_open(here, order.operations)
            strikes.end()
            tell(f"no more strikes: {strikes.strikes}; {open_in(states(here))} are open")
            until_few_are_open(here, order.operations)
        if weather.silence:
            silence.check(
                here.service_port, loupe, service, people[0], addresses, lambda: enter(people, quiet)
            )
            tell("every page answered while the service hung, and no web process asked it")
        settle(here, tell)
        booked = in_books(here)
        verdict = books.compare(booked, effects(here), taken(people))
        tried = sum(one.to_undo for one in people)
        books.check_undone(verdict, booked, sum(one.undone for one in people), tried)
        check_reported(verdict, booked, people[0])
        check_log(verdict, here.log())
        return verdict


def two_lives(order: Order, here: ground.Ground, presses: list[Press], _stock: dict, tell) -> books.Verdict:
    """The database is copied in the middle; in the storm everything ends, and the copy is put back.

    What was waiting in the copy has been done meanwhile, or not; what was asked for later is forgotten.
    """
    half = len(presses) // 2
    with living(here) as (loupe, people, service), storm(order, loupe, service) as strikes:
        enter(people, presses[:half])
        copy = ground.back_up(here)
        tell("the database is copied")
        enter(people, presses[half:])
        until_few_are_open(here, order.operations, WAITING_SHARE)
        tell(f"{open_in(states(here))} wait when it all ends; {refusals(people)}; strikes: {strikes.strikes}")
    first, log = in_books(here), here.log()
    service.calm()
    time.sleep(LATE_SECONDS[1])
    service.effects()  # what was still under way at the service arrives with this
    before = len(effects(here))
    ground.put_back(here, copy)
    tell(here.manage("after_restore").strip())
    with living(here, people) as (loupe, people, service):
        while_it_moves(here, lambda: here.shell(BEING_LOOKED_FOR), lambda count: count == "0")
        early = effects(here)[before:]
        waiting = json.loads(here.shell(TO_BE_RELEASED))
        forgotten = [press for press in presses[half:] if not press.undo]
        release(people, waiting)
        enter(people, forgotten[: round(len(forgotten) * ONCE_MORE_SHARE)])
        tell(f"{len(waiting)} are let go on, and some of what was forgotten is pressed again")
        settle(here, tell, besides=("blocked",))
        second = in_books(here)
        verdict = books.compare(books.over_both_lives(first, second), effects(here), taken(people))
        for one in early:
            verdict.say("early", f"{one['kind']} {one['target']} happened before anybody let it go on")
        check_reported(verdict, second, people[0])
        check_log(verdict, log + here.log())
        return verdict


# ---- parts ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def living(here: ground.Ground, people: list[Visitor] | None = None):
    """The program runs and people are signed in (anew, if they are given): (program, people, service)."""
    with here.loupe() as loupe:
        links = [loupe.link("") for _ in range(PEOPLE)]
        if people is None:
            people = [Visitor(loupe.address, link) for link in links]
        else:
            for one, link in zip(people, links, strict=True):
                one.sign_in(link)
        yield loupe, people, Stormy(here.folder / "upstream", time_scale=here.time_scale)


@contextlib.contextmanager
def storm(order: Order, loupe: Running, service: Stormy):
    """Faults and strikes, as long as it lasts."""
    weather = order.weather
    service.storm(changing=weather.changing, reading=weather.reading, kinds=weather.faults)
    strikes = Storm(loupe.process.pid, order.seed)
    try:
        if weather.strikes:
            strikes.start()
        yield strikes
    finally:
        strikes.end()
        service.calm()


def enter(people: list[Visitor], presses: list[Press]) -> None:
    """Everybody takes a share of the forms."""
    shared(people, presses, lambda one, press: one.carry_out(press))


def enter_in_turns(here: ground.Ground, people: list[Visitor], presses: list[Press]) -> None:
    """The same, but nobody goes on while hundreds wait to be sent."""
    for first in range(0, len(presses), WAITING_AT_MOST // 2):
        enter(people, presses[first : first + WAITING_AT_MOST // 2])
        seconds = len(presses) * STORM_SECONDS_EACH
        wait_for(seconds, lambda: open_in(states(here)) <= WAITING_AT_MOST)


def release(people: list[Visitor], operations: list[str]) -> None:
    """A person reads what is known of each, and lets it go on."""
    shared(people, operations, lambda one, pk: one.release(pk))


def shared(people: list[Visitor], work: list, do) -> None:
    def take_a_share(one: Visitor, place: int) -> None:
        for part in work[place :: len(people)]:
            if not one.leaving.is_set():
                do(one, part)

    with ThreadPoolExecutor(len(people)) as hands:
        working = [hands.submit(take_a_share, one, place) for place, one in enumerate(people)]
        try:
            for one in working:
                one.result()
        except BaseException:
            for one in people:
                one.leaving.set()
            raise


def refusals(people: list[Visitor]) -> str:
    said = [text for one in people for text in one.refused]
    return f"{len(said)} refused" + (f", such as {said[:3]}" if said else "")


def taken(people: list[Visitor]) -> Counter:
    return sum((one.taken for one in people), Counter())


def in_books(here: ground.Ground) -> list[dict]:
    return books.operations_in(here.manage("export_operations", "--jsonl"))


def effects(here: ground.Ground) -> list[dict]:
    return books.effects_in(here.folder / "upstream" / "sandbox.sqlite3")


def states(here: ground.Ground) -> Counter:
    return Counter(dict(here.ask(STATES)))


def wait_for(seconds: float, is_so) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(ASKED_EVERY_SECONDS)
    return False


def until_few_are_open(here: ground.Ground, operations: int, share: float = FEW_SHARE) -> None:
    """The storm goes on until nearly everything has been sent in it."""
    seconds = operations * STORM_SECONDS_EACH + STORM_SLACK_SECONDS
    wait_for(seconds, lambda: open_in(states(here)) <= operations * share)


def open_in(found: Counter) -> int:
    return found["queued"] + found["sending"]


def settle(here: ground.Ground, tell, besides: tuple[str, ...] = ()) -> None:
    """Wait until every operation is known, or every look at it has been taken."""
    open_ones = {"queued", "sending", "blocked", "unknown"} - set(besides)
    is_over = while_it_moves(here, lambda: states(here), lambda found: not open_ones & (+found).keys())
    tell("settled" if is_over else "nothing moves any more")


def while_it_moves(here: ground.Ground, look, is_over) -> bool:
    """Wait until it is over; give up when what is seen was the same for longer than the last look is away."""
    patience = SETTLING_SECONDS / here.time_scale + SLACK_SECONDS
    before, moved_at = None, time.monotonic()
    while time.monotonic() - moved_at < patience:
        found = look()
        if is_over(found):
            return True
        if found != before:
            before, moved_at = found, time.monotonic()
        time.sleep(ASKED_EVERY_SECONDS)
    return False


def is_found(order: Order, here: ground.Ground, tell) -> bool:
    """Whether the awaited finding comes before everything is settled."""
    look, sort = lambda: caught(order, here), order.awaited
    found = while_it_moves(here, look, lambda verdict: bool(verdict.findings.get(sort)))
    tell(f"“{sort}” is {'found' if found else 'not found'}")
    return found


def caught(order: Order, here: ground.Ground) -> books.Verdict:
    """What can be said of each operation while others are still under way."""
    names = ("id", "kind", "target", "state")
    booked = [dict(zip(names, row, strict=True)) for row in here.ask(OPERATIONS)]
    for one in booked:
        one["id"] = str(uuid.UUID(str(one["id"])))  # SQLite keeps it without the dashes
    happened = effects(here)
    verdict = books.Verdict(states=Counter(one["state"] for one in booked), effects=len(happened))
    books.check_each(verdict, booked, happened)
    return verdict


def check_reported(verdict: books.Verdict, booked: list[dict], visitor: Visitor) -> None:
    """Whoever opens an operation that nobody knows the outcome of is told so, and can have it looked for."""
    for one in booked:
        if one["state"] == "unknown" and f"/operations/{one['id']}/check/" not in str(
            visitor.client.get(f"/operations/{one['id']}/").text
        ):
            verdict.say("unreported", books.name(one))


def check_log(verdict: books.Verdict, log: str) -> None:
    """An answer that came after its operation was ruled out is an incident, however it ended."""
    for line in log.splitlines():
        if "CRITICAL loupe.operations" in line:
            verdict.say("incident", line.strip())
