"""The chart of what was spent: bars as an SVG, drawn from numbers on the server."""

from math import ceil

from django import template

from reviewqueue.rules.money import dollars
from reviewqueue.services.billing import by_week

register = template.Library()

WIDTH, LEFT, TOP, BASE = 720, 34, 10, 166
GAP = 6  # between two bars
LINES = 3  # above the base


@register.inclusion_tag("components/chart.html")
def spend_chart(days) -> dict:
    """`days`: services.billing.Spent, oldest first, the last one today."""
    top = scale_of(max((one.total for one in days), default=0))
    slot = (WIDTH - LEFT) / max(1, len(days))
    return {
        "lines": [line(place, top) for place in range(LINES + 1)],
        "today_x": WIDTH - slot,
        "slot": slot,
        "height": BASE - 4,
        "bars": [bar for place, one in enumerate(days) for bar in bars(one, LEFT + place * slot, slot, top)],
        "names": names(days, slot),
        "words": words(days),
        "weeks": by_week(days),
    }


def scale_of(most_cents: int) -> int:
    """The cents at the topmost line: a round sum that the tallest bar stays under."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * LINES >= max(most_cents, LINES):
                return step * factor * LINES
        step *= 10


def line(place: int, top: int) -> dict:
    cents = top * place // LINES
    whole = top % (100 * LINES) == 0
    y = BASE - (BASE - TOP) * place / LINES
    return {"y": y, "text_y": y + 4, "text": f"${cents // 100}" if whole else dollars(cents)}


def bars(one, x: float, slot: float, top: int) -> list[dict]:
    """The parts of one day's bar, from the base up; a day of refunds has none."""
    found, y = [], float(BASE)
    for part, cents in (("a", one.images), ("b", one.video), ("c", one.sync)):
        if cents <= 0:
            continue
        height = (BASE - TOP) * cents / top
        y -= height
        found.append(
            {"part": part, "x": x + GAP / 2, "y": y, "width": slot - GAP, "height": max(1.0, height - 0.6)}
        )
    return found


def names(days, slot: float) -> list[dict]:
    """A date under every seventh bar, and “Today” under the last."""
    found = [
        {"x": LEFT + (place + 0.5) * slot, "text": f"{one.day:%-d %b}", "anchor": "middle"}
        for place, one in enumerate(days[:-3])
        if place % 7 == 0
    ]
    return [*found, {"x": WIDTH, "text": "Today", "anchor": "end"}]


def words(days) -> str:
    """The chart in a sentence or two, for those who do not see it."""
    if not any(one.total for one in days):
        return "Nothing was spent."
    most = max(days, key=lambda one: one.total)
    total = sum(one.total for one in days)
    mean = ceil(total / len(days))
    return (
        f"{dollars(total)} altogether, {dollars(mean)} a day; the most was {dollars(most.total)}"
        f" on {most.day:%-d %B}. Today so far {dollars(days[-1].total)}."
    )
