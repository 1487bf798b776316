"""Our own copies of the service's files: fetched, checked, re-encoded. Never trusted.

A file is wanted by the mirror and fetched by the worker; a page shows only what is here. The type is
read from the bytes, not believed; pictures are decoded under a pixel cap and written anew.
"""

import hashlib
import tempfile
from datetime import datetime
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import av
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Q
from PIL import Image, ImageOps

from reviewqueue import gateway, wake
from reviewqueue.clock import claim, now, wait
from reviewqueue.models import GeneratedPost, MediaFile, MediaItem, SourceMedia, SourcePost, Workspace
from reviewqueue.models.base import held
from reviewqueue.services import desk, events, watches
from reviewqueue.upstream.errors import Refused, UpstreamError
from reviewqueue.upstream.media import MediaRefused

Image.MAX_IMAGE_PIXELS = settings.MEDIA_MAX_PIXELS

SCREEN = (1280, 1600)  # both panes of the stage, sharp on a dense screen
THUMB = (376, 670)  # a frame of 188 px at twice the density
DECODERS = ("JPEG", "PNG", "WEBP", "AVIF")
LONGEST_ORIGIN = 800  # what the column holds
ATTEMPTS = 6
CLAIM_SECONDS = 90

# What the first bytes must look like: (offset, bytes, kind, content type, extension).
SIGNATURES = (
    (0, b"\xff\xd8\xff", "image", "image/jpeg", "jpg"),
    (0, b"\x89PNG\r\n\x1a\n", "image", "image/png", "png"),
    (8, b"WEBP", "image", "image/webp", "webp"),
    (4, b"ftypavif", "image", "image/avif", "avif"),
    (0, b"\x1aE\xdf\xa3", "video", "video/webm", "webm"),
    (4, b"ftypqt", "video", "video/quicktime", "mov"),
    (4, b"ftypM4A", "audio", "audio/mp4", "m4a"),
    (4, b"ftyp", "video", "video/mp4", "mp4"),
)


def path_of(link: str | None) -> str:
    """A link without its signature: the same for as long as the file is the same."""
    if not link:
        return ""
    parts = urlsplit(link)
    path = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if len(path) <= LONGEST_ORIGIN:
        return path
    digest = hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()
    return f"{path[: LONGEST_ORIGIN - 65]}#{digest}"  # two that begin alike stay two


class Unusable(Exception):
    """The bytes are not a picture or a video that we show. The message says so in plain words."""


def want(workspace: Workspace, link: str) -> MediaFile:
    """The copy of what `link` points to; asked for now if there is none yet. Inside a transaction."""
    origin = path_of(link)
    row = workspace.files.filter(origin=origin).first()
    if row is None:
        try:
            with transaction.atomic():
                row = MediaFile.objects.create(
                    workspace=workspace, origin=origin, link=link, fetch_at=now(), hinted_at=now()
                )
        except IntegrityError:
            return workspace.files.get(origin=origin)
        wake.fetch_media(row)
    elif row.state == MediaFile.State.WANTED and row.link != link:
        row.link = link
        row.save(update_fields=["link"])
    return row


def renewed(
    workspace: Workspace, file: MediaFile | None, link: str | None
) -> tuple[MediaFile | None, MediaFile | None]:
    """(what to show, what to show next). Inside a transaction.

    Under another link may lie the same file: what is here goes on being shown until that one was
    fetched and hashed.
    """
    if not link:
        return file, None
    wanted = want(workspace, link)
    if file is None or not file.is_here or wanted == file or wanted.state != MediaFile.State.WANTED:
        return wanted, None
    return file, wanted


def fetch(file_id, *, at: datetime | None = None) -> bool:
    """Copy one wanted file. Of several callers one does it; True if this one did."""
    at = at or now()
    free = Q(claimed_until=None) | Q(claimed_until__lt=at)
    claimed = MediaFile.objects.filter(free, pk=file_id, state=MediaFile.State.WANTED, fetch_at__lte=at)
    if not claimed.update(claimed_until=at + claim(CLAIM_SECONDS, least=15)):
        return False
    row = MediaFile.objects.select_related("workspace").get(pk=file_id)
    with tempfile.TemporaryDirectory(prefix="loupe-") as folder:
        path = Path(folder) / "file"
        try:
            download(row, path)
            store(row, path)
        except (MediaRefused, Unusable) as error:
            give_up(row, str(error))
        except UpstreamError as error:
            try_later(row, str(error), at)
            if isinstance(error, Refused):
                ask_for_another_link(row)
    return True


