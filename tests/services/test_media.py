"""Copies of the service's files: measured, re-encoded, hashed; refused, tried again, nothing left behind."""

import hashlib
import io
from datetime import timedelta
from pathlib import Path

import av
import pytest
from django.conf import settings as configured
from django.core.files.storage import default_storage
from PIL import Image, ImageDraw

from reviewqueue.clock import now
from reviewqueue.models import MediaFile, Watch
from reviewqueue.services import media
from tests import factories, scripted
from tests.world import check_counts, committing, from_threads, only_postgresql


@pytest.fixture
def sandboxed(service):
    return scripted.workspace_of(service)


@pytest.fixture
def persona_here(sandboxed):
    return factories.make_persona(sandboxed)


def drawn(size=(900, 1200), *, at=0, background="white") -> Image.Image:
    """A picture with something in it, so that its perceptual hash says something."""
    image = Image.new("RGB", size, background)
    pen = ImageDraw.Draw(image)
    width, height = size
    pen.ellipse((width * 0.1 + at, height * 0.2, width * 0.5 + at, height * 0.6), fill="navy")
    pen.polygon([(width * 0.9, height * 0.1), (width * 0.6, height * 0.9), (width, height)], fill="orange")
    return image


def encoded(image: Image.Image, form="JPEG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def video(seconds=2.0, size=(64, 96), sound=True) -> bytes:
    """An MP4 whose picture turns from black to white."""
    out = io.BytesIO()
    frames = int(seconds * 10)
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        voice = container.add_stream("aac", rate=8000) if sound else None
        for number in range(frames):
            grey = 255 * number // frames
            frame = av.VideoFrame.from_image(Image.new("RGB", size, (grey, grey, grey)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice:
            for number in range(int(seconds * 8000) // 1024):
                frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                frame.sample_rate, frame.pts = 8000, number * 1024
                frame.planes[0].update(bytes(4096))
                container.mux(voice.encode(frame))
            container.mux(voice.encode())
    return out.getvalue()


def wanted(workspace, link: str) -> MediaFile:
    return media.want(workspace, link)


def fetched(workspace, link: str) -> MediaFile:
    row = wanted(workspace, link)
    assert media.fetch(row.pk)
    row.refresh_from_db()
    return row


def opened(row: MediaFile, rendition: str) -> Image.Image:
    with default_storage.open(row.stored_as(rendition)) as file:
        return Image.open(io.BytesIO(file.read()))


def kept_files() -> list[str]:
    root = Path(configured.MEDIA_ROOT)
    return sorted(path.name for path in root.rglob("*") if path.is_file()) if root.exists() else []


# ---- what becomes of a file ------------------------------------------------------------------------


def test_a_picture_is_kept_as_it_came_and_shown_anew(service, sandboxed):
    raw = encoded(drawn((1500, 2000)))
    service.files["a.jpg"] = raw
    row = fetched(sandboxed, service.link("a.jpg"))
    assert (row.state, row.kind, row.content_type, row.extension) == ("stored", "image", "image/jpeg", "jpg")
    assert (row.width, row.height, row.byte_size) == (1500, 2000, len(raw))
    assert row.sha256 == hashlib.sha256(raw).hexdigest()
    with default_storage.open(row.stored_as("original")) as file:
        assert file.read() == raw
    screen, thumb = opened(row, "screen"), opened(row, "thumb")
    assert (screen.format, thumb.format) == ("WEBP", "WEBP")
    assert (screen.size, thumb.size) == ((1200, 1600), (376, 501))
    assert row.aspect == "4:5"
    assert (row.claimed_until, row.reason) == (None, "")
    assert row.stored_at


def test_a_small_picture_is_not_blown_up(service, sandboxed):
    service.files["a.png"] = encoded(drawn((100, 100)), "PNG")
    row = fetched(sandboxed, service.link("a.png"))
    assert opened(row, "screen").size == opened(row, "thumb").size == (100, 100)


def test_what_is_written_into_a_picture_does_not_reach_what_is_shown(service, sandboxed):
    """Where it was taken stays in the original; which way up it is, is applied."""
    tags = Image.Exif()
    tags[0x0112] = 6  # turned by 90°
    tags[0x010E] = "at home, 52.5 N 13.4 E"
    service.files["a.jpg"] = encoded(drawn((400, 300)), exif=tags)
    row = fetched(sandboxed, service.link("a.jpg"))
    assert (row.width, row.height) == (300, 400)
    for rendition in ("screen", "thumb"):
        shown = opened(row, rendition)
        assert shown.size == (300, 400)
        assert not shown.getexif()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_every_form_of_picture_is_read(service, sandboxed, form):
    service.files["a"] = encoded(drawn((80, 100)).convert("RGBA"), form)
    row = fetched(sandboxed, service.link("a"))
    assert (row.state, row.content_type, row.width) == ("stored", f"image/{form.lower()}", 80)


def test_a_video_is_measured_and_has_a_poster(service, sandboxed):
    raw = video(2.0)
    service.files["a.mp4"] = raw
    row = fetched(sandboxed, service.link("a.mp4"))
    assert (row.state, row.kind, row.content_type, row.extension) == ("stored", "video", "video/mp4", "mp4")
    assert row.duration_seconds == pytest.approx(2.0, abs=0.2)
    assert (row.width, row.height, row.has_sound) == (64, 96, True)
    assert row.aspect == "9:16"
    grey = opened(row, "screen").convert("L").resize((1, 1)).getpixel((0, 0))
    assert 5 < grey < 90  # at a tenth of its length: no longer black, far from white
    with default_storage.open(row.stored_as("original")) as file:
        assert file.read() == raw


def test_a_video_without_sound_says_so(service, sandboxed):
    service.files["a.mp4"] = video(0.5, sound=False)
    assert not fetched(sandboxed, service.link("a.mp4")).has_sound


def test_alike_pictures_have_alike_hashes_and_others_have_others(service, sandboxed):
    service.files |= {
        "a.jpg": encoded(drawn()),
        "a-again.jpg": encoded(drawn().resize((450, 600)), quality=40),
        "b.jpg": encoded(drawn().transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    }
    rows = {name: fetched(sandboxed, service.link(name)) for name in service.files}

    def apart(one: str, other: str) -> int:
        return (int(rows[one].phash, 16) ^ int(rows[other].phash, 16)).bit_count()

    assert {len(row.phash) for row in rows.values()} == {16}
    assert apart("a.jpg", "a-again.jpg") <= 4
    assert apart("a.jpg", "b.jpg") > 12
    assert rows["a.jpg"].sha256 != rows["a-again.jpg"].sha256


def test_a_post_is_ready_once_its_last_copy_is_here(service, persona_here):
    service.files |= {"a.jpg": encoded(drawn()), "b.jpg": encoded(drawn(at=90))}
    files = [wanted(persona_here.workspace, service.link(name)) for name in service.files]
    post = factories.make_post(persona_here, items=2)
    for item, file in zip(post.items.all(), files, strict=True):
        post.items.filter(pk=item.pk).update(file=file)
    factories.desk.refresh(post.pk)
    for file, place in zip(files, ("generating", "ready"), strict=True):
        before = post.version
        with committing():
            assert media.fetch(file.pk)
        post.refresh_from_db()
        assert post.desk == place
        assert post.version > before
    assert post.face["thumb"] == files[0].name
    check_counts(persona_here.workspace)


@pytest.mark.parametrize("status", ["failed", "generating"])
def test_what_has_no_picture_of_its_own_shows_its_sources_once_that_is_here(service, persona_here, status):
    service.files["source.jpg"] = encoded(drawn())
    file = wanted(persona_here.workspace, service.link("source.jpg"))
    source = factories.make_source_post(persona_here.workspace)
    source.media.update(file=file)
    factories.desk.refresh_source(source.pk)
    post = factories.make_post(persona_here, status=status, source=source)
    assert post.face["source"] == ""
    with committing():
        assert media.fetch(file.pk)
    before = post.version
    post.refresh_from_db()
    assert post.face["source"] == file.name
    assert post.version > before


# ---- one copy ----------------------------------------------------------------------------------------


def test_a_file_is_wanted_once_whatever_its_signature(sandboxed):
    row = wanted(sandboxed, "http://service.test/files/a.jpg?sig=1&exp=2")
    again = wanted(sandboxed, "http://service.test/files/a.jpg?sig=3")
    assert again == row
    assert again.link.endswith("?sig=3")  # the newest one: the older may have expired
    other = wanted(factories.make_workspace("Elsewhere"), "http://service.test/files/a.jpg")
    assert other != row


def test_two_long_links_that_begin_alike_are_two_files(sandboxed):
    long = f"{scripted.URL}/files/{'a' * 900}"
    one, other = wanted(sandboxed, f"{long}/1.jpg?sig=1"), wanted(sandboxed, f"{long}/2.jpg?sig=1")
    assert one != other
    assert wanted(sandboxed, f"{long}/1.jpg?sig=2") == one


def test_what_is_here_is_not_fetched_again(service, sandboxed):
    service.files["a.jpg"] = encoded(drawn())
    row = fetched(sandboxed, service.link("a.jpg"))
    assert wanted(sandboxed, service.link("a.jpg") + "&later=1") == row
    assert not media.fetch(row.pk)
    assert service.asked.count("/files/a.jpg") == 1


def test_the_same_file_under_a_new_link_changes_nothing(service, persona_here):
    """The bytes are compared before anything on the screen moves."""
    workspace = persona_here.workspace
    service.files |= dict.fromkeys(("a.jpg", "moved.jpg"), encoded(drawn()))
    first = fetched(workspace, service.link("a.jpg"))
    post = factories.make_post(persona_here)
    post.items.update(file=first)
    post = factories.desk.refresh(post.pk)
    shown, spare = media.renewed(workspace, first, service.link("moved.jpg"))
    assert shown == first
    post.items.update(next_file=spare)
    with committing():
        assert media.fetch(spare.pk)
    item = post.items.get()
    fingerprint = post.fingerprint
    post.refresh_from_db()
    assert (item.file, item.next_file, post.fingerprint) == (first, None, fingerprint)
    assert media.want(workspace, service.link("moved.jpg")) == first  # it lies under the newer link now


def test_another_file_under_a_new_link_takes_its_place(service, persona_here):
    workspace = persona_here.workspace
    service.files |= {"a.jpg": encoded(drawn()), "moved.jpg": encoded(drawn(at=120))}
    first = fetched(workspace, service.link("a.jpg"))
    post = factories.make_post(persona_here)
    post.items.update(file=first)
    post = factories.desk.refresh(post.pk)
    _, spare = media.renewed(workspace, first, service.link("moved.jpg"))
    post.items.update(next_file=spare)
    with committing():
        assert media.fetch(spare.pk)
    item, fingerprint = post.items.get(), post.fingerprint
    post.refresh_from_db()
    assert (item.file, item.next_file) == (spare, None)
    assert post.fingerprint != fingerprint


def test_a_new_link_that_leads_to_nothing_good_takes_the_post_off_the_pile(service, persona_here):
    workspace = persona_here.workspace
    service.files |= {"a.jpg": encoded(drawn()), "bad.jpg": b"<svg/>"}
    first = fetched(workspace, service.link("a.jpg"))
    post = factories.make_post(persona_here)
    post.items.update(file=first)
    _, spare = media.renewed(workspace, first, service.link("bad.jpg"))
    post.items.update(next_file=spare)
    with committing():
        assert media.fetch(spare.pk)
    post.refresh_from_db()
    # To approve it would publish the new file, so nobody decides on the old one.
    assert (post.desk, post.trouble) == ("attention", "media")


# ---- trouble -----------------------------------------------------------------------------------------


def test_what_cannot_be_fetched_is_tried_again_later_and_later(service, sandboxed):
    service.files["a.jpg"] = 503, {}, b""
    row = wanted(sandboxed, service.link("a.jpg"))
    pauses = []
    at = now()
    for attempt in range(1, media.ATTEMPTS):
        assert media.fetch(row.pk, at=at)
        row.refresh_from_db()
        assert (row.state, row.attempts, row.claimed_until) == ("wanted", attempt, None)
        assert row.reason
        assert not media.fetch(row.pk, at=at)  # not before its time
        pauses.append((row.fetch_at - at).total_seconds())
        at = row.fetch_at
    assert pauses == [10, 20, 40, 80, 160]
    service.files["a.jpg"] = encoded(drawn())
    assert media.fetch(row.pk, at=at)
    row.refresh_from_db()
    assert (row.state, row.reason) == ("stored", "")


def test_it_is_given_up_in_the_end_and_says_why(service, sandboxed):
    service.files["a.jpg"] = 503, {}, b""
    row = wanted(sandboxed, service.link("a.jpg"))
    for _ in range(media.ATTEMPTS):
        MediaFile.objects.update(fetch_at=now())
        assert media.fetch(row.pk)
    row.refresh_from_db()
    assert row.state == "refused"
    assert "could not be fetched" in row.reason
    assert "503" in row.reason
    MediaFile.objects.update(fetch_at=now())
    assert not media.fetch(row.pk)
    assert kept_files() == []


def test_an_expired_link_brings_a_fresh_one(service, persona_here):
    """Whatever shows the file is looked at again."""
    workspace = persona_here.workspace
    service.files["a.jpg"] = scripted.problem(403)
    row = wanted(workspace, service.link("a.jpg"))
    post = factories.make_post(persona_here)
    post.items.update(file=row)
    assert media.fetch(row.pk)
    watch = Watch.objects.get(kind="post", subject=str(post.pk))
    assert watch.poll_at <= now()
    fresh = service.link("a.jpg") + "&fresh=1"
    service.says[f"/v1/generated-posts/{post.upstream_id}"] = {
        "id": post.upstream_id,
        "status": "completed",
        "media_items": [
            {"id": item.upstream_id, "status": "completed", "media_type": "image", "url": fresh}
            for item in post.items.all()
        ],
    }
    scripted.look(workspace, "post", post.pk)
    row.refresh_from_db()
    assert (row.link, row.state) == (fresh, "wanted")


def test_a_truncated_file_is_not_kept(service, sandboxed):
    raw = encoded(drawn())
    service.files["a.jpg"] = 200, {"Content-Length": str(len(raw) * 2)}, raw
    row = fetched(sandboxed, service.link("a.jpg"))
    assert (row.state, row.attempts) == ("wanted", 1)
    assert "in part" in row.reason
    assert kept_files() == []


def test_a_refused_file_leaves_nothing_behind(service, sandboxed):
    service.files["a.mp4"] = b"\x00\x00\x00\x20ftypisom" + b"\x00" * 400
    assert fetched(sandboxed, service.link("a.mp4")).state == "refused"
    assert kept_files() == []


def test_a_copy_that_was_half_written_is_written_over(service, sandboxed):
    """Its worker died in between; the second one leaves exactly the three files."""
    service.files["a.jpg"] = encoded(drawn())
    row = wanted(sandboxed, service.link("a.jpg"))
    row.extension = "jpg"
    for rendition in ("original", "screen"):
        media.keep(row, rendition, media.ContentFile(b"half"))
    assert media.fetch(row.pk)
    row.refresh_from_db()
    assert kept_files() == [
        f"{row.name}.{ending}" for ending in ("original.jpg", "screen.webp", "thumb.webp")
    ]
    assert opened(row, "screen").size[0] > 0
    row.delete_files()
    assert kept_files() == []


def test_one_that_died_while_fetching_is_taken_by_another_after_its_claim(service, sandboxed):
    service.files["a.jpg"] = encoded(drawn())
    row = wanted(sandboxed, service.link("a.jpg"))
    MediaFile.objects.update(claimed_until=now() + timedelta(seconds=media.CLAIM_SECONDS))
    assert not media.fetch(row.pk)
    assert media.fetch(row.pk, at=now() + timedelta(seconds=media.CLAIM_SECONDS + 1))


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_fetches(service):
    workspace = scripted.workspace_of(service)
    service.files["a.jpg"] = encoded(drawn((60, 80)))
    row = wanted(workspace, service.link("a.jpg"))
    assert sum(from_threads(6, lambda _: media.fetch(row.pk))) == 1
    assert service.asked.count("/files/a.jpg") == 1


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_who_want_it_at_once_all_get_the_same_row(service):
    workspace = scripted.workspace_of(service)

    def want(_):
        with media.transaction.atomic():
            return wanted(workspace, service.link("a.jpg")).pk

    assert len(set(from_threads(6, want))) == 1
