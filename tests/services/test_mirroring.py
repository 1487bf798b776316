"""What the service says becomes rows: the newest reading wins, and versions move only with what is shown."""

import random
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Decision, Event, GeneratedPost, MediaItem, Workspace
from reviewqueue.services import desk, mirroring
from reviewqueue.upstream.reelmirror import types
from tests import factories
from tests.world import check_counts, committing, from_threads, only_postgresql

LINK = "https://media.example.com"


def told(number: int = 1, *items, **facts) -> types.GeneratedPost:
    usual = {"status": "completed", "review_status": "pending_review", "caption": "Dusk."}
    items = items or (item(number * 10),)
    return types.GeneratedPost(id=f"post-{number}", media_items=items, **{**usual, **facts})


def item(number: int, **facts) -> types.MediaItem:
    usual = {"status": "completed", "media_type": "image", "url": f"{LINK}/{number}.jpg?sig=1"}
    return types.MediaItem(id=f"item-{number}", **{**usual, **facts})


def origin(number: int = 1, *parts, **facts) -> types.SourcePost:
    parts = parts or (types.SourceMedia(media_type="image", url=f"{LINK}/s{number}.jpg"),)
    return types.SourcePost(id=f"origin-{number}", media_items=parts, **facts)


def versions(workspace) -> dict:
    return dict(workspace.scopes.values_list("key", "version"))


def read(persona, *remotes, **facts) -> int:
    with committing():
        return mirroring.generated_posts(persona, remotes, **facts)


def fetched(workspace) -> None:
    """As if every wanted file had been copied."""
    workspace.files.filter(state="wanted").update(state="stored", sha256="5" * 64)
    for post in workspace.posts.all():
        desk.refresh(post.pk)


def the(persona, number: int = 1) -> GeneratedPost:
    return persona.workspace.posts.get(upstream_id=f"post-{number}")


@pytest.fixture
def walked(persona):
    """Its list was read to the end before: what comes now is news."""
    persona.posts_walked_at = now()
    persona.save()
    return persona


# ---- personas, sources, accounts ---------------------------------------------------------------------


def test_personas_come_are_renamed_go_and_come_back(workspace):
    ines, kilo = types.Persona("p-1", "Ines Calder"), types.Persona("p-2", "Kilo North")
    mirroring.personas(workspace, [ines, kilo], complete=True)
    row = workspace.personas.get(upstream_id="p-1")
    post = factories.make_post(row)
    before = versions(workspace)
    mirroring.personas(workspace, [ines, kilo], complete=True)
    assert versions(workspace) == before  # nothing moved, nothing to draw anew

    with committing():
        mirroring.personas(
            workspace, [types.Persona("p-1", "Ines C.", discount_mode=True), kilo], complete=True
        )
    row.refresh_from_db()
    post.refresh_from_db()
    assert (row.name, row.discount_mode, post.face["persona"]) == ("Ines C.", True, "Ines C.")
    assert versions(workspace)[f"persona:{row.pk}"] > before[f"persona:{row.pk}"]

    mirroring.personas(workspace, [ines], complete=False)  # a part of the list makes nobody gone
    assert not workspace.personas.exclude(gone_at=None)
    mirroring.personas(workspace, [ines], complete=True)
    assert [gone.name for gone in workspace.personas.exclude(gone_at=None)] == ["Kilo North"]
    mirroring.personas(workspace, [ines, kilo], complete=True)
    assert not workspace.personas.exclude(gone_at=None)
    assert workspace.personas.count() == 2


def test_a_voice_sample_is_known_by_its_name_only(workspace):
    remote = types.Persona("p-1", "Ines", voice_sample_url=f"{LINK}/voices/calm.mp3?sig=secret")
    row = mirroring.persona(workspace, remote)
    assert (row.has_voice, row.voice_name) == (True, "calm.mp3")


def test_the_list_of_sources_is_complete(persona):
    one = types.Source("s-1", "instagram", "salt.rooms", creator_id="c-1", automation_mode="sync_only")
    two = types.Source("s-2", "instagram", "dune.notes", creator_id="c-2")
    mirroring.sources(persona, [one, two])
    before = versions(persona.workspace)
    mirroring.sources(persona, [one, two])
    assert versions(persona.workspace) == before
    mirroring.sources(
        persona, [types.Source("s-1", "instagram", "salt.rooms", automation_mode="auto_publish")]
    )
    source = persona.sources.get()
    assert (source.upstream_id, source.skips_review) == ("s-1", True)
    assert versions(persona.workspace)["desk"] > before["desk"]


