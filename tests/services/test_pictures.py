"""Pictures that went out before: remembered when a post goes out, found again by their bands."""

import uuid

import pytest
from django.db import connection

from reviewqueue.clock import now
from reviewqueue.models import Decision, Delivery, MediaFile, OutgoingPost, PictureBand
from reviewqueue.services import desk, holds, pictures, reviewing
from reviewqueue.services.checks import checks
from tests import factories
from tests.world import token

PHASH = "3c5a96e1d2874b0f"


def changed(phash: str, bits: int, *, spread: int = 9) -> str:
    """The hash with so many bits turned, spread over its bands."""
    value = int(phash, 16)
    for number in range(bits):
        value ^= 1 << (number * spread % 64)
    return f"{value:016x}"


def made(persona, *hashes, review_status="pending_review", **facts):
    """A post whose pictures have these hashes."""
    hashes = hashes or (PHASH,)
    post = factories.make_post(persona, items=len(hashes), **facts)
    for item, phash in zip(current(post), hashes, strict=True):
        MediaFile.objects.filter(pk=item.file_id).update(phash=phash)
    post.review_status = review_status
    post.save()
    return desk.refresh(post.pk, touched=True)


def published(persona, *hashes, **facts):
    return made(persona, *hashes, review_status="published", **facts)


def delivered(post, *usernames):
    outgoing = OutgoingPost.objects.create(
        workspace=post.workspace, post=post, upstream_id=factories.uid(), asked_at=now(), seen_at=now()
    )
    for username in usernames:
        Delivery.objects.create(
            outgoing=outgoing,
            upstream_id=factories.uid(),
            username=username,
            status="published",
            seen_at=now(),
        )
    return desk.refresh(post.pk, touched=True)


def current(post):
    return list(post.items.current().select_related("file"))


def alike(post):
    return pictures.alike(post, current(post))


def bands_of(post):
    return PictureBand.objects.filter(file__in=[item.file_id for item in current(post)])


# ---- hashes ---------------------------------------------------------------------------------------------


def test_a_hash_has_eight_bands_that_carry_their_number():
    assert pictures.keys_of("00ff00ff00ff0a01") == [0, 511, 512, 1023, 1024, 1535, 1546, 1793]


def test_whatever_differs_in_few_bits_shares_two_bands():
    for spread in (1, 3, 5, 8, 9, 16, 17):
        near = changed(PHASH, pictures.NEAR, spread=spread)
        assert pictures.distance(PHASH, near) <= pictures.NEAR
        assert len(set(pictures.keys_of(PHASH)) & set(pictures.keys_of(near))) >= pictures.SHARED


def test_a_picture_without_anything_in_it_tells_nothing(workspace):
    telling = {
        phash: pictures.is_telling(factories.make_file(workspace, phash=phash))
        for phash in ("", "0" * 16, "f" * 16, "0000000000000007", PHASH)
    }
    assert [phash for phash, tells in telling.items() if tells] == [PHASH]
    assert not pictures.is_telling(None)
    assert not pictures.is_telling(factories.make_file(workspace, state="wanted", phash=PHASH))


# ---- remembered -------------------------------------------------------------------------------------------


def test_a_post_that_is_published_is_remembered_once(persona):
    post = published(persona)
    assert sorted(bands_of(post).values_list("key", flat=True)) == pictures.keys_of(PHASH)
    desk.refresh(post.pk, touched=True)
    assert bands_of(post).count() == 8


def test_one_that_waits_or_was_rejected_is_not(persona):
    assert not bands_of(made(persona)).exists()
    assert not bands_of(made(persona, review_status="rejected")).exists()


def test_a_rejected_item_of_it_is_not(persona):
    post = factories.make_post(persona, items=2)
    post.items.filter(position=1).update(review_status="rejected")
    post.review_status = "published"
    post.save()
    desk.refresh(post.pk)
    assert set(bands_of(post).values_list("file", flat=True)) == {post.items.get(position=0).file_id}


def test_a_video_is_remembered_by_its_poster(persona):
    assert bands_of(published(persona, media_type="video")).count() == 8


