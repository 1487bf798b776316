"""Cents, always integers; prices in mills (a tenth of a cent), as a second of voice costs half a cent."""

import re
from dataclasses import dataclass
from math import ceil

MILLS = 10  # a cent
AMOUNT = re.compile(r"([0-9]{1,7}|[0-9]{1,3}(,[0-9]{3}){1,2})(\.[0-9]{1,2})?")


@dataclass(frozen=True)
class Prices:
    """What the service charges, in mills. Defaults: the newer page (contracts, x-pricing)."""

    image_mills: int = 320
    video_second_mills: int = 150
    voice_second_mills: int = 5
    sync_creator_mills: int = 90
    discount_percent: int = 20


def cents_of(mills: int | float) -> int:
    """Whole cents, rounded up: an estimate shown before a click must not be too low."""
    return ceil(round(mills, 6) / MILLS)


@dataclass(frozen=True)
class Estimate:
    """What something may cost. `low_cents == high_cents` when the size is known; None when nothing is."""

    low_cents: int | None
    high_cents: int | None
    exact: bool = False
    full_cents: int | None = None  # the price without the discount, where there is one

    @property
    def known(self) -> bool:
        return self.high_cents is not None

    def text(self) -> str:
        """The words on the button."""
        if self.high_cents is None:
            return "cost shown after fetching"
        if self.low_cents != self.high_cents:
            return f"{dollars(self.low_cents)}–{dollars(self.high_cents)[1:]}"
        return dollars(self.high_cents) if self.exact else f"about {dollars(self.high_cents)}"

    def __add__(self, other: "Estimate") -> "Estimate":
        if not (self.known and other.known):
            return UNKNOWN_COST
        full = (self.full_cents or self.high_cents) + (other.full_cents or other.high_cents)
        total = Estimate(
            self.low_cents + other.low_cents, self.high_cents + other.high_cents, self.exact and other.exact
        )
        return (
            total
            if full == total.high_cents
            else Estimate(total.low_cents, total.high_cents, total.exact, full)
        )


UNKNOWN_COST = Estimate(None, None)
NOTHING = Estimate(0, 0, exact=True)


def dollars(cents: int | None) -> str:
    """1234 → "$12.34"; negative amounts carry a true minus sign."""
    if cents is None:
        return "–"
    sign = "−" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def parse_dollars(text: str) -> int:
    """ "5", "5.5", "$5.00", "1,250" → cents. Raises ValueError for anything else, also for "1,5"."""
    cleaned = text.strip().removeprefix("$").strip()
    if not AMOUNT.fullmatch(cleaned):
        raise ValueError(text)
    whole, _, part = cleaned.replace(",", "").partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)


def item_mills(prices: Prices, media_type: str, duration_seconds: float | None) -> float | None:
    """The full price of generating one item, in mills; None when a video's length is not known."""
    if media_type == "image":
        return prices.image_mills
    if duration_seconds:
        return prices.video_second_mills * duration_seconds
    return None


def generation(prices: Prices, items: list[tuple[str, float | None]], *, discount: bool) -> Estimate:
    """What generating these (media type, seconds) costs; with a length unknown, the cost is."""
    mills = [item_mills(prices, media_type, seconds) for media_type, seconds in items]
    if not mills or None in mills:
        return UNKNOWN_COST
    exact = all(media_type == "image" for media_type, _ in items)  # a second of video costs “about” 15 cents
    full = sum(cents_of(part) for part in mills)
    if not discount:
        return Estimate(full, full, exact)
    reduced = sum(cents_of(part * (100 - prices.discount_percent) / 100) for part in mills)
    return Estimate(reduced, reduced, exact, full_cents=full)


def clone(prices: Prices, *, discount: bool) -> Estimate:
    """A link's size is unknown before it is fetched: from one image to a carousel of ten."""
    one = generation(prices, [("image", None)], discount=discount)
    ten = generation(prices, [("image", None)] * 10, discount=discount)
    return Estimate(one.low_cents, ten.high_cents)


def voice(prices: Prices, duration_seconds: float | None) -> Estimate:
    if not duration_seconds:
        return UNKNOWN_COST
    cents = cents_of(prices.voice_second_mills * duration_seconds)
    return Estimate(cents, cents)


def sync(prices: Prices, creators: int) -> Estimate:
    """At least three requests a creator (contracts, x-pricing): the least it can be."""
    cents = cents_of(prices.sync_creator_mills * creators)
    return Estimate(cents, cents)