def test_where_a_persona_publishes_is_part_of_what_is_decided(persona, post):
    workspace = persona.workspace
    before, fingerprint = post.version, post.fingerprint
    remotes = [types.ConnectedAccount("a-1", "instagram", "ines.calder", status="active")]
    remotes += [types.ConnectedAccount("a-2", "instagram", "ines.elsewhere", status="expired")]
    mirroring.accounts(workspace, remotes, complete=True)
    targets = [types.PublishingTarget("a-1", "t-1"), types.PublishingTarget("a-2", "t-2")]
    mirroring.targets(persona, targets)
    persona.refresh_from_db()
    post.refresh_from_db()
    assert persona.accounts == ["ines.calder"]  # the one that is expired takes nothing
    assert persona.targets.count() == 2
    assert post.fingerprint == fingerprint

    mirroring.accounts(
        workspace, [remotes[0], types.ConnectedAccount("a-2", username="ines.elsewhere")], complete=True
    )
    mirroring.targets(persona, targets)
    persona.refresh_from_db()
    post.refresh_from_db()
    assert persona.accounts == ["ines.calder", "ines.elsewhere"]
    assert post.fingerprint != fingerprint
    assert (post.version > before, post.face["accounts"]) == (True, 2)
    mirroring.targets(persona, [])
    persona.refresh_from_db()
    assert persona.accounts == []


def test_a_target_may_name_an_account_that_no_list_held(persona):
    mirroring.targets(
        persona, [types.PublishingTarget("a-9", "t-9", username="new.one", platform="instagram")]
    )
    persona.refresh_from_db()
    assert persona.accounts == ["new.one"]
    mirroring.accounts(
        persona.workspace, [types.ConnectedAccount("a-9", "instagram", "new.one")], complete=True
    )
    assert persona.targets.get().account.username == "new.one"


# ---- source posts ------------------------------------------------------------------------------------


def test_source_posts_move_only_when_something_changed(persona, django_assert_max_num_queries):
    workspace = persona.workspace
    factories.make_source(persona, "salt.rooms", creator_id="c-1")
    remotes = [origin(number, creator_id="c-1", caption=f"Door {number}") for number in range(30)]
    assert mirroring.source_posts(workspace, remotes) == 30
    workspace.files.update(state="stored")
    before = versions(workspace)
    with django_assert_max_num_queries(4):  # however many there are
        assert mirroring.source_posts(workspace, remotes) == 0
    assert versions(workspace) == before
    assert set(workspace.source_posts.values_list("handle", flat=True)) == {"salt.rooms"}

    remotes[3] = origin(3, creator_id="c-1", caption="Door 3, painted")
    assert mirroring.source_posts(workspace, remotes) == 0
    row = workspace.source_posts.get(upstream_id="origin-3")
    assert (row.caption, row.face["caption"]) == ("Door 3, painted", "Door 3, painted")
    assert versions(workspace)["desk"] == before["desk"] + 1


def test_a_source_post_takes_the_shape_of_its_media(workspace):
    video = types.SourceMedia(media_type="video", url=f"{LINK}/v.mp4", duration_seconds=7.5)
    mirroring.source_posts(workspace, [origin(1, video)])
    row = workspace.source_posts.get()
    assert (row.kind, row.face["items"], row.face["seconds"]) == ("video", [["video", 7.5]], 8)
    picture = types.SourceMedia(media_type="image", url=f"{LINK}/p.jpg")
    mirroring.source_posts(workspace, [origin(1, video, picture, picture)])
    row.refresh_from_db()
    assert (row.kind, row.media.count()) == ("carousel", 3)
    mirroring.source_posts(workspace, [origin(1, picture)])
    row.refresh_from_db()
    assert (row.kind, row.media.get().media_type) == ("image", "image")


def test_without_a_link_of_its_own_the_first_part_shows_the_thumbnail(workspace):
    parts = types.SourceMedia(media_type="video"), types.SourceMedia(media_type="image")
    mirroring.source_posts(workspace, [origin(1, *parts, thumbnail_url=f"{LINK}/thumb.jpg")])
    assert workspace.files.get().origin == f"{LINK}/thumb.jpg"


# ---- generated posts -----------------------------------------------------------------------------------


