"""The world a new user meets: four personas, the accounts they follow, and posts in every state there is.

The past is played through in order, each step at its own moment, by the same code that answers requests. So
balances, refunds and review states come about as they would have.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reviewqueue.sandbox import agenda, looks, samples
from reviewqueue.sandbox.context import Call, Context
from reviewqueue.sandbox.fields import Fields, stamp
from reviewqueue.sandbox.pace import Pace
from reviewqueue.sandbox.reelmirror import (
    billing,
    generating,
    items,
    keys,
    outgoing,
    personas,
    publishing,
    review,
    sources,
    syncing,
)
from reviewqueue.sandbox.rendering import Recipe, source_recipe

if TYPE_CHECKING:
    from reviewqueue.sandbox.app import Sandbox

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
#: The speed at which the moments of what is running at the start are given.
USUAL_SPEED = Pace().speed

INES, KILO, OAT, MARLOW = "Ines Calder", "Kilo North", "Oat & Ember", "Marlow Street"


# Who there is


@dataclass(frozen=True)
class Creator:
    """One persona, whom it follows and in which mode, and the accounts it publishes to."""

    name: str
    look: str
    style: str
    follows: dict[str, str]
    accounts: tuple[str, ...] = ()
    has_voice: bool = False


CREATORS = (
    Creator(
        INES,
        looks.TERRACOTTA.name,
        "First person, unhurried. One picture, one feeling. Late light, warm walls, hands. Two or three short"
        " sentences, no emojis, two or three hashtags at the end.",
        {
            "whitewall.daily": "auto_clone",
            "salt.rooms": "sync_only",
            "littoral.house": "sync_only",
            "dune.notes": "sync_only",
        },
        accounts=("ines.calder", "ines.elsewhere"),
        has_voice=True,
    ),
    Creator(
        KILO,
        looks.TEAL_DAWN.name,
        "A log book. Begin with the time. Facts before feelings: wind, degrees, distance. Short, dry, no"
        " exclamation marks. Two hashtags.",
        {"high.pass": "auto_clone", "dune.notes": "sync_only", "salt.rooms": "sync_only"},
    ),
    Creator(
        OAT,
        looks.EMBER.name,
        "Talk as if the stove were on and people were coming. Warm, practical, a little bossy. Food, bowls,"
        " firelight. Short sentences, two or three hashtags.",
        {"slow.table": "auto_publish", "kiln.and.clay": "sync_only", "lamp.and.linen": "auto_clone"},
        accounts=("oat.and.ember",),
    ),
    Creator(
        MARLOW,
        looks.RAIN_FILM.name,
        "Overheard, understated, a little wet. Never more than two sentences.",
        {"littoral.house": "sync_only"},
    ),
)


# What the accounts posted. A part is a still, or `name/2` for a detail of one. Stills and clips are also
# posts of their own, with the captions of the manifest.

CAROUSELS = {
    "whitewall steps": (
        "Three ways up, counted twice. #whitewall #stairs",
        ("whitewall.daily-02", "whitewall.daily-02/0", "whitewall.daily-04"),
    ),
    "whitewall doors": (
        "Blue, and then closer to blue. #bluedoor #whitewall",
        ("whitewall.daily-01", "whitewall.daily-01/2"),
    ),
    "salt tour": (
        "The whole house in five, in the order you meet it. #saltrooms #poolside",
        ("salt.rooms-01", "salt.rooms-04", "salt.rooms-01/1", "salt.rooms-05", "salt.rooms-02"),
    ),
    "salt swim": (
        "Before, during, after, after that, and the towel. #pool #saltrooms",
        ("salt.rooms-04", "salt.rooms-04/1", "salt.rooms-01/0", "salt.rooms-02", "salt.rooms-05/2"),
    ),
    "littoral sill": (
        "Window side, from left to right. #cactus #olive #littoral",
        ("littoral.house-03", "littoral.house-01", "littoral.house-04"),
    ),
    "slow breakfast": (
        "Lay it out, then sit down properly. #breakfast #slowtable",
        ("slow.table-01", "slow.table-02", "slow.table-05"),
    ),
    "slow fruit": ("Two bowls and what is left of a third. #seasonal", ("slow.table-03", "slow.table-04")),
    "kiln batch": (
        "Batch 32, from the shelf to the bench. #stoneware #studio",
        ("kiln.and.clay-03", "kiln.and.clay-02", "kiln.and.clay-01", "kiln.and.clay-03/1"),
    ),
    "kiln pair": ("One branch, two glazes. #vase #pottery", ("kiln.and.clay-04", "kiln.and.clay-04/3")),
    "dune day": (
        "The same day at four heights. #dunes #desert",
        ("dune.notes-01", "dune.notes-03", "dune.notes-02", "dune.notes-04"),
    ),
    "dune night": ("Lamp on, lamp from afar. #desertnight #camp", ("dune.notes-04", "dune.notes-04/1")),
    "pass week": (
        "Monday to Thursday at the col. #highpass #alpine",
        ("high.pass-01", "high.pass-02", "high.pass-04", "high.pass-03"),
    ),
    "pass ridges": ("First ridge, last ridge. #ridges #morning", ("high.pass-04", "high.pass-05")),
    "lamp corner": ("The corner at noon and at nine. #interiors", ("lamp.and.linen-06", "lamp.and.linen-02")),
    "lamp rooms": (
        "Four rooms, one lamp between them. #lamplight #linen",
        ("lamp.and.linen-03", "lamp.and.linen-04", "lamp.and.linen-01", "lamp.and.linen-02/1"),
    ),
}

#: Not pulled yet: the next sync of their account finds them.
HELD_BACK = (
    ("whitewall.daily", "The quiet side of the lane, since you asked. #whitewall", ("whitewall.daily-04/1",)),
    (
        "whitewall.daily",
        "Same arch, a step closer each day. #arches #whitewall",
        ("whitewall.daily-03", "whitewall.daily-03/2"),
    ),
    ("salt.rooms", "Somebody left the ladder wet. Good. #pool #saltrooms", ("salt.rooms-01/3",)),
    ("slow.table", "The last two slices have been promised. #sourdough", ("slow.table-02/1",)),
    ("slow.table", "Tea for whoever stays. #tea #slowtable", ("slow.table-05/2",)),
    ("kiln.and.clay", "Glaze test nine. Nine was the one. #stoneware #glaze", ("kiln.and.clay-02/1",)),
    ("dune.notes", "Zoomed in until it was music. #sand #texture", ("dune.notes-03/2",)),
    ("high.pass", "Same hut, closer, soup on. #mountainhut", ("high.pass-03/1",)),
    ("high.pass", "The notch from below. #alpine #highpass", ("high.pass-01/3", "high.pass-01")),
    ("lamp.and.linen", "Print, lamp, nothing else on this side. #interiors", ("lamp.and.linen-03/3",)),
)


# What was made of it


@dataclass(frozen=True)
class Made:
    """One generated post: from what, how many seconds ago, and what was done with it since.

    `runs` gives each item's begin and end in seconds from now, for what is running at the start (None: never
    ends); within the documented limits, so that no clock has to call it late. `then` is a list of deeds, each
    with its own age.
    """

    persona: str
    source: str
    age: float
    then: tuple[tuple[float, Callable[[Context, str], object]], ...] = ()
    caption: str | None = None
    automatic: str = ""
    trouble: frozenset[str] = field(default_factory=frozenset)
    runs: tuple[tuple[float, float | None], ...] = ()
    by_link: bool = False

    @property
    def is_running(self) -> bool:
        return bool(self.runs) and None not in self.runs[0]


def act(handler: Callable[[Call], dict], context: Context, body: dict | None = None, **params: str) -> dict:
    """Call an API handler as itself, without a request around it."""
    given = Fields(body or {})
    return handler(Call(context.world, context.rows, context.now, context.origin, params=params, given=given))


def item_at(context: Context, post_id: str, position: int) -> str:
    return generating.items_of(context, post_id)[position]["id"]


def approved(context: Context, post_id: str) -> None:
    review.approve_post(context, post_id)


def approved_with_one_failure(context: Context, post_id: str) -> None:
    """The second account refuses."""
    outgoing_post_id = review.approve_post(context, post_id)
    second = context.rows.all(
        "SELECT id FROM deliveries WHERE outgoing_post_id = ? ORDER BY rowid", outgoing_post_id
    )[1]
    reason = "Instagram rejected the aspect ratio"
    context.rows.change(
        "deliveries", second["id"], outcome="failed", error_message=reason, platform_post_id=None
    )


def approved_just_now(context: Context, post_id: str) -> None:
    """Both deliveries still run for up to a minute."""
    outgoing_post_id = review.approve_post(context, post_id)
    for number, delivery in enumerate(
        context.rows.all("SELECT id FROM deliveries WHERE outgoing_post_id = ?", outgoing_post_id)
    ):
        context.rows.change("deliveries", delivery["id"], ends_at=context.now + 30 + 25 * number)


def rejected(context: Context, post_id: str) -> None:
    act(review.reject, context, post_id=post_id)


def first_item_rejected(context: Context, post_id: str) -> None:
    act(review.reject_item, context, item_id=item_at(context, post_id, 0))


def all_items_rejected(context: Context, post_id: str) -> None:
    for item in generating.items_of(context, post_id):
        act(review.reject_item, context, item_id=item["id"])


def composed(context: Context, post_id: str) -> None:
    act(review.send_to_compose, context, post_id=post_id)


def scheduled(context: Context, post_id: str) -> None:
    """Composed, and due in two and a half days."""
    draft = act(review.send_to_compose, context, post_id=post_id)["outgoing_post_id"]
    when = stamp(context.now + 2.5 * DAY)
    act(outgoing.schedule, context, {"scheduled_for": when}, outgoing_post_id=draft)


def first_item_again(context: Context, post_id: str) -> None:
    act(generating.regenerate_item, context, {"generated_media_item_id": item_at(context, post_id, 0)})


def shown_in_public(context: Context, post_id: str) -> None:
    body = {"generated_media_item_id": item_at(context, post_id, 0), "is_public": True}
    act(items.toggle_public, context, body)


def voice_converted(context: Context, post_id: str) -> None:
    act(items.convert_voice, context, {"generated_media_item_id": item_at(context, post_id, 0)})


def deleted(context: Context, post_id: str) -> None:
    act(items.delete_post, context, post_id=post_id)


ALL_FAIL, ONE_FAILS = frozenset({"failall"}), frozenset({"fail"})

POSTS = (
    # Ready for review
    Made(INES, "whitewall.daily-01", 24 * MINUTE),
    Made(INES, "salt.rooms-01", 66 * MINUTE),
    Made(INES, "whitewall steps", 2.2 * HOUR, automatic="auto_clone"),
    Made(INES, "whitewall.daily-v1", 3.4 * HOUR, ((3.2 * HOUR, voice_converted),)),
    Made(INES, "dune.notes-01", 5.5 * HOUR),
    Made(INES, "littoral.house-01", 7.2 * HOUR, ((6.6 * HOUR, first_item_again),)),
    Made(INES, "salt tour", 9 * HOUR),
    Made(
        INES,
        "littoral.house-02",
        11 * HOUR,
        caption="Forgot it for a month. It grew a leaf to make a point. The wall turned red for it, and so"
        " did I. #terracotta #houseplants",
    ),
    Made(INES, "kiln.and.clay-01", 20 * HOUR, by_link=True),
    Made(INES, "littoral sill", 26 * HOUR, ((24 * HOUR, first_item_rejected),)),
    Made(KILO, "high.pass-01", 42 * MINUTE, automatic="auto_clone"),
    Made(KILO, "high.pass-04", 4.1 * HOUR),
    Made(KILO, "dune.notes-02", 6.3 * HOUR),
    Made(KILO, "high.pass-v1", 8.4 * HOUR),
    Made(KILO, "pass week", 25 * HOUR, automatic="auto_clone"),
    Made(KILO, "salt.rooms-02", 31 * HOUR),
    Made(OAT, "slow.table-01", 51 * MINUTE),
    Made(OAT, "lamp corner", 5.2 * HOUR, automatic="auto_clone"),
    Made(
        OAT,
        "lamp.and.linen-04",
        10 * HOUR,
        caption="Borrowed this corner from @lamp.and.linen and turned the big light off. Sit, the soup is"
        " coming. #emberlight #interiors",
    ),
    Made(OAT, "kiln.and.clay-02", 28 * HOUR),
    Made(OAT, "slow.table-03", 30 * HOUR, ((29 * HOUR, shown_in_public),)),
    Made(OAT, "slow.table-v1", 51 * HOUR),
    # Running
    Made(INES, "whitewall.daily-04", 2, runs=((-1, 13),), automatic="auto_clone"),
    Made(INES, "salt swim", 12, runs=((-11, -5), (-9, -3), (-8, -1), (-6, 17), (-4, 34))),
    Made(KILO, "dune.notes-v1", 4, runs=((-3, 44),)),
    Made(OAT, "kiln.and.clay-05", 1, runs=((26, 38),)),
    Made(KILO, "high.pass-06", 34 * MINUTE, runs=((-33.8 * MINUTE, None),)),
    # Failed
    Made(INES, "dune day", 72 * MINUTE, trouble=ONE_FAILS),
    Made(KILO, "dune night", 3.3 * HOUR, trouble=ALL_FAIL),
    # Published, and on its way
    Made(INES, "whitewall.daily-02", 6.2 * DAY, ((6.1 * DAY, approved),)),
    Made(INES, "salt.rooms-04", 4.3 * DAY, ((4.2 * DAY, approved_with_one_failure),)),
    Made(INES, "dune.notes-03", 12.4 * DAY, ((12.3 * DAY, approved),)),
    Made(OAT, "slow.table-02", 8.1 * DAY, ((8 * DAY, approved),)),
    Made(OAT, "slow.table-04", 5.2 * DAY, automatic="auto_publish"),
    Made(INES, "salt.rooms-v1", 40 * MINUTE, ((5, approved_just_now),)),
    # Rejected
    Made(INES, "salt.rooms-05", 3.1 * DAY, ((3 * DAY, rejected),)),
    Made(KILO, "salt.rooms-03", 5.5 * DAY, ((5.4 * DAY, rejected),)),
    Made(KILO, "pass ridges", 7 * DAY, ((6.9 * DAY, all_items_rejected),)),
    Made(OAT, "lamp.and.linen-02", 9.3 * DAY, ((9.2 * DAY, rejected),)),
    # In compose
    Made(INES, "littoral.house-05", 1.3 * DAY, ((1.2 * DAY, composed),)),
    Made(OAT, "kiln.and.clay-04", 2.4 * DAY, ((2.3 * DAY, composed),)),
    Made(INES, "lamp.and.linen-03", 1.9 * DAY, ((1.8 * DAY, scheduled),), by_link=True),
    # Gone, but paid for
    Made(INES, "whitewall.daily-03", 15 * DAY, ((14 * DAY, deleted),)),
    Made(KILO, "high.pass-05", 16.5 * DAY, ((16 * DAY, deleted),)),
)


# Playing it through


@dataclass(frozen=True)
class Seeded:
    """What `fill` made or found. Key and session token are given when they are made, and never again."""

    personas: dict[str, str]
    source_posts: int
    generated_posts: int
    balance_cents: int
    api_key: str | None = None
    session_token: str | None = None


def fill(sandbox: Sandbox, *, render: bool = True, running: bool = True) -> Seeded:
    """Fill an empty sandbox, or say what is in it. `render` makes its clips now; pictures come on demand.

    Without `running`, what is being made at the start waits for `start_running`.
    """
    with sandbox.world.store.writing() as rows:
        context = Context(sandbox.world, rows, sandbox.world.clock())
        fresh = rows.note("filled") is None
        secrets = Past(context).play(running=running) if fresh else {}
        rows.set_note("filled", 1)
        seeded = Seeded(
            personas={
                row["name"]: row["id"] for row in rows.all("SELECT * FROM personas WHERE deleted_at IS NULL")
            },
            source_posts=rows.value("SELECT COUNT(*) FROM source_posts WHERE created_at IS NOT NULL"),
            generated_posts=rows.value("SELECT COUNT(*) FROM generated_posts WHERE deleted_at IS NULL"),
            balance_cents=billing.account(context)["balance_cents"],
            **secrets,
        )
    if fresh and render:
        render_clips(sandbox)
    return seeded


def start_running(sandbox: Sandbox) -> bool:
    """Begin what waits since `fill`, once: it is to be seen, whenever somebody comes. Whether any did."""
    with sandbox.world.store.writing() as rows:
        waiting = json.loads(rows.note("waiting") or "{}")
        if waiting:
            Past(Context(sandbox.world, rows, sandbox.world.clock())).go_on(waiting)
            rows.set_note("waiting", "")
        return bool(waiting)


def render_clips(sandbox: Sandbox) -> None:
    """Make the clips of the seeded posts, two at a time: they take a second or so each."""
    with sandbox.world.store.reading() as rows:
        context = Context(sandbox.world, rows, sandbox.world.clock())
        names = rows.all(
            "SELECT file FROM generated_items WHERE media_type = 'video'"
            " UNION SELECT voice_file FROM generated_items WHERE voice_file IS NOT NULL"
        )
        recipes = [context.recipe(row["file"]) for row in names]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(sandbox.world.studio.file, recipes))


class Past:
    """Plays the past through: gathers what happened when, then does it in order."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.now = context.now
        # The past went at the usual speed, whatever the present one is.
        self.world = replace(context.world, pace=Pace())
        self.steps: list[tuple[float, Callable[[Context], object]]] = []
        self.personas: dict[str, str] = {}
        self.creators: dict[str, str] = {}
        self.source_posts: dict[str, str] = {}
        self.generated: dict[int, str] = {}

    def at(self, age: float) -> Context:
        return Context(self.world, self.context.rows, self.now - age)

    def plan(self, age: float, deed: Callable[[Context], object]) -> None:
        self.steps.append((age, deed))

    def play(self, *, running: bool) -> dict[str, str]:
        """Do everything; returns the secrets of the new key and session token."""
        self.open_account()
        self.add_creators()
        self.add_source_posts()
        for number, made in enumerate(POSTS):
            if running or not made.is_running:
                self.plan_post(number, made)
        self.plan_money()
        self.carry_out()
        self.hold_back()
        if not running:
            self.put_off()
        return {
            "api_key": keys.issue(self.context, "Loupe sandbox")[1],
            "session_token": keys.issue(self.context, "Browser", kind="session")[1],
        }

    def open_account(self) -> None:
        start = self.at(41 * DAY)
        rows = start.rows
        rows.add(
            "account",
            email="desk@sandbox.example",
            display_name="Sandbox desk",
            created_at=start.now,
            slots_purchased=3,
            subscription_id="sub_Sandbox",
        )
        keys.issue(self.at(33 * DAY), "Spreadsheet export", ["billing:read", "content:read"])
        message = "The preview crops tall pictures at the bottom. The downloaded file is fine."
        ticket = rows.add("tickets", subject="Preview crop", message=message, created_at=self.now - 12 * DAY)
        reply = "Thank you, we could repeat it. A fix is on its way."
        rows.add("replies", ticket_id=ticket, message=reply, created_at=self.now - 11 * DAY)

    def add_creators(self) -> None:
        begun = self.at(38 * DAY)
        for creator in CREATORS:
            name = creator.name
            persona_id = personas.make(begun, name, look=creator.look, writing_style=creator.style)
            self.personas[name] = persona_id
            face = AVATARS[name]
            columns = {"avatar_file": begun.keep({"kind": "avatar", "file": face[0], "box": face[1]})}
            if creator.has_voice:
                columns["voice_file"] = begun.keep({"kind": "hum", "seed": name})
            begun.rows.change("personas", persona_id, **columns)
            for username in creator.accounts:
                account_id = publishing.connect(begun, "instagram", username)
                publishing.link(begun, persona_id, account_id)
            for handle, mode in creator.follows.items():
                self.creators[handle] = sources.creator(begun, "instagram", handle)
                sources.track(begun, persona_id, self.creators[handle], mode)
        self.plan(
            49 * HOUR, lambda moment: moment.rows.change("personas", self.personas[OAT], discount_mode=1)
        )

    def add_source_posts(self) -> None:
        """All that was pulled: each account's stills, clips and carousels, a few days apart."""
        posts = {
            sample.scene: (sample.account, sample.caption, (sample.scene,))
            for sample in samples.everything().values()
            if not sample.answers
        }
        posts |= {key: (account_of(parts[0]), caption, parts) for key, (caption, parts) in CAROUSELS.items()}
        needed = {made.source: made.age for made in POSTS}
        count = dict.fromkeys(self.creators, 0)
        for key, (handle, caption, parts) in posts.items():
            count[handle] += 1
            usual = (count[handle] * 2.9 + 0.37 * len(key) % 1.9) * DAY
            posted_at = self.now - max(usual, needed.get(key, 0) + 9 * HOUR)
            recipes = [recipe_of(part) for part in parts]
            self.source_posts[key] = sources.make_post(
                self.context,
                self.creators[handle],
                recipes,
                caption,
                posted_at=posted_at,
                pulled_at=posted_at + 5 * HOUR,
            )

    def carry_out(self) -> None:
        for age, deed in sorted(self.steps, key=lambda step: -step[0]):
            moment = self.at(age)
            agenda.catch_up(moment)
            deed(moment)
        agenda.catch_up(self.context)
        self.set_running()
        self.context.rows.run("DELETE FROM effects")

    def put_off(self) -> None:
        """Remember by their ids whose posts those that would be running are, and of what."""
        waiting = {
            number: [self.personas[made.persona], self.source_posts[made.source]]
            for number, made in enumerate(POSTS)
            if made.is_running
        }
        self.context.rows.set_note("waiting", json.dumps(waiting))

    def go_on(self, waiting: dict[str, list[str]]) -> None:
        for number, (persona, source) in waiting.items():
            made = POSTS[int(number)]
            self.personas[made.persona], self.source_posts[made.source] = persona, source
            self.plan_post(int(number), made)
        self.carry_out()

    def plan_post(self, number: int, made: Made) -> None:
        def begin(moment: Context) -> None:
            source_post = sources.find_post(moment, self.source_posts[made.source])
            persona = personas.find(moment, self.personas[made.persona])
            if made.by_link:
                moment.rows.run("INSERT INTO cloned VALUES (?, ?)", persona["id"], source_post["id"])
            self.generated[number] = generating.start(
                moment,
                persona,
                source_post,
                automatic=made.automatic,
                caption=made.caption,
                trouble=made.trouble,
            )

        self.plan(made.age, begin)
        for age, deed in made.then:
            self.plan(age, lambda moment, deed=deed: deed(moment, self.generated[number]))

    def plan_money(self) -> None:
        """A saved card, top-ups, and the syncs of a month; the last ones hours ago."""
        self.plan(40 * DAY, billing.save_card)
        for age, cents in TOPUPS:
            self.plan(
                age, lambda moment, cents=cents: billing.enter(moment, cents, "deposit", "Top-up by card")
            )
        for creator in CREATORS:
            for days in SYNC_DAYS[creator.name]:
                self.plan(days * DAY + 3.5 * HOUR, lambda moment, name=creator.name: self.sync(moment, name))

    def sync(self, moment: Context, name: str) -> None:
        persona = personas.find(moment, self.personas[name])
        for creator in moment.rows.all(
            "SELECT creators.* FROM sources JOIN creators ON creators.id = creator_id WHERE persona_id = ?",
            persona["id"],
        ):
            syncing.begin(moment, persona, creator)

    def set_running(self) -> None:
        """Give what is running its begin and end, at the present speed."""
        stretch = self.context.pace.work(USUAL_SPEED)
        for number, post_id in self.generated.items():
            runs = POSTS[number].runs
            found = generating.items_of(self.context, post_id) if runs else []
            for item, (begins, ends) in zip(found, runs, strict=True):
                self.context.rows.change(
                    "generated_items",
                    item["id"],
                    begins_at=self.now + begins * (stretch if begins > 0 else 1),
                    ends_at=None if ends is None else self.now + ends * (stretch if ends > 0 else 1),
                )

    def hold_back(self) -> None:
        for handle, caption, parts in HELD_BACK:
            recipes = [recipe_of(part) for part in parts]
            sources.make_post(
                self.context, self.creators[handle], recipes, caption, posted_at=None, pulled_at=None
            )


