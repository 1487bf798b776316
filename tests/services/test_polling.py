"""What is looked at upstream and when; and that nothing of the mirror is lost while the service is away."""

from datetime import timedelta

import pytest
from django.core.cache import caches

from reviewqueue.clock import now
from reviewqueue.models import Event, GeneratedPost, Look, MediaItem, Persona, RateBudget, UpstreamKey, Watch
from reviewqueue.rules import cadence
from reviewqueue.services import desk, polling, rates, watches
from tests import factories, scripted
from tests.world import check_counts, committing, from_threads, only_postgresql

AGO = timedelta(seconds=1)


@pytest.fixture
def workspace(service):
    return scripted.workspace_of(service)


@pytest.fixture
def ines(service, workspace):
    """Known here and at the service; what is planned of itself is done."""
    persona = factories.make_persona(workspace, accounts=(), posts_walked_at=now())
    service.persona(persona.upstream_id)
    workspace.watches.all().delete()
    return persona


def key_of(workspace) -> UpstreamKey:
    return workspace.keys.get()


def running(persona, asked_before: float, **facts):
    """A post that is being made since so many seconds."""
    at = now() - timedelta(seconds=asked_before)
    return factories.make_post(persona, status="generating", made_at=at, asked_at=at, **facts)


def planned(workspace) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in polling.plan() if one.workspace_id == workspace.pk]


def told(post, status="completed", **facts) -> dict:
    items = [
        {
            "id": item.upstream_id,
            "status": status,
            "media_type": "image",
            "url": f"{scripted.URL}/files/a.jpg",
        }
        for item in post.items.current()
    ]
    return {"id": post.upstream_id, "status": status, "media_items": items, "caption": post.caption, **facts}


def look(watch: Watch, **facts) -> Watch | None:
    with committing():
        assert polling.look(watch.pk, **facts)
    return Watch.objects.filter(pk=watch.pk).first()


# ---- planning ----------------------------------------------------------------------------------------


def test_what_is_due_is_planned_the_pressing_first(workspace, ines):
    for kind in ("catalogue", "balance", "persona"):
        watches.add(workspace.pk, kind)
    Watch.objects.create(workspace=workspace, kind="transactions", poll_at=now() + timedelta(minutes=1))
    claimed = watches.add(workspace.pk, "source_posts", ines.pk)
    Watch.objects.filter(pk=claimed.pk).update(claimed_until=now() + timedelta(minutes=1))
    assert [kind for kind, _ in planned(workspace)] == ["balance", "persona", "catalogue"]


def test_one_page_answers_for_all_that_run_of_a_persona(workspace, ines):
    posts = [running(ines, 60 + number) for number in range(5)]
    assert planned(workspace) == [("posts", str(ines.pk))]
    for post in posts[1:]:
        post.items.update(status="completed")
        factories.desk.refresh(post.pk)
    for post in posts[1:]:
        post.items.update(file=factories.make_file(workspace))
        type(post).objects.filter(pk=post.pk).update(status="completed")
        factories.desk.refresh(post.pk)
    assert planned(workspace) == [("post", str(posts[0].pk))]


def test_each_page_of_a_list_is_planned_by_what_stands_on_it(workspace, ines):
    """The newest stand first: a page is asked for where several run, a post where it runs alone."""
    at = now() - timedelta(seconds=90)
    places = (0, 1, 99, 100, 150, 250)
    posts = GeneratedPost.objects.bulk_create(
        GeneratedPost(
            workspace=workspace,
            persona=ines,
            upstream_id=f"post-{place}",
            number=1000 + place,
            made_at=at - timedelta(seconds=place / 100),
            asked_at=at - timedelta(seconds=place / 100),
            seen_at=at,
            desk="generating" if place in places else "ready",
            face={"media": "image", "items": 1, "done": 0},
        )
        for place in range(251)
    )
    assert set(planned(workspace)) == {
        ("posts", str(ines.pk)),
        ("page", f"{ines.pk}/1"),
        ("post", str(posts[250].pk)),
    }


def test_a_later_page_is_read_from_where_it_begins(service, workspace, ines):
    lists(service, ines).extend([*many(130), {"id": "post-130", "status": "failed", "media_items": []}])
    assert look(watches.add(workspace.pk, "page", f"{ines.pk}/1")) is None
    assert workspace.posts.count() == 31
    assert workspace.posts.get(upstream_id="post-130").status == "failed"