def test_posts_are_numbered_as_they_come_and_wait_for_their_copies(persona):
    read(persona, told(1), told(2, item(20), item(21, position=1, media_type="video", duration_seconds=5)))
    first, second = persona.workspace.posts.order_by("number")
    assert (first.number + 1, first.desk, second.kind) == (second.number, "generating", "carousel")
    fetched(persona.workspace)
    first.refresh_from_db()
    assert (first.desk, first.caption, first.persona) == ("ready", "Dusk.", persona)
    check_counts(persona.workspace)


def test_a_page_of_unchanged_posts_costs_the_same_however_long_it_is(persona, django_assert_num_queries):
    """Only when they were seen is written; their versions stay, though every link has a new signature."""
    pages = {size: [told(number) for number in range(size)] for size in (10, 60)}
    read(persona, *pages[60])
    fetched(persona.workspace)
    before = versions(persona.workspace)
    numbers = list(persona.workspace.posts.order_by("pk").values_list("version"))
    for page in pages.values():
        signed = [told(n, item(n * 10, url=f"{LINK}/{n * 10}.jpg?sig=2")) for n in range(len(page))]
        with django_assert_num_queries(5):  # two of them a savepoint's
            assert mirroring.generated_posts(persona, signed) == 0
    assert versions(persona.workspace) == before
    assert list(persona.workspace.posts.order_by("pk").values_list("version")) == numbers


@pytest.mark.parametrize(
    "change",
    [
        {"caption": "Noon."},
        {"review_status": "rejected"},
        {"total_cost_cents": 26},
        {"items": (item(10, is_public=True),)},
        {"items": (item(10, review_status="rejected"),)},
        {"items": (item(10, url=f"{LINK}/another.jpg"),)},
        {"items": (item(10), item(11, position=1))},
        {"status": "generating", "items": (item(10, status="generating", url=None),)},
    ],
)
def test_what_did_change_moves_the_version_once(persona, change):
    read(persona, told(1), told(2))
    fetched(persona.workspace)
    post, other = the(persona, 1), the(persona, 2)
    scope = versions(persona.workspace)["desk"]
    items = change.pop("items", ())
    assert read(persona, told(1, *items, **change), told(2)) == 1
    assert the(persona, 1).version == post.version + 1
    assert the(persona, 2).version == other.version
    assert versions(persona.workspace)["desk"] == scope + 1
    check_counts(persona.workspace)


def test_the_newest_reading_wins_whatever_comes_last(persona):
    at = now()
    read(persona, told(1, caption="Newer."), at=at)
    assert read(persona, told(1, caption="Older."), at=at - timedelta(seconds=3)) == 0
    assert the(persona).caption == "Newer."
    read(persona, told(1, caption="Newest."), at=at + timedelta(seconds=3))
    assert the(persona).caption == "Newest."


def test_a_reading_from_before_an_answer_of_the_service_is_old(persona):
    """We were told that it is rejected; the list that is read meanwhile does not know yet."""
    read(persona, told(1))
    at = now()
    GeneratedPost.objects.update(review_status="rejected", told_at=at, mark="")
    assert read(persona, told(1), at=at - timedelta(seconds=1)) == 0
    assert the(persona).review_status == "rejected"


def test_an_item_that_is_replaced_stays_as_the_older_version(persona):
    read(persona, told(1, item(10), item(11, position=1)))
    fetched(persona.workspace)
    read(persona, told(1, item(99, position=0), item(11, position=1)))
    post = the(persona)
    old, new, beside = post.items.get(upstream_id="item-10"), *post.items.current().order_by("position")
    assert (old.letter, old.is_current, old.file.origin) == ("A", False, f"{LINK}/10.jpg")
    assert (new.letter, new.upstream_id, new.position) == ("B", "item-99", 0)
    assert (beside.letter, beside.upstream_id) == ("A", "item-11")
    assert post.staged_in == post.version


def test_an_item_made_anew_under_its_old_id_is_a_new_version(persona):
    read(persona, told(1, item(10)))
    fetched(persona.workspace)
    running = item(10, status="generating", url=None)
    read(persona, told(1, running, status="generating"))
    post = the(persona)
    assert list(post.items.values_list("take", "status", "is_current").order_by("take")) == [
        (1, "completed", False),
        (2, "generating", True),
    ]
    assert post.desk == "generating"
    read(persona, told(1, item(10, url=f"{LINK}/b.jpg")))
    fetched(persona.workspace)
    assert the(persona).desk == "ready"
    assert the(persona).items.current().get().letter == "B"
    assert Event.objects.filter(name="item.ready", post=post).count() == 1


