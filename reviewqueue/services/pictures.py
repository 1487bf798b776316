"""Which pictures went out before: perceptual hashes in eight bands, found through an index (ADR 10)."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q

from reviewqueue.models import Delivery, GeneratedPost, MediaFile, MediaItem, PictureBand, Workspace

# Of 64 bits, how many may differ between pictures that are alike. Measured on the sandbox's 65 stills:
# scaled, made grey or richer in contrast they all stay within six; recompressed, darkened by a quarter or
# cropped by a hundredth all but one or two; cropped by two hundredths or brightened by a quarter four in
# five. Different scenes are 14 and more apart, details of them 9. Another version of a scene is framed anew
# and mirrored: half of those are 24 and more apart, two in a hundred within six.
NEAR = 6
SHARED = 2  # six bits touch at most six of eight bands

BITS = 64
GOING_OUT = ("held", "sending", "composing", "publishing", "published")  # places on the desk
WAITING = ("blocked", "unknown")  # with a decision that goes out, or may have gone
MOST = 50  # items that are looked at
BATCH = 1000


@dataclass(frozen=True)
class Likeness:
    """An item of another post that went out or is about to, with a picture like one of ours."""

    item: MediaItem  # ours
    other: MediaItem
    distance: int
    accounts: frozenset[str]  # published or approved for
    is_published: bool


def keys_of(phash: str) -> list[int]:
    """The bands of a hash: the number of the band times 256, plus its eight bits."""
    return [band << 8 | bits for band, bits in enumerate(bytes.fromhex(phash))]


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def is_telling(file: MediaFile | None) -> bool:
    """Is there a hash that says anything? That of a blank or evenly shaded picture is like any other's."""
    if not (file and file.is_here and file.phash):
        return False
    return NEAR < int(file.phash, 16).bit_count() < BITS - NEAR


def remember(files: Iterable[MediaFile | None]) -> None:
    """Keep the bands of these pictures; of a video, those of its poster. May run twice."""
    telling = {file.pk: file for file in files if is_telling(file)}
    known = PictureBand.objects.filter(file__in=telling).values_list("file_id", flat=True).distinct()
    for pk in set(known):
        del telling[pk]
    rows = [
        PictureBand(workspace_id=file.workspace_id, file=file, key=key)
        for _, file in sorted(telling.items())
        for key in keys_of(file.phash)
    ]
    if rows:
        PictureBand.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)


def going_of(items: Iterable[MediaItem]) -> list[MediaItem]:
    """What would go out of a post: all but the rejected items."""
    return [item for item in items if not item.is_rejected]


def alike(post: GeneratedPost, items: list[MediaItem]) -> list[Likeness]:
    """The nearest item of every other post that has one like these, nearest first. Three queries at most."""
    ours = [item for item in items if is_telling(item.file)]
    near = _near(post.workspace_id, ours)
    if not near:
        return []
    delivered = Delivery.objects.filter(outgoing__post=OuterRef("post"), status="published")
    on_its_way = Q(is_current=True) & (Q(post__desk__in=GOING_OUT) | Q(post__trouble__in=WAITING))
    others = (
        MediaItem.objects.filter(file__in=near)
        .annotate(is_delivered=Exists(delivered))
        .filter(on_its_way | Q(is_delivered=True))
        .exclude(post=post)
        .exclude(review_status="rejected")
        .select_related("post__persona")
        .order_by("-post__number", "position")[:MOST]
    )
    others = [other for other in others if _counts(other)]
    published = _accounts([other.post_id for other in others])
    found: dict = {}
    for other in others:
        item, bits = near[other.file_id]
        if other.post_id in found and found[other.post_id].distance <= bits:
            continue
        is_published = other.is_delivered or other.post.desk == "published"
        meant = other.post.persona.accounts if other.post.persona else ()
        accounts = published.get(other.post_id, ()) if is_published else meant
        found[other.post_id] = Likeness(item, other, bits, frozenset(accounts), is_published)
    return sorted(found.values(), key=lambda one: (one.distance, -one.other.post.number))


def _near(workspace_id, ours: list[MediaItem]) -> dict:
    """By file, which of our items it is like, and how far from it. One query, whatever their number."""
    keys = {key for item in ours for key in keys_of(item.file.phash)}
    if not keys:
        return {}
    bands = PictureBand.objects.filter(workspace_id=workspace_id, key__in=keys).values("file")
    shared = bands.annotate(shared=Count("pk")).filter(shared__gte=SHARED).values("file")
    near = {}
    for file_id, phash in MediaFile.objects.filter(pk__in=shared).values_list("pk", "phash"):
        bits, item = min(
            ((distance(item.file.phash, phash), item) for item in ours), key=lambda pair: pair[0]
        )
        if bits <= NEAR:
            near[file_id] = (item, bits)
    return dict(sorted(near.items(), key=lambda pair: pair[1][1])[:MOST])


def _counts(other: MediaItem) -> bool:
    """A rejection that is held or being sent goes nowhere; what was deleted counts if it was out."""
    post, verdict = other.post, other.post.face.get("verdict")
    if other.is_delivered or post.desk == "published":
        return True
    if post.deleted_at or verdict == "reject":
        return False
    return post.desk in GOING_OUT or bool(verdict)


def _accounts(post_ids: list) -> dict:
    """By post, the accounts it was published to."""
    found: dict = {}
    if post_ids:
        out = Delivery.objects.filter(outgoing__post__in=post_ids, status="published")
        for post_id, username in out.values_list("outgoing__post", "username"):
            found.setdefault(post_id, set()).add(username)
    return found


def catch_up() -> None:
    """Remember what went out before anything was remembered: once a workspace, before the processes start."""
    without = Workspace.objects.exclude(Exists(PictureBand.objects.filter(workspace=OuterRef("pk"))))
    for workspace in without:
        out = MediaItem.objects.current().exclude(review_status="rejected")
        shown = out.filter(post__workspace=workspace, post__desk__in=GOING_OUT).values("file")
        files = MediaFile.objects.filter(pk__in=shown, state=MediaFile.State.STORED).iterator(BATCH)
        with transaction.atomic():
            while batch := list(islice(files, BATCH)):
                remember(batch)