def test_a_plan_costs_the_same_for_many_in_flight(workspace, ines, django_assert_max_num_queries):
    for _ in range(30):
        running(ines, 60)
    assert planned(workspace)  # the key's minute has its row now
    with django_assert_max_num_queries(11):
        assert planned(workspace)


def test_what_cannot_be_done_yet_is_not_asked_for(workspace, ines):
    """An image takes twenty seconds at least."""
    running(ines, 10)
    assert planned(workspace) == []


def test_what_was_just_looked_at_is_not_looked_at_again(workspace, ines):
    post = running(ines, 60)
    type(post).objects.update(looked_at=now())
    assert planned(workspace) == []


def test_what_somebody_watches_goes_first(workspace, ines, ana_of):
    kilo = factories.make_persona(workspace, "Kilo North", accounts=())
    hers = running(ines, 40)
    others = [running(kilo, 40) for _ in range(3)]
    assert planned(workspace)[0] == ("posts", str(kilo.pk))
    Look.objects.create(workspace=workspace, member=ana_of, post=hers, at=now())
    assert planned(workspace)[0] == ("post", str(hers.pk))
    Look.objects.update(at=now() - timedelta(seconds=polling.WATCHED_FOR_SECONDS + 1))
    assert planned(workspace)[0] == ("posts", str(kilo.pk))
    assert len(others) == 3


@pytest.fixture
def ana_of(workspace):
    return factories.make_member(workspace)


def test_what_is_late_is_looked_at_ever_more_rarely(workspace, ines):
    span = cadence.SPANS["image"]
    post = running(ines, span.limit + 80)
    type(post).objects.update(looked_at=now() - timedelta(seconds=50))
    assert planned(workspace) == []  # past its limit: every minute
    type(post).objects.update(looked_at=now() - timedelta(seconds=61))
    assert planned(workspace) == [("post", str(post.pk))]


def test_nothing_is_late_before_a_look_has_found_it_so(workspace, ines):
    """After a night off, what was running is looked at at once, and not an hour later."""
    post = running(ines, 9 * cadence.HOUR)
    type(post).objects.update(looked_at=now() - timedelta(hours=8, minutes=59))
    assert (post.desk, post.trouble) == ("attention", "stuck")
    assert planned(workspace) == [("post", str(post.pk))]
    type(post).objects.update(looked_at=now() - timedelta(minutes=30))
    assert planned(workspace) == []


def test_a_row_says_how_often_it_is_really_looked_at(service, workspace, ines):
    """Hourly is said once a look has found it stuck, be it one of the list that shows nothing new."""
    post, posts = running(ines, 590), GeneratedPost.objects
    lists(service, ines).append(told(post, "generating", caption=""))

    def read_list():
        look(watches.add(workspace.pk, "posts", ines.pk))
        post.refresh_from_db()
        return post.face.get("checking"), post.version

    def pass_by(seconds):
        post.refresh_from_db()
        for name in ("asked_at", "looked_at"):
            posts.update(**{name: getattr(post, name) - timedelta(seconds=seconds)})
        MediaItem.objects.update(asked_at=posts.get().asked_at)
        polling.refresh_late(workspace)
        post.refresh_from_db()
        return post.face.get("checking"), planned(workspace)

    assert read_list() == (None, post.version)
    assert pass_by(15) == ("Still checking every minute", [])
    assert pass_by(46) == ("Still checking every minute", [("post", str(post.pk))])
    version = post.version
    assert read_list() == ("Still checking at least every hour", version + 1)  # an open page says so, too
    assert pass_by(61) == ("Still checking at least every hour", [])
    assert read_list() == read_list()  # and is left in peace


def test_a_delivery_that_never_ends_says_when_nobody_looks_any_more(workspace, ines):
    row = job_of(ines, "outgoing", 370)

    def said(seen_before):
        type(row).objects.update(seen_at=now() - timedelta(seconds=seen_before))
        post = desk.refresh(row.post_id)
        return post.trouble, post.face["checking"]

    assert said(30) == ("stuck", "Still checking every minute")
    assert said(0) == ("stuck", "Still checking every hour")
    long_ago = now() - timedelta(days=2)
    for kept in (type(row), GeneratedPost):
        kept.objects.update(asked_at=long_ago)
    assert said(0) == ("stuck", "No longer checked by itself")


def test_the_posts_of_a_persona_that_is_gone_are_not_asked_for(workspace, ines):
    running(ines, 60)
    Persona.objects.update(gone_at=now())
    assert planned(workspace) == []