def test_items_stand_in_their_order_however_they_are_listed(persona):
    read(persona, told(1, item(12, position=2), item(10, position=0), item(11, position=1)))
    positions = the(persona).items.current().order_by("position").values_list("upstream_id", flat=True)
    assert list(positions) == ["item-10", "item-11", "item-12"]


def test_an_item_that_is_gone_and_comes_back_is_the_same(persona):
    both = item(10), item(11, position=1)
    read(persona, told(1, *both))
    read(persona, told(1, both[0]))
    assert the(persona).items.current().count() == 1
    read(persona, told(1, *both))
    assert the(persona).items.current().count() == the(persona).items.count() == 2


def test_a_cost_that_is_no_longer_told_is_forgotten_and_a_source_is_not(persona):
    """The source's id is inferred: some forms of the answer leave it out."""
    mirroring.source_posts(persona.workspace, [origin(1)])
    read(persona, told(1, source_post_id="origin-1", total_cost_cents=26))
    assert (the(persona).source_post.upstream_id, the(persona).total_cost_cents) == ("origin-1", 26)
    read(persona, told(1, caption="Noon."))
    assert (the(persona).source_post.upstream_id, the(persona).total_cost_cents) == ("origin-1", None)
    assert the(persona).source_post.made == 1


def test_a_post_without_a_known_persona_is_mirrored_all_the_same(workspace):
    assert mirroring.generated_post(workspace, told(1, persona_id="nobody"))
    post = workspace.posts.get()
    assert (post.persona, desk.label_of(post)) == (None, f"Post {post.number}")
    check_counts(workspace)


# ---- what others did --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"caption": "Somebody else's words."}, "its caption"),
        ({"review_status": "rejected"}, "it is now rejected"),
        ({"review_status": "approved"}, "it is now approved"),
        ({"review_status": "published"}, "it is now published"),
    ],
)
def test_what_was_changed_outside_is_told_once(walked, change, words):
    read(walked, told(1))
    fetched(walked.workspace)
    for _ in range(2):
        read(walked, told(1, **change))
    event = the(walked).events.get(name="post.outside")
    assert words in event.sentence
    assert event.by is None


def test_what_an_operation_of_ours_may_have_done_is_not_called_outside(walked, ana):
    read(walked, told(1))
    fetched(walked.workspace)
    factories.make_operation(the(walked), "reject", by=ana, state="unknown")
    read(walked, told(1, review_status="rejected"))
    assert not the(walked).events.filter(name="post.outside").exists()


def test_what_automation_publishes_is_told_as_published_without_review(walked):
    factories.make_source(walked, "slow.table", creator_id="c-1", automation_mode="auto_publish")
    mirroring.source_posts(walked.workspace, [origin(1, creator_id="c-1")])
    read(walked, told(1, source_post_id="origin-1"))
    fetched(walked.workspace)
    read(walked, told(1, source_post_id="origin-1", review_status="published"))
    assert the(walked).events.filter(name="post.unreviewed").count() == 1
    assert not the(walked).events.filter(name="post.outside").exists()


def test_what_was_so_before_anybody_looked_is_no_news(persona):
    """The very first walk through a list brings the past."""
    read(persona, told(1, review_status="published"), told(2, review_status="rejected"))
    assert not Event.objects.filter(name__in=("post.outside", "post.unreviewed")).exists()


def test_a_deleted_post_leaves_every_count_and_may_come_back(walked):
    mirroring.source_posts(walked.workspace, [origin(1)])
    read(walked, told(1, source_post_id="origin-1"))
    fetched(walked.workspace)
    post = the(walked)
    with committing():
        mirroring.post_gone(post)
        mirroring.post_gone(post)
    post.refresh_from_db()
    assert post.deleted_at
    assert post.source_post.made == 0
    assert [event.sentence for event in post.events.filter(name="post.outside")] == [
        f"{desk.label_of(post)} was changed outside Loupe: it was deleted"
    ]
    assert walked.workspace.scopes.get(key="desk").ready == 0
    check_counts(walked.workspace)
    assert read(walked, told(1, source_post_id="origin-1")) == 1
    assert (the(walked).pk, the(walked).deleted_at) == (post.pk, None)
    assert walked.workspace.scopes.get(key="desk").ready == 1
    check_counts(walked.workspace)


