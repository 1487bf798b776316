"""What a spending question lists before the yes: so many pictures at so much."""

from typing import NamedTuple

from reviewqueue.rules import money


class Part(NamedTuple):
    """One picture or video to be made."""

    media_type: str
    seconds: float | None
    discount: bool


class Line(NamedTuple):
    text: str
    cost: money.Estimate


def lines(prices: money.Prices, parts: list[Part]) -> list[Line]:
    """The parts, grouped by what one of them costs: “7 images at $0.32”."""
    groups: dict[tuple, list[Part]] = {}
    for part in parts:
        is_known = part.media_type == "image" or bool(part.seconds)
        groups.setdefault((part.media_type != "image", part.discount, not is_known), []).append(part)
    return [_line(prices, groups[key]) for key in sorted(groups)]


def _line(prices: money.Prices, parts: list[Part]) -> Line:
    first = parts[0]
    cost = money.generation(prices, [part[:2] for part in parts], discount=first.discount)
    noun = "image" if first.media_type == "image" else "video"
    text = f"{len(parts)} {noun}" if len(parts) == 1 else f"{len(parts)} {noun}s"
    if noun == "image":
        text += f" at {money.dollars(unit_cents(prices, prices.image_mills, first.discount))}"
    elif cost.known:
        length = sum(part.seconds for part in parts)
        each = money.dollars(unit_cents(prices, prices.video_second_mills, first.discount))
        text += f", {length:.0f} s at about {each} a second"
    else:
        text += ", length not known"
    return Line(f"{text}, discount mode" if first.discount else text, cost)


def unit_cents(prices: money.Prices, mills: int, discount: bool) -> int:
    return money.cents_of(mills * (100 - prices.discount_percent) / 100 if discount else mills)