def test_jobs_are_planned_by_how_long_they_run(workspace, ines):
    sync = job_of(ines, "sync", 0)
    out = job_of(ines, "outgoing", 30)
    assert planned(workspace) == [("outgoing", str(out.pk))]  # a sync takes half a minute at least
    ines.sync_jobs.update(asked_at=now() - timedelta(minutes=2))
    voice = job_of(ines, "voice", 90)
    found = {("outgoing", str(out.pk)), ("sync", str(sync.pk)), ("voice", str(voice.pk))}
    assert set(planned(workspace)) == found
    ines.sync_jobs.update(ended_at=now())
    workspace.outgoing.update(settled_at=now())
    watches.drop(workspace.pk, "voice", voice.pk)
    assert planned(workspace) == []


def job_of(persona, kind: str, started_before: float, *, looked_before: float | None = None):
    """A sync, a delivery or a voice conversion that runs since so many seconds."""
    at = now()
    asked_at = at - timedelta(seconds=started_before)
    facts = {"workspace": persona.workspace, "upstream_id": factories.uid(), "seen_at": at}
    if kind == "sync":
        row = persona.sync_jobs.create(asked_at=asked_at, **facts)
    elif kind == "outgoing":
        post = factories.make_post(persona)
        row = post.outgoing.create(asked_at=asked_at, status="publishing", **facts)
    else:
        row = factories.make_post(persona, media_type="video").items.get()
        row.voice_asked_at = asked_at
        row.save()
        watches.add(persona.workspace_id, "voice", row.pk)
    if looked_before is not None:
        watch = watches.add(persona.workspace_id, kind, row.pk)
        Watch.objects.filter(pk=watch.pk).update(looked_at=at - timedelta(seconds=looked_before))
    return row


JOBS = {"sync": "sync", "outgoing": "delivery", "voice": "voice"}  # each with the name of its range


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_somebody_waits_for_is_looked_at_earlier(workspace, ines, ana_of, kind):
    """A delivery and a voice by their post, a sync by any page; and each with the queue open."""
    low = cadence.SPANS[JOBS[kind]].low
    job = job_of(ines, kind, low + 5, looked_before=6)
    assert planned(workspace) == []
    post = None if kind == "sync" else job.post
    Look.objects.create(workspace=workspace, member=ana_of, post=post, at=now())
    assert planned(workspace) == [(kind, str(job.pk))]
    Look.objects.update(post=factories.make_post(ines))  # of something else
    assert planned(workspace) == []
    Look.objects.update(post=None)
    assert planned(workspace) == [(kind, str(job.pk))]


@pytest.mark.parametrize("kind", JOBS)
@pytest.mark.parametrize(
    ("limits", "looked_before", "is_due"),
    [
        (1.2, 4, False),  # past its limit: every minute
        (1.9, 61, True),
        (24, 1800, False),  # stuck: hourly …
        (24, 3601, True),
        (cadence.DAY / 180 + 50, 7200, False),  # … for a day, and then no more
    ],
)
def test_a_job_that_never_ends_is_looked_at_ever_more_rarely(
    workspace, ines, ana_of, kind, limits, looked_before, is_due
):
    Look.objects.create(workspace=workspace, member=ana_of, post=None, at=now())  # and nobody can hasten it
    span = cadence.SPANS[JOBS[kind]]
    job = job_of(ines, kind, limits * span.limit, looked_before=looked_before)
    assert planned(workspace) == ([(kind, str(job.pk))] if is_due else [])


def test_one_list_answers_for_all_that_is_being_published(service, workspace, ines):
    """The oldest is missing from the page, so it is read by itself."""
    rows = [job_of(ines, "outgoing", 40 - number) for number in range(4)]
    assert planned(workspace) == [("deliveries", "")]
    ended = [told_out(row, "published") for row in rows[1:3]]
    service.says["/v1/publishing/posts"] = [*ended, told_out(rows[3], "publishing")]
    service.says[f"/v1/publishing/posts/{rows[0].upstream_id}"] = told_out(rows[0], "failed")
    watch = look(watches.add(workspace.pk, "deliveries"))
    assert len(service.asked) == 2
    assert len(RateBudget.objects.get(pk=key_of(workspace).fingerprint).stamps) == 2
    assert [bool(row.settled_at) for row in workspace.outgoing.order_by("asked_at")] == [True] * 3 + [False]
    assert planned(workspace) == []  # the one that is left was read just now
    Watch.objects.filter(pk=watch.pk).update(looked_at=now() - timedelta(seconds=20))
    assert planned(workspace) == [("outgoing", str(rows[3].pk))]
    service.says["/v1/publishing/posts"] = [told_out(rows[3], "published")]
    assert look(watch) is None