def test_gone_as_read_before_it_was_last_seen_is_not_gone(persona):
    at = now()
    read(persona, told(1), at=at)
    mirroring.post_gone(the(persona), at=at - timedelta(seconds=1))
    assert the(persona).deleted_at is None


def test_an_item_that_is_gone_is_no_longer_shown(persona):
    read(persona, told(1, item(10), item(11, position=1)))
    fetched(persona.workspace)
    post = the(persona)
    mirroring.item_gone(post.items.get(upstream_id="item-11"))
    assert the(persona).kind == "image"
    assert the(persona).version == post.version + 1
    mirroring.item_gone(post.items.get(upstream_id="item-11"))
    assert the(persona).version == post.version + 1


# ---- deliveries --------------------------------------------------------------------------------------


def delivered(*states: str, status="publishing") -> types.OutgoingPost:
    deliveries = tuple(
        types.Delivery(
            f"d-{place}", state, username=f"account.{place}", error_message="Too tall" * (state == "failed")
        )
        for place, state in enumerate(states)
    )
    items = (types.OutgoingItem("item-10"),)
    return types.OutgoingPost("out-1", status, deliveries, items=items)


@pytest.mark.parametrize(
    ("states", "place", "trouble"),
    [
        (("pending", "publishing"), "publishing", ""),
        (("published", "publishing"), "published", ""),
        (("published", "published"), "published", ""),
        (("published", "failed"), "published", "delivery"),
        (("failed", "failed"), "attention", "delivery"),
    ],
)
def test_deliveries_decide_what_became_of_a_post(walked, states, place, trouble):
    read(walked, told(1))
    fetched(walked.workspace)
    post = the(walked)
    mirroring.outgoing(walked.workspace, delivered("pending", "pending"))
    row = mirroring.outgoing(walked.workspace, delivered(*states))
    post.refresh_from_db()
    assert (post.desk, post.trouble) == (place, trouble)
    assert row.post == post  # found by its items
    ended = [state for state in states if state in ("published", "failed")]
    assert bool(row.settled_at) == (len(ended) == 2)
    told_of = [f"delivery.{state}" for state in ended]
    assert sorted(post.events.filter(name__startswith="delivery.").values_list("name", flat=True)) == sorted(
        told_of
    )
    version = post.version
    mirroring.outgoing(walked.workspace, delivered(*states))
    post.refresh_from_db()
    assert post.version == version  # the same again moves nothing
    check_counts(walked.workspace)


def test_when_no_account_took_it_the_post_is_to_be_decided_anew(walked, ana):
    read(walked, told(1))
    fetched(walked.workspace)
    post = the(walked)
    facts = {"workspace": walked.workspace, "post": post, "by": ana, "by_label": "Ana Ruiz"}
    decision = Decision.objects.create(verdict="approve", fingerprint=post.fingerprint, **facts)
    mirroring.outgoing(walked.workspace, delivered("failed", "publishing"))
    decision.refresh_from_db()
    assert decision.stands
    mirroring.outgoing(walked.workspace, delivered("failed", "failed"))
    decision.refresh_from_db()
    assert (decision.stands, decision.ended) == (False, "refused")


def test_deliveries_that_were_over_when_first_seen_are_no_news(persona):
    read(persona, told(1))
    mirroring.outgoing(persona.workspace, delivered("published", status="published"))
    assert not Event.objects.filter(name__startswith="delivery.").exists()
    assert the(persona).review_status == "published"


# ---- money -------------------------------------------------------------------------------------------


def charge(number: int, cents: int = -32, **facts) -> types.Transaction:
    facts.setdefault("created_at", now())
    return types.Transaction(f"charge-{number}", cents, kind=facts.pop("kind", "generation"), **facts)