def download(row: MediaFile, path: Path) -> None:
    """Bring the bytes to `path`. Raises MediaRefused for what policy forbids, the error tree for the wire."""
    with path.open("wb") as sink:
        gateway.download(row.workspace, row.link, sink)


def try_later(row: MediaFile, reason: str, at: datetime) -> None:
    row.attempts += 1
    if row.attempts >= ATTEMPTS:
        give_up(row, f"The file could not be fetched: {reason}")
        return
    row.fetch_at = at + wait(min(300, 5 * 2**row.attempts))
    row.reason = reason[:300]
    row.claimed_until = row.hinted_at = None
    row.save(update_fields=["attempts", "fetch_at", "reason", "claimed_until", "hinted_at"])


def ask_for_another_link(row: MediaFile) -> None:
    """Links expire: whatever shows the file is read again, and brings a fresh one (see `want`)."""
    if row.state != MediaFile.State.WANTED:
        return
    for post_id in GeneratedPost.objects.filter(shown_with(row)).values_list("pk", flat=True).distinct():
        watches.add(row.workspace_id, "post", post_id, soon=True)


def give_up(row: MediaFile, reason: str) -> None:
    row.state = MediaFile.State.REFUSED
    row.reason = reason[:300]
    row.save(update_fields=["state", "reason"])
    tell_owners(row)
    shown = GeneratedPost.objects.filter(shown_with(row), deleted_at=None).distinct()
    for post in shown.select_related("persona"):
        facts = {"subject": desk.label_of(post), "post": post, "persona": post.persona}
        events.record("media.refused", row.workspace, reason=row.reason, **facts)


def store(row: MediaFile, path: Path) -> None:
    """Check, measure and re-encode what was fetched, then tell the posts that show it."""
    kind, content_type, extension = sniff(path)
    row.kind, row.content_type, row.extension = kind, content_type, extension
    row.byte_size = path.stat().st_size
    row.sha256 = digest(path)
    if kind == "image":
        picture = open_picture(path)
    elif kind == "video":
        picture = open_video(row, path)
    elif is_to_be_seen(row):
        raise Unusable("The file is a sound, not a picture or a video.")
    else:
        picture = None
    with path.open("rb") as original:
        keep(row, "original", File(original))
    if picture is not None:
        row.width, row.height = picture.size
        row.phash = difference_hash(picture)
        keep(row, "screen", encoded(picture, SCREEN, quality=82))
        keep(row, "thumb", encoded(picture, THUMB, quality=74))
    row.state, row.reason = MediaFile.State.STORED, ""
    row.stored_at = now()
    row.claimed_until = None
    row.save()
    tell_owners(row)


def is_to_be_seen(row: MediaFile) -> bool:
    """Does anything show the file itself (a converted voice is only heard)?"""
    shows = Q(file=row) | Q(next_file=row)
    return any(kind.objects.filter(shows).exists() for kind in (MediaItem, SourceMedia))


def keep(row: MediaFile, rendition: str, content: File) -> None:
    name = row.stored_as(rendition)
    if default_storage.exists(name):
        default_storage.delete(name)
    default_storage.save(name, content)


def tell_owners(row: MediaFile) -> None:
    """The posts and source posts that show this file, or wait for it, are worked out anew."""
    for post_id in GeneratedPost.objects.filter(shown_with(row)).values_list("pk", flat=True).distinct():
        with transaction.atomic():
            post = desk.lock(post_id)
            for item in post.items.select_related("file").filter(next_file=row):
                take_over(item, row)
            version = post.version + 1
            post.items.filter(Q(file=row) | Q(voice_file=row)).update(changed_in=version, pictured_in=version)
            desk.settle(post, touched=True)
    waiting = Q(media__file=row) | Q(media__next_file=row)
    for source_id in SourcePost.objects.filter(waiting).values_list("pk", flat=True).distinct():
        with transaction.atomic():
            source = held(SourcePost.objects).get(pk=source_id)
            for part in source.media.select_related("file").filter(next_file=row):
                take_over(part, row)
            desk.settle_source(source)
        # What has no picture of its own yet, or never gets one, shows its source's.
        for post_id in GeneratedPost.objects.filter(source_post_id=source_id).values_list("pk", flat=True):
            desk.refresh(post_id)