def told_out(row, status: str) -> dict:
    deliveries = [{"id": f"delivery-{row.upstream_id}", "status": status, "platform": "instagram"}]
    return {"id": row.upstream_id, "status": status, "deliveries": deliveries}


def test_without_a_list_of_what_goes_out_each_is_read_by_itself(service, workspace, ines):
    """The list is inferred; a service may not have it."""
    rows = [job_of(ines, "outgoing", 40) for _ in range(2)]
    assert look(watches.add(workspace.pk, "deliveries")).failures == 1
    assert set(planned(workspace)) == {("outgoing", str(row.pk)) for row in rows}


def test_two_voices_of_one_post_are_one_read(service, workspace, ines):
    """The read of the post tells of both."""
    voice = job_of(ines, "voice", 60)
    other = factories.make_item(voice.post, position=1, media_type="video")
    other.voice_asked_at = voice.voice_asked_at
    other.save()
    watches.add(workspace.pk, "voice", other.pk)
    assert len(planned(workspace)) == 2
    service.says[f"/v1/generated-posts/{voice.post.upstream_id}"] = told(voice.post)
    look(watches.add(workspace.pk, "voice", voice.pk))
    assert planned(workspace) == []


def test_when_to_look_is_learned_from_what_the_workspace_made(workspace, ines):
    """Its images take a minute and a half: a look at forty seconds would be wasted."""
    caches["process"].clear()
    post = running(ines, 40)
    assert planned(workspace) == [("post", str(post.pk))]
    begun = now() - timedelta(hours=1)
    made = factories.make_post(ines, items=cadence.ENOUGH, made_at=begun)
    made.items.update(ended_at=begun + timedelta(seconds=90))
    factories.make_operation(made, "generate", state="succeeded")
    caches["process"].clear()
    assert planned(workspace) == []
    type(post).objects.filter(pk=post.pk).update(asked_at=now() - timedelta(seconds=95))
    assert planned(workspace) == [("post", str(post.pk))]


def test_a_minute_that_is_used_up_plans_nothing(workspace, ines, ana_of):
    watches.add(workspace.pk, "balance")
    running(ines, 60)
    assert planned(workspace)
    stamps = [now().timestamp() - 30] * 50
    RateBudget.objects.update_or_create(pk=key_of(workspace).fingerprint, defaults={"stamps": stamps})
    assert planned(workspace)
    Look.objects.create(workspace=workspace, member=ana_of, post=None, at=now())
    assert planned(workspace) == []  # somebody is at work: the rest of the minute is theirs


def test_a_rejected_key_is_tried_once_a_minute_and_nothing_else(workspace, ines):
    watches.add(workspace.pk, "balance")
    UpstreamKey.objects.update(state="rejected", checked_at=now())
    assert planned(workspace) == []
    UpstreamKey.objects.update(checked_at=now() - timedelta(seconds=61))
    assert planned(workspace) == [("key", "")]


def test_a_workspace_without_a_key_plans_nothing_and_stops_nobody(workspace, ines):
    other = factories.make_workspace("Elsewhere", key=False)
    watches.add(other.pk, "balance")
    watches.add(workspace.pk, "balance")
    assert [one.workspace_id for one in polling.plan()] == [workspace.pk]


# ---- one look, made once -------------------------------------------------------------------------------


def test_a_look_reads_and_says_when_it_comes_again(service, workspace, ines):
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    watch = look(watches.add(workspace.pk, "balance"))
    workspace.refresh_from_db()
    assert workspace.balance_cents == 777
    assert watch.poll_at - now() == pytest.approx(timedelta(seconds=300), abs=timedelta(seconds=20))
    assert (watch.claimed_until, watch.hinted_at, watch.failures, watch.trouble) == (None, None, 0, "")
    # Money moved, so what it was spent on is read next.
    assert workspace.watches.get(kind="transactions").poll_at <= now()


def test_of_two_pollers_one_looks(service, workspace, ines):
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    watch = watches.add(workspace.pk, "balance")
    Watch.objects.update(claimed_until=now() + timedelta(seconds=5))
    assert not polling.look(watch.pk)
    assert service.asked == []
    # One that died while looking is followed by another, once its claim is over.
    assert polling.look(watch.pk, at=now() + timedelta(seconds=6))
    assert service.asked == ["/v1/billing/balance"]