def test_a_copy_that_lands_after_publishing_is_remembered(persona):
    from reviewqueue.services import media

    post = factories.make_post(persona, review_status="published")
    file = post.items.get().file
    MediaFile.objects.filter(pk=file.pk).update(state="wanted")
    PictureBand.objects.all().delete()
    desk.refresh(post.pk, touched=True)
    assert not bands_of(post).exists()
    MediaFile.objects.filter(pk=file.pk).update(state="stored")
    file.refresh_from_db()
    media.tell_owners(file)
    assert bands_of(post).count() == 8


def test_what_went_out_before_is_caught_up_with_once(persona, otto, django_assert_max_num_queries):
    posts = [published(persona, changed(PHASH, number)) for number in range(3)]
    theirs = published(factories.make_persona(otto.workspace))
    made(persona)
    PictureBand.objects.all().delete()
    pictures.catch_up()
    assert all(bands_of(post).count() == 8 for post in (*posts, theirs))
    assert PictureBand.objects.count() == 32
    with django_assert_max_num_queries(1):
        pictures.catch_up()


# ---- found ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0, 1, pictures.NEAR, pictures.NEAR + 1])
def test_near_ones_are_found_up_to_the_threshold(persona, bits):
    other = published(persona, changed(PHASH, bits))
    found = alike(made(persona))
    assert [(one.other.post, one.distance) for one in found] == (
        [(other, bits)] if bits <= pictures.NEAR else []
    )


def test_the_nearest_comes_first_and_a_post_once(persona):
    far = published(persona, changed(PHASH, 5))
    near = published(persona, changed(PHASH, 4), changed(PHASH, 1), changed(PHASH, 3))
    found = alike(made(persona))
    assert [one.other.post for one in found] == [near, far]
    assert [one.other.position for one in found] == [1, 0]


def test_the_post_itself_and_what_lies_elsewhere_is_not_like_it(persona, otto):
    published(factories.make_persona(otto.workspace))
    assert alike(published(persona)) == []


def test_the_same_copy_in_two_posts_is_found(persona):
    other = published(persona)
    post = made(persona)
    post.items.update(file=other.items.get().file)
    assert [one.other.post for one in alike(post)] == [other]


def test_whether_it_is_published_and_where(persona):
    delivered(published(persona), "ines.calder")
    (one,) = alike(made(persona))
    assert (one.is_published, one.accounts) == (True, {"ines.calder"})


def test_one_published_and_then_made_anew_still_counts(persona):
    other = delivered(published(persona), "ines.calder")
    other.review_status = "pending_review"
    other.asked_at = now()
    other.save()
    other = desk.refresh(other.pk)
    assert other.desk == "ready"
    (one,) = alike(made(persona))
    assert (one.other.post, one.is_published) == (other, True)


def test_one_published_and_deleted_still_counts(persona):
    other = published(persona)
    other.deleted_at = now()
    other.save()
    desk.refresh(other.pk)
    assert [one.other.post for one in alike(made(persona))] == [other]


def approve(post, by, **facts):
    return reviewing.approve(post, by=by, fingerprint=post.fingerprint, token=token(), **facts)


def test_an_approval_that_is_held_counts_until_it_is_undone(persona, ana):
    other, post = made(persona), made(persona)
    assert alike(post) == []
    decision = approve(other, ana)
    (one,) = alike(post)
    assert (one.other.post.desk, one.is_published, one.accounts) == ("held", False, {"ines.calder"})
    holds.undo(decision.hold, by=ana)
    assert alike(post) == []


@pytest.mark.parametrize(
    ("state", "verb", "counts"),
    [("blocked", "approve", True), ("unknown", "approve", True), ("blocked", "reject", False)],
)
def test_an_approval_that_waits_or_may_have_happened_counts_too(persona, ana, state, verb, counts):
    other, post = made(persona), made(persona)
    decide = reviewing.approve if verb == "approve" else reviewing.reject
    decision = decide(other, by=ana, fingerprint=other.fingerprint, token=token())
    type(decision.operation).objects.filter(pk=decision.operation_id).update(state=state, blocked_by="key")
    assert desk.refresh(other.pk).desk == "attention"
    assert [one.other.post for one in alike(post)] == ([other] if counts else [])
    said = [check.text for check in checks(post) if check.code == "twice"]
    words = f"Looks like {desk.label_of(other)}, approved and not known to be sent for @ines.calder"
    assert said == ([words] if counts else [])


def test_what_waits_without_a_decision_does_not_count(persona):
    other, post = made(persona), made(persona)
    pictures.remember(item.file for item in current(other))
    factories.make_operation(other, "regenerate_post", state="blocked", lock_group="make")
    assert desk.refresh(other.pk).trouble == "blocked"
    assert alike(post) == []