def shown_with(row: MediaFile) -> Q:
    """The generated posts that show the file, or wait for it."""
    return Q(items__file=row) | Q(items__voice_file=row) | Q(items__next_file=row)


def take_over(shown, row: MediaFile) -> None:
    """What was fetched under another link takes the place of what is shown, unless it is the same file."""
    old = shown.file
    if old and row.is_here and old.sha256 == row.sha256:
        # The copy lies under the newer link from now on; the spare one keeps a name of its own.
        MediaFile.objects.filter(pk=row.pk).update(origin=f"{row.origin}#spare-{row.name}"[-LONGEST_ORIGIN:])
        MediaFile.objects.filter(pk=old.pk).update(origin=row.origin, link=row.link)
    else:
        shown.file = row
    shown.next_file = None
    shown.save(update_fields=["file", "next_file"])


# ---- reading the bytes -----------------------------------------------------------------------


def sniff(path: Path) -> tuple[str, str, str]:
    """(kind, content type, extension) by the first bytes. Raises Unusable for anything else."""
    with path.open("rb") as file:
        head = file.read(64)
    for offset, signature, *found in SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return tuple(found)
    looks = head.lstrip().lower()
    if looks.startswith((b"<svg", b"<?xml", b"<!doc", b"<html")):
        raise Unusable("The file is a document (SVG, HTML or XML), not a picture or a video.")
    raise Unusable("The file is neither a picture (JPEG, PNG, WebP) nor a video (MP4, MOV, WebM).")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_picture(path: Path) -> Image.Image:
    """Decode it, by the decoders of the types we know only. Raises Unusable."""
    too_many = f"The picture has more than {settings.MEDIA_MAX_PIXELS:,} pixels; that is too many to open."
    try:
        with Image.open(path, formats=DECODERS) as image:
            if image.width * image.height > settings.MEDIA_MAX_PIXELS:
                raise Unusable(too_many)
            return ImageOps.exif_transpose(image).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(too_many) from None
    except Unusable:
        raise
    except Exception:  # a decoder that is fed nonsense may raise anything
        raise Unusable("The picture is damaged and cannot be opened.") from None


def open_video(row: MediaFile, path: Path) -> Image.Image:
    """Measure the video and take its poster: the frame at a tenth of its length."""
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            row.duration_seconds = seconds_of(container, stream)
            row.has_sound = bool(container.streams.audio)
            if stream.width * stream.height > settings.MEDIA_MAX_PIXELS:
                raise Unusable(
                    f"The video has more than {settings.MEDIA_MAX_PIXELS:,} pixels; that is too many to open."
                )
            return poster_of(container, stream, row.duration_seconds)
    except Unusable:
        raise
    except Exception:  # as above
        raise Unusable("The video is damaged and cannot be opened.") from None


def seconds_of(container, stream) -> float | None:
    if container.duration:
        return round(container.duration / av.time_base, 2)
    if stream.duration and stream.time_base:
        return round(float(stream.duration * stream.time_base), 2)
    return None


def poster_of(container, stream, duration: float | None) -> Image.Image:
    wanted = (duration or 0) / 10
    frame = None
    for count, frame in enumerate(container.decode(stream)):
        if (frame.time or 0) >= wanted or count > 300:
            break
    if frame is None:
        raise ValueError("no frame")
    return frame.to_image()


def encoded(picture: Image.Image, size: tuple[int, int], *, quality: int) -> ContentFile:
    copy = picture.copy()
    copy.thumbnail(size, Image.Resampling.LANCZOS)
    out = BytesIO()
    # A thirtieth more bytes than with method 4, in two thirds of the time.
    copy.save(out, "WEBP", quality=quality, method=2)
    return ContentFile(out.getvalue())


def difference_hash(picture: Image.Image) -> str:
    """dHash, 64 bits as 16 hex digits: alike pictures differ in few bits."""
    small = picture.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    pixels = small.get_flattened_data()
    bits = 0
    for row in range(8):
        for column in range(8):
            bits = bits << 1 | (pixels[row * 9 + column] > pixels[row * 9 + column + 1])
    return f"{bits:016x}"