def test_a_hint_counts_once(service, workspace, ines):
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    watch = watches.add(workspace.pk, "balance", soon=True)
    assert polling.look(watch.pk, hinted=True)
    assert not polling.look(watch.pk, hinted=True)
    assert service.asked == ["/v1/billing/balance"]


def test_whoever_asks_for_a_look_while_one_is_under_way_gets_another(service, workspace, ines):
    watch = watches.add(workspace.pk, "post", running(ines, 60).pk)
    Watch.objects.filter(pk=watch.pk).update(poll_at=now() - AGO)
    watch.refresh_from_db()
    watches.add(workspace.pk, watch.kind, watch.subject, soon=True)  # the balance was asked for meanwhile
    polling.finish(watch, None)
    watch.refresh_from_db()  # it is still there
    assert watch.poll_at <= now()
    polling.finish(watch, None)
    assert not Watch.objects.filter(pk=watch.pk).exists()


def test_what_gets_lost_while_the_others_are_looked_for_is_looked_for_too(workspace):
    watch = watches.add(workspace.pk, "unknown", soon=True)
    Watch.objects.update(claimed_until=now() + timedelta(seconds=90))
    watch.refresh_from_db()
    at = now() + timedelta(seconds=15)
    watches.add_by(workspace.pk, "unknown", at)  # after that look has read what there is to be looked for
    polling.finish(watch, None)
    watch.refresh_from_db()  # it is still there
    assert watch.poll_at == at


def test_watching_twice_is_one_row_and_soon_forgets_its_failures(workspace, ines):
    watch = watches.add(workspace.pk, "balance")
    Watch.objects.update(failures=5, poll_at=now() + timedelta(hours=1))
    assert watches.add(workspace.pk, "balance") == watch
    assert Watch.objects.get().failures == 5
    watches.add(workspace.pk, "balance", soon=True)
    watch.refresh_from_db()
    assert (watch.failures, watch.poll_at <= now()) == (0, True)
    watches.drop(workspace.pk, "balance")
    assert not Watch.objects.exists()


def test_what_is_no_longer_here_is_no_longer_watched(workspace, ines):
    nobody = "00000000-0000-4000-8000-000000000000"
    assert look(watches.add(workspace.pk, "page", f"{nobody}/1")) is None
    for kind in ("post", "posts", "persona", "source_posts", "sync", "outgoing", "voice"):
        assert look(watches.add(workspace.pk, kind, nobody)) is None


def test_without_a_key_it_waits_a_minute(service, workspace, ines):
    watch = watches.add(workspace.pk, "balance")
    workspace.keys.all().delete()
    watch = look(watch)
    assert (watch.trouble, watch.failures, service.asked) == ("no key", 0, [])
    assert watch.poll_at > now() + timedelta(seconds=50)


def test_a_used_up_minute_is_no_failure(service, workspace, ines):
    stamps = [now().timestamp()] * 60
    RateBudget.objects.update_or_create(pk=key_of(workspace).fingerprint, defaults={"stamps": stamps})
    watch = look(watches.add(workspace.pk, "balance"))
    assert (watch.failures, watch.trouble, watch.looked_at, service.asked) == (0, "", None, [])
    assert now() < watch.poll_at < now() + timedelta(seconds=62)


# ---- whole lists ---------------------------------------------------------------------------------------


def lists(service, persona) -> list:
    return service.says[f"/v1/personas/{persona.upstream_id}/generated-posts"]


def many(count: int) -> list[dict]:
    return [{"id": f"post-{number}", "status": "completed", "media_items": []} for number in range(count)]


def test_a_list_is_walked_to_its_end_now_and_then_and_its_first_page_read_otherwise(service, workspace, ines):
    Persona.objects.update(posts_walked_at=None)
    lists(service, ines).extend(many(130))
    path = f"/v1/personas/{ines.upstream_id}/generated-posts"
    look(watches.add(workspace.pk, "posts", ines.pk))
    assert workspace.posts.count() == 130
    assert service.asked.count(path) == 2
    look(watches.add(workspace.pk, "posts", ines.pk))
    assert service.asked.count(path) == 3
    Persona.objects.update(posts_walked_at=now() - timedelta(hours=1, seconds=1))
    look(watches.add(workspace.pk, "posts", ines.pk))
    assert service.asked.count(path) == 5
    check_counts(workspace)