def test_a_rejection_that_is_held_does_not(persona, ana):
    other, post = made(persona), made(persona)
    decision = approve(other, ana)
    holds.undo(decision.hold, by=ana)
    other.refresh_from_db()
    reviewing.reject(other, by=ana, fingerprint=other.fingerprint, token=uuid.uuid4())
    assert Decision.objects.filter(stands=True).get().verdict == "reject"
    assert alike(post) == []


def test_in_compose_and_being_published_count(persona):
    composing = made(persona, review_status="approved")
    assert [one.other.post for one in alike(made(persona))] == [composing]


# ---- on the face of what is ready ----------------------------------------------------------------------


def settled(post):
    return desk.refresh(post.pk, touched=True).face.get("like")


def waits(persona, phash=PHASH):
    """Made, with its picture still to be copied; `arrive` brings it."""
    post = made(persona, phash)
    MediaFile.objects.filter(pk=post.items.get().file_id).update(state="wanted")
    return desk.refresh(post.pk, touched=True)


def arrive(post):
    MediaFile.objects.filter(pk=post.items.get().file_id).update(state="stored")
    return desk.refresh(post.pk).face.get("like")


def test_what_becomes_ready_names_the_nearest_published_one(persona, workspace):
    kilo = factories.make_persona(workspace, "Kilo North", accounts=())
    published(persona, changed(PHASH, 5))
    near = published(kilo, changed(PHASH, 1))
    assert arrive(waits(persona)) == near.number
    assert arrive(waits(persona, "0123456789abcdef")) is None


def test_one_that_is_only_on_its_way_is_left_to_the_preflight(persona, ana):
    approve(made(persona), ana)
    assert arrive(waits(persona)) is None


def test_it_is_looked_for_once_and_again_with_another_picture(persona):
    post = waits(persona)
    assert arrive(post) is None
    other = published(persona)
    assert settled(post) is None  # it hints at what was there when it came
    fresh = factories.make_file(persona.workspace, phash=PHASH)
    post.items.update(file=fresh)
    assert settled(post) == other.number
    PictureBand.objects.all().delete()
    assert settled(post) == other.number


def test_it_goes_when_the_post_leaves_the_table_and_is_looked_for_when_it_comes_back(persona, ana):
    other, post = published(persona), waits(persona)
    assert arrive(post) == other.number
    post.refresh_from_db()
    decision = approve(post, ana)
    post.refresh_from_db()
    assert "like" not in post.face
    holds.undo(decision.hold, by=ana)
    post.refresh_from_db()
    assert post.face["like"] == other.number


# ---- what it costs ----------------------------------------------------------------------------------------


def test_as_many_queries_for_many_as_for_few(persona, django_assert_max_num_queries):
    post = made(persona, PHASH, *(uuid.uuid4().hex[:16] for _ in range(3)))
    items = current(post)
    with django_assert_max_num_queries(1):
        pictures.alike(post, items)
    for number in range(30):
        delivered(published(persona, changed(PHASH, number % 6)), "ines.calder")
    with django_assert_max_num_queries(3):
        assert len(pictures.alike(post, items)) == 30


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a table of few rows as a whole")
def test_the_bands_are_found_through_their_index(persona):
    keys = PictureBand.objects.filter(workspace_id=persona.workspace_id, key__in=[1, 300, 600])
    assert "bands_by_key (workspace_id=? AND key=?)" in keys.explain()


# ---- the sandbox's own pictures -------------------------------------------------------------------------


def test_the_sandbox_has_near_duplicates_and_a_second_approval(world):
    world.mirror("Ines Calder")
    posts = world.workspace.posts.filter(persona__name="Ines Calder")

    def of(caption, *places):
        found = posts.filter(source_post__caption__startswith=caption, desk__in=(*places, "generating"))
        return world.copy(found.order_by("number").first())

    steps, stairs = of("Three ways up", "ready"), of("Fourteen steps", "published")
    assert [one.other.post for one in alike(steps)] == [stairs]
    tour, pool = of("The whole house", "ready"), of("Room 4 comes", "ready")
    assert pool not in [one.other.post for one in alike(tour)]
    world.approve(pool)
    assert pool in [one.other.post for one in alike(tour)]