def test_a_charge_is_linked_to_the_post_the_item_and_the_operation_it_paid_for(persona, ana):
    workspace = persona.workspace
    read(persona, told(1))
    sent_at = now() - timedelta(seconds=9)
    facts = {"state": "succeeded", "sent_at": sent_at, "persona": persona}
    earlier = factories.make_operation(
        the(persona), "generate", by=ana, **{**facts, "sent_at": sent_at - timedelta(1)}
    )
    later = factories.make_operation(the(persona), "regenerate_post", by=ana, **facts)
    of_item = {"generated_post_id": "post-1", "generated_media_item_id": "item-10"}
    remotes = [charge(1, **of_item), charge(2, 32, kind="refund", refund_of_id="charge-1", **of_item)]
    remotes += [
        charge(3, created_at=sent_at - timedelta(hours=1), generated_post_id="post-1"),
        charge(4, 1000),
    ]
    assert mirroring.transactions(workspace, remotes) == 4
    assert mirroring.transactions(workspace, remotes) == 0
    first, refund, old, deposit = workspace.charges.order_by("upstream_id")
    assert (first.post, first.operation) == (the(persona), later)
    assert (refund.post, refund.operation, refund.refund_of_upstream_id) == (the(persona), None, "charge-1")
    assert old.operation == earlier
    assert (deposit.post, deposit.operation) == (None, None)
    assert the(persona).items.get().cost_cents == 32


def test_a_charge_that_comes_before_its_post_finds_it_later(persona):
    remote = charge(1, generated_post_id="post-1", generated_media_item_id="item-10")
    mirroring.transactions(persona.workspace, [remote])
    assert persona.workspace.charges.get().post is None
    read(persona, told(1))
    assert persona.workspace.charges.get().post == the(persona)
    assert MediaItem.objects.get().cost_cents == 32


def test_a_balance_says_what_it_says_and_leaves_the_rest(workspace):
    full = types.Balance(1234, auto_reload=True, reload_threshold_cents=500, reload_amount_cents=2500)
    mirroring.balance(workspace, full)
    before = versions(workspace)
    mirroring.balance(workspace, types.Balance(1234))  # the older form
    row = Workspace.objects.get(pk=workspace.pk)
    assert (row.auto_reload, row.reload_threshold_cents, row.reload_amount_cents) == (True, 500, 2500)
    assert versions(workspace) == before
    mirroring.balance(workspace, types.Balance(-20, auto_reload=False))
    row.refresh_from_db()
    assert (row.balance_cents, row.auto_reload) == (-20, False)
    assert versions(workspace)["desk"] == before["desk"] + 1


def test_a_balance_that_an_answer_overtook_is_dropped(workspace):
    began = now()
    mirroring.balance(workspace, types.Balance(1000, auto_reload=True))  # the answer to what somebody set
    mirroring.balance(workspace, types.Balance(1200, auto_reload=False), at=began)
    row = Workspace.objects.get(pk=workspace.pk)
    assert (row.balance_cents, row.auto_reload) == (1000, True)
    mirroring.balance(workspace, types.Balance(900, auto_reload=False), at=now())
    row.refresh_from_db()
    assert (row.balance_cents, row.auto_reload) == (900, False)


# ---- together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_hold_whatever_the_service_says(workspace, seed):
    """Sixty readings of a dozen posts of two personas, in any order, with gone ones in between."""
    chance = random.Random(seed)
    people = [factories.make_persona(workspace, name, accounts=()) for name in ("Ines", "Kilo")]
    states = ["pending", "generating", "completed", "failed", "somehow"]
    reviews = ["pending_review", "approved", "rejected", "published", "", "unheard of"]
    at = now()
    for step in range(60):
        number = chance.randrange(12)
        owner = people[number % 2]
        parts = [
            item(number * 10 + place, position=place, status=chance.choice(states))
            for place in range(chance.randrange(4))
        ]
        remote = told(number, status=chance.choice(states), review_status=chance.choice(reviews))
        remote = types.GeneratedPost(
            remote.id, remote.status, tuple(parts), review_status=remote.review_status, caption=str(step)
        )
        when = at + timedelta(seconds=chance.randrange(-5, step + 1))
        read(owner, remote, at=when)
        if chance.random() < 0.2:
            mirroring.post_gone(chance.choice(list(workspace.posts.all())), at=when)
        if step % 10 == 9:
            fetched(workspace)
            check_counts(workspace)
    check_counts(workspace)


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_one_post_read_by_many_at_once_is_one_row():
    persona = factories.make_persona(factories.make_workspace())
    page = [told(number) for number in range(4)]
    from_threads(5, lambda _: mirroring.generated_posts(persona, page))
    posts = persona.workspace.posts.all()
    assert sorted(post.upstream_id for post in posts) == [f"post-{number}" for number in range(4)]
    assert len({post.number for post in posts}) == 4
    assert MediaItem.objects.count() == persona.workspace.files.count() == 4
    check_counts(persona.workspace)