def test_what_the_whole_list_lacks_is_asked_for_before_it_counts_as_deleted(service, workspace, ines):
    Persona.objects.update(posts_walked_at=None)
    gone, hidden, listed = (factories.make_post(ines) for _ in range(3))
    lists(service, ines).append(told(listed))
    service.says[f"/v1/generated-posts/{hidden.upstream_id}"] = told(hidden)
    look(watches.add(workspace.pk, "posts", ines.pk))
    for post in (gone, hidden, listed):
        post.refresh_from_db()
    assert [bool(post.deleted_at) for post in (gone, hidden, listed)] == [True, False, False]
    assert gone.events.get(name="post.outside")
    check_counts(workspace)


def test_a_404_under_a_key_that_sees_nothing_deletes_nothing(service, workspace, ines):
    """The persona is away, too: then it is the key, not the post."""
    post = factories.make_post(ines)
    service.says.pop(f"/v1/personas/{ines.upstream_id}")
    watch = look(watches.add(workspace.pk, "post", post.pk))
    post.refresh_from_db()
    assert post.deleted_at is None
    assert watch.failures == 1


def test_what_runs_beyond_the_first_page_is_read_singly(service, workspace, ines):
    old = running(ines, 90)
    lists(service, ines).extend([*many(100), told(old)])
    service.says[f"/v1/generated-posts/{old.upstream_id}"] = told(old, "failed")
    look(watches.add(workspace.pk, "posts", ines.pk))
    old.refresh_from_db()
    assert old.status == "failed"


def test_what_is_listed_and_cannot_be_read_is_not_gone(service):
    """A source that publishes without review goes on doing so, whatever else its row says."""
    workspace = scripted.workspace_of(service)
    source = {"id": "s1", "platform": "instagram", "handle": "salt.rooms", "automation_mode": "auto_publish"}
    account = {"id": "a1", "platform": "instagram", "username": "ines.calder", "status": "active"}
    service.says["/v1/publishing/accounts"] = [account]
    service.persona("p1", sources=[source], targets=[{"id": "t1", "connected_account_id": "a1"}])
    scripted.look(workspace, "catalogue")
    rows = (workspace.personas.filter(gone_at=None), workspace.sources, workspace.accounts)
    for listed, field in (
        ("/v1/personas/p1/sources", "platform"),
        ("/v1/personas/p1/publishing-targets", "connected_account_id"),
        ("/v1/publishing/accounts", "id"),
        ("/v1/personas", "name"),
    ):
        service.says[listed] = [service.says[listed][0] | {field: None}]
        scripted.look(workspace, "catalogue")
        assert [row.count() for row in rows] == [1, 1, 1], listed
        assert workspace.personas.get().accounts == ["ines.calder"]
    service.says["/v1/personas"] = []
    scripted.look(workspace, "catalogue")
    assert workspace.personas.get().gone_at


def test_a_post_that_cannot_be_read_stops_no_other(service, workspace, ines):
    bad, good = running(ines, 90), running(ines, 80)
    service.says[f"/v1/generated-posts/{bad.upstream_id}"] = {"id": bad.upstream_id}
    service.says[f"/v1/generated-posts/{good.upstream_id}"] = told(good, "failed")
    assert look(watches.add(workspace.pk, "posts", ines.pk)).trouble == ""
    good.refresh_from_db()
    assert good.status == "failed"


def test_transactions_are_read_until_a_page_brings_nothing_new(service, workspace, ines):
    path = "/v1/billing/transactions"
    rows = [{"id": f"charge-{number}", "amount_cents": -32} for number in range(250)]
    service.says[path] = rows[150:]
    look(watches.add(workspace.pk, "transactions"))
    assert (service.asked.count(path), workspace.charges.count()) == (1, 100)
    service.says[path] = rows
    look(watches.add(workspace.pk, "transactions"))
    assert (service.asked.count(path), workspace.charges.count()) == (4, 250)
    look(watches.add(workspace.pk, "transactions"))
    assert service.asked.count(path) == 5  # only to see that nothing is new


def test_every_request_is_taken_from_the_minute_before_it_is_made(service, workspace, ines):
    """The catalogue: the personas, the accounts, and for each persona its sources and its targets."""
    look(watches.add(workspace.pk, "catalogue"))
    assert len(service.asked) == 4
    assert len(RateBudget.objects.get(pk=key_of(workspace).fingerprint).stamps) == 4