AVATARS = {
    INES: ("generated/ines-calder-from-whitewall.daily-01.webp", [0.1, 0.25, 0.8, 0.8]),
    KILO: ("generated/kilo-north-from-high.pass-01.webp", [0.3, 0.05, 0.95, 0.57]),
    OAT: ("generated/oat-and-ember-from-slow.table-02.webp", [0.15, 0.1, 0.85, 0.66]),
    MARLOW: ("sources/littoral.house-05.webp", [0.2, 0.4, 0.9, 0.8]),
}
TOPUPS = ((38 * DAY, 1000), (29 * DAY, 2500), (20 * DAY, 1000), (12 * DAY, 1000), (6.5 * DAY, 1000))
#: Days ago on which each persona's accounts were pulled.
SYNC_DAYS = {
    INES: (0, 2, 5, 8, 11, 15, 19, 23, 27),
    KILO: (1, 4, 9, 14, 20, 26),
    OAT: (0, 3, 7, 12, 18, 25),
    MARLOW: (6, 10, 13, 17, 22, 28),
}


def account_of(part: str) -> str:
    return part.partition("/")[0].rpartition("-")[0]


def recipe_of(part: str) -> Recipe:
    """The recipe of a part's name: a still or clip, or `name/2` for one of its details."""
    scene, _, detail = part.partition("/")
    file = next(s.file for s in samples.everything().values() if s.scene == scene)
    return source_recipe(file, sources.DETAILS[int(detail)] if detail else None)
