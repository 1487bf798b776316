"""What the platforms take, as data: each value with the public page that says so and when it was read.

Sizes in bytes are no rule here: the service makes the files and hands them over itself.
"""

from dataclasses import dataclass

INSTAGRAM_MEDIA = (
    "https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/media"
)
INSTAGRAM_PUBLISHING = "https://developers.facebook.com/docs/instagram-platform/content-publishing/"
INSTAGRAM_FIVE = "https://routenote.com/blog/Instagram-hashtags"  # quotes Instagram’s own announcement
TIKTOK_VIDEO = "https://developers.tiktok.com/doc/content-posting-api-reference-direct-post"
TIKTOK_PHOTO = "https://developers.tiktok.com/doc/content-posting-api-reference-photo-post"
TIKTOK_FILES = "https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide"
TIKTOK_SECONDS = "https://docs.getlate.dev/resources/media-guidelines/tiktok"

ROUNDING = 0.01  # a shape is off by this share when its sides are whole pixels


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both taken; where that is written, and the month in which it was read."""

    low: float
    high: float
    source: str
    read: str = "2026-11"

    def takes(self, value: float) -> bool:
        return self.low <= value <= self.high

    def takes_shape(self, ratio: float) -> bool:
        return self.low * (1 - ROUNDING) <= ratio <= self.high * (1 + ROUNDING)


@dataclass(frozen=True)
class Types:
    """The file types that are taken, by their media types; where that is written, and when it was read."""

    taken: tuple[str, ...]
    source: str
    read: str = "2026-11"


@dataclass(frozen=True)
class Platform:
    """One platform's limits; None where it states none. Shapes are width divided by height."""

    name: str
    is_supported: bool  # by the service
    caption: Range  # characters of a post with a video
    caption_of_pictures: Range
    counts_utf16: bool
    hashtags: Range | None
    hashtags_announced: Range | None  # said to come into force gradually
    items: Range
    mixes: bool  # pictures and videos in one post
    picture_shape: Range | None
    video_shape: Range | None
    video_seconds: Range
    picture_types: Types
    video_types: Types

    def length(self, caption: str) -> int:
        return len(caption.encode("utf-16-le", "surrogatepass")) // 2 if self.counts_utf16 else len(caption)

    def longest(self, has_video: bool) -> int:
        return int((self.caption if has_video else self.caption_of_pictures).high)


INSTAGRAM = Platform(
    name="Instagram",
    is_supported=True,
    caption=Range(0, 2200, INSTAGRAM_MEDIA),
    caption_of_pictures=Range(0, 2200, INSTAGRAM_MEDIA),
    counts_utf16=False,
    hashtags=Range(0, 30, INSTAGRAM_MEDIA),
    hashtags_announced=Range(0, 5, INSTAGRAM_FIVE),
    items=Range(1, 10, INSTAGRAM_PUBLISHING),
    mixes=True,
    picture_shape=Range(4 / 5, 1.91, INSTAGRAM_MEDIA),
    video_shape=Range(0.01, 10, INSTAGRAM_MEDIA),
    video_seconds=Range(3, 15 * 60, INSTAGRAM_MEDIA),
    picture_types=Types(("image/jpeg",), INSTAGRAM_MEDIA),
    video_types=Types(("video/mp4", "video/quicktime"), INSTAGRAM_MEDIA),
)
TIKTOK = Platform(
    name="TikTok",
    is_supported=False,
    caption=Range(0, 2200, TIKTOK_VIDEO),
    caption_of_pictures=Range(0, 4000, TIKTOK_PHOTO),
    counts_utf16=True,
    hashtags=None,
    hashtags_announced=None,
    items=Range(1, 35, TIKTOK_PHOTO),
    mixes=False,
    picture_shape=None,
    video_shape=None,
    video_seconds=Range(3, 10 * 60, TIKTOK_SECONDS),
    picture_types=Types(("image/jpeg", "image/webp"), TIKTOK_FILES),
    video_types=Types(("video/mp4", "video/quicktime", "video/webm"), TIKTOK_FILES),
)
PLATFORMS = {"instagram": INSTAGRAM, "tiktok": TIKTOK}

SHAPES = ((9, 16), (2, 3), (3, 4), (4, 5), (1, 1), (5, 4), (4, 3), (3, 2), (16, 9))


def shape_words(ratio: float) -> str:
    """0.8 → "4:5"; what has no common name is given against one."""
    for width, height in SHAPES:
        if abs(ratio * height / width - 1) <= ROUNDING:
            return f"{width}:{height}"
    return f"{ratio:.3g}:1"


def span_words(seconds: float) -> str:
    """4.5 → "4.5 s", 900 → "15 min"."""
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"


NAMES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/avif": "AVIF",
    "video/mp4": "MP4",
    "video/quicktime": "MOV",
    "video/webm": "WebM",
}


def type_words(types) -> str:
    """("video/mp4", "video/quicktime") → "MP4 and MOV"."""
    *others, last = (NAMES.get(one, one) for one in dict.fromkeys(types))
    return f"{', '.join(others)} and {last}" if others else last