def test_a_persona_that_makes_posts_by_itself_is_read_more_often(service, workspace, ines):
    usual = look(watches.add(workspace.pk, "posts", ines.pk))
    assert usual.poll_at > now() + timedelta(seconds=200)
    factories.make_source(ines, automation_mode="auto_clone")
    often = look(watches.add(workspace.pk, "posts", ines.pk))
    assert often.poll_at < now() + timedelta(seconds=61)


# ---- the service in trouble ------------------------------------------------------------------------------

TROUBLES = {
    "401": (scripted.problem(401), "It said 401"),
    "402": (scripted.problem(402), "It said 402"),
    "403": (scripted.problem(403), watches.LACKS_SCOPE),
    "404 without an envelope": ((404, {}, b"nginx"), "Answered 404"),
    "429": ((429, {"Retry-After": "30"}, b"{}"), "Too many requests"),
    "500": (scripted.problem(500), "It said 500"),
    "503 of a gateway": ((503, {}, b"<h1>away</h1>"), "Answered 503"),
    "redirect": ((302, {"Location": "https://elsewhere.example"}, b""), "never followed"),
    "no answer": (TimeoutError("silence"), "no answer came in time"),
    "a broken line": (ConnectionResetError("reset"), "The line broke"),
    "a login page": ((200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), "not JSON"),
    "an empty answer": ((200, {}, b""), "it is empty"),
    "another shape": ((200, {}, b'{"data": 7}'), "no usable data"),
}


@pytest.mark.parametrize("name", sorted(TROUBLES))
def test_whatever_is_wrong_upstream_leaves_the_mirror_as_it_was(service, workspace, ines, name):
    answer, words = TROUBLES[name]
    posts = [factories.make_post(ines), running(ines, 60)]
    workspace.refresh_from_db()
    seen = workspace.balance_seen_at
    before = [list(type(post).objects.filter(pk=post.pk).values()) for post in posts]
    service.instead = answer
    for kind, subject in (("posts", ines.pk), ("catalogue", "")):
        watch = look(watches.add(workspace.pk, kind, subject))
        assert (watch.failures, words in watch.trouble) == (1, True), watch.trouble
        assert watch.poll_at > now() + timedelta(seconds=5)
        assert watch.looked_at
        RateBudget.objects.update(blocked_until=0)
    assert [list(type(post).objects.filter(pk=post.pk).values()) for post in posts] == before
    ines.refresh_from_db()
    workspace.refresh_from_db()
    assert (ines.gone_at, workspace.balance_seen_at, workspace.catalogue_seen_at) == (None, seen, None)
    assert key_of(workspace).state == ("rejected" if name == "401" else "working")
    check_counts(workspace)


def test_a_look_that_fails_is_made_ever_more_rarely_and_rests_meanwhile(service, workspace, ines):
    post = running(ines, 60)
    service.instead = (400, {}, b"no")  # proves nothing of the service as a whole
    watch = watches.add(workspace.pk, "post", post.pk)
    pauses = []
    for _ in range(9):
        at = now()
        watch = look(watch)
        pauses.append(round((watch.poll_at - at).total_seconds() / 10) * 10)
        UpstreamKey.objects.update(opened_at=None, failures=0)
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert planned(workspace) == []  # though its post is in flight
    watches.add(workspace.pk, "post", post.pk, soon=True)
    assert planned(workspace)[0] == ("post", str(post.pk))


def test_a_missing_scope_is_asked_for_once_an_hour(service, workspace, ines):
    service.says["/v1/billing/balance"] = scripted.problem(403)
    watch = look(watches.add(workspace.pk, "balance"))
    assert watch.poll_at > now() + timedelta(minutes=59)
    assert key_of(workspace).state == "working"


def test_a_429_stops_everything_under_the_key_for_as_long_as_it_says(service, workspace, ines):
    service.instead = (429, {"Retry-After": "40"}, b"{}")
    watch = look(watches.add(workspace.pk, "balance"))
    assert timedelta(seconds=35) < watch.poll_at - now() <= timedelta(seconds=41)
    until = RateBudget.objects.get(pk=key_of(workspace).fingerprint).blocked_until
    assert 35 < until - now().timestamp() <= 40
    watches.add(workspace.pk, "catalogue")
    assert planned(workspace) == []


def test_a_rejected_key_is_said_once_and_a_working_one_puts_it_right(service, workspace, ines):
    service.instead = scripted.problem(401)
    for kind in ("balance", "catalogue"):
        look(watches.add(workspace.pk, kind))
    key = key_of(workspace)
    assert (key.state, key.trouble) == ("rejected", "It said 401")
    assert Event.objects.filter(name="key.rejected").count() == 1
    version = workspace.scopes.get(key="desk").version

    service.instead = None
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    look(watches.add(workspace.pk, "key", soon=True))
    assert (key_of(workspace).state, key_of(workspace).trouble) == ("working", "")
    assert workspace.scopes.get(key="desk").version > version


def test_five_failures_open_the_breaker_and_one_answer_closes_it(service, workspace, ines):
    """Since when it is away is on the key; the page is drawn anew when it goes and when it is back."""
    key = key_of(workspace)
    service.instead = (503, {}, b"away")
    version = workspace.scopes.get(key="desk").version
    for count in range(1, 6):
        assert not rates.is_open(key_of(workspace))
        look(watches.add(workspace.pk, "balance", soon=True))
        assert key_of(workspace).failures == count
    key = key_of(workspace)
    assert rates.is_open(key)
    assert "503" in key.trouble
    assert workspace.scopes.get(key="desk").version == version + 1
    running(ines, 60)
    watches.add(workspace.pk, "catalogue")
    assert planned(workspace) == []  # nothing goes to a service that does not answer

    UpstreamKey.objects.update(opened_at=now() - timedelta(seconds=31))
    assert planned(workspace) == [("key", "")]  # but for one look
    asked = len(service.asked)
    look(watches.add(workspace.pk, "key", soon=True))
    assert service.asked[asked:] == ["/v1/billing/balance"]
    assert rates.is_open(key_of(workspace))  # still away: another half minute

    UpstreamKey.objects.update(opened_at=now() - timedelta(seconds=31))
    service.instead = None
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    look(watches.add(workspace.pk, "key", soon=True))
    key = key_of(workspace)
    assert (key.opened_at, key.failures, key.trouble, key.state) == (None, 0, "", "working")
    assert key.answered_at
    assert {"catalogue", "post"} <= {kind for kind, _ in planned(workspace)}


def test_an_unreadable_key_stops_no_other_workspace(service, workspace, ines, settings):
    UpstreamKey.objects.update(secret="nonsense")
    watch = look(watches.add(workspace.pk, "balance"))
    assert (watch.trouble, service.asked) == ("no key", [])


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_pollers_at_once_one_looks(service):
    workspace = scripted.workspace_of(service)
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    watch = watches.add(workspace.pk, "balance", soon=True)
    assert sum(from_threads(6, lambda _: polling.look(watch.pk, hinted=True))) == 1
    assert service.asked == ["/v1/billing/balance"]


# ---- reads that are tried again ------------------------------------------------------------------------


def stamps_of(workspace) -> int:
    return len(RateBudget.objects.get(pk=key_of(workspace).fingerprint).stamps)


def test_each_attempt_of_a_read_is_paid_for_from_the_keys_minute(service, workspace, ines):
    service.instead = (502, {}, b"bad gateway")
    watch = look(watches.add(workspace.pk, "balance"))
    assert len(service.asked) == stamps_of(workspace) == 4
    assert (watch.failures, key_of(workspace).failures) == (1, 1)  # one look, however often it was tried


def test_without_room_in_the_minute_nothing_is_tried_again(service, workspace, ines):
    service.instead = (502, {}, b"bad gateway")
    rates.grant(key_of(workspace).fingerprint, 54, "decide")
    look(watches.add(workspace.pk, "balance"))
    assert len(service.asked) == 1
    assert stamps_of(workspace) == 55


def test_a_service_that_is_away_is_not_asked_more_often(service, workspace, ines):
    service.instead = (502, {}, b"bad gateway")
    for _ in range(20):
        look(watches.add(workspace.pk, "balance", soon=True))
        UpstreamKey.objects.update(opened_at=None, failures=0)
    assert 20 < len(service.asked) <= 20 * 1.1 + 3


def test_how_long_it_asks_to_be_left_alone_is_kept(service, workspace, ines):
    service.instead = (503, {"Retry-After": "60"}, b"")
    watch = look(watches.add(workspace.pk, "balance"))
    assert len(service.asked) == 1
    assert timedelta(seconds=55) < watch.poll_at - now() <= timedelta(seconds=60)
