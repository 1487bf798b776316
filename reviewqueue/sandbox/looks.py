"""The personas' looks as data: how a source picture is re-lit and re-coloured.

A look says what tones become (`ramp`), which hues survive (`hues`), and holds its takes. A take is one
version of a picture: A, B, C …, each with its own crop, side, hour and light. Nothing here touches pixels;
`pictures.py` and `footage.py` do, from the same data, so that stills and clips of a persona belong together.
"""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

RGB = tuple[float, float, float]

#: Which lights suit which account's scenes; landscapes take no window shadows.
OPEN_AIR = frozenset({"dune.notes", "high.pass"})
OPEN_AIR_STILLS = frozenset({"salt.rooms-02", "salt.rooms-05", "salt.rooms-v1"})


@dataclass(frozen=True)
class Take:
    """One version: where it is cropped, which way it faces, how bright it is and what light falls on it."""

    crop: tuple[float, float, float]  # share of the width kept; position of the frame, 0..1 across and down
    mirrored: bool
    exposure: float  # multiplies linear-ish brightness of the lit parts
    shade: float  # brightness of the unlit parts against the lit ones
    warmth: float  # -1 (cooler) .. 1 (warmer) against the look's own white
    indoor: str  # the light on walls, tables and rooms
    outdoor: str  # the light on landscapes and the sea


@dataclass(frozen=True)
class Look:
    """A persona's way of seeing."""

    name: str
    ramp: tuple[tuple[float, RGB], ...]  # brightness 0..1 → colour a grey of that brightness takes
    hues: tuple[tuple[float, float, float], ...]  # hue in degrees, share of its colour kept, turn in degrees
    contrast: float
    shade_tint: RGB
    glow: RGB
    sky: RGB  # what the top of an open-air picture is multiplied with
    grain: int  # standard deviation of the grain, in levels of 255
    vignette: float
    takes: tuple[Take, ...]

    def take(self, number: int) -> Take:
        """The take of that number. After the last one they come round again, each time framed anew."""
        base = self.takes[number % len(self.takes)]
        lap = number // len(self.takes)
        if not lap:
            return base
        chance = random.Random(f"{self.name}/{number}")  # noqa: S311 – pictures, not secrets
        crop = (chance.uniform(0.72, 0.88), chance.random(), chance.random())
        return replace(base, crop=crop, mirrored=base.mirrored ^ bool(lap % 2))


TERRACOTTA = Look(
    name="warm terracotta dusk",
    ramp=(
        (0.00, (0.070, 0.032, 0.036)),
        (0.22, (0.270, 0.125, 0.095)),
        (0.50, (0.640, 0.340, 0.225)),
        (0.78, (0.905, 0.610, 0.430)),
        (1.00, (0.995, 0.850, 0.690)),
    ),
    hues=(
        (10, 0.85, 4),
        (50, 0.75, -10),
        (120, 0.80, -26),
        (185, 0.62, -14),
        (215, 0.40, -22),
        (300, 0.60, 40),
    ),
    contrast=1.10,
    shade_tint=(0.86, 0.70, 0.74),
    glow=(1.0, 0.62, 0.34),
    sky=(0.70, 0.68, 0.98),
    grain=5,
    vignette=0.22,
    takes=(
        Take((0.92, 0.35, 0.45), True, 1.02, 0.52, 0.0, "edge", "low sun"),
        Take((0.80, 0.75, 0.80), False, 1.10, 0.60, 0.35, "window", "afterglow"),
        Take((0.86, 0.15, 0.25), True, 0.94, 0.58, -0.25, "leaves", "last light"),
    ),
)

TEAL_DAWN = Look(
    name="cool teal dawn",
    ramp=(
        (0.00, (0.015, 0.055, 0.075)),
        (0.25, (0.085, 0.205, 0.245)),
        (0.50, (0.240, 0.425, 0.455)),
        (0.78, (0.520, 0.690, 0.700)),
        (1.00, (0.830, 0.910, 0.895)),
    ),
    hues=(
        (15, 0.80, 4),
        (45, 0.36, -14),
        (110, 0.34, 34),
        (190, 0.60, 0),
        (220, 0.55, -24),
        (310, 0.45, -30),
    ),
    contrast=1.04,
    shade_tint=(0.62, 0.80, 0.86),
    glow=(0.72, 0.93, 0.90),
    sky=(0.72, 0.90, 1.0),
    grain=6,
    vignette=0.20,
    takes=(
        Take((0.92, 0.60, 0.50), True, 0.92, 0.62, 0.0, "edge", "mist"),
        Take((0.80, 0.20, 0.70), False, 1.10, 0.66, -0.2, "window", "pale sun"),
        Take((0.85, 0.80, 0.20), True, 0.90, 0.52, 0.5, "slit", "first light"),
    ),
)

EMBER = Look(
    name="ember-lit kitchen",
    ramp=(
        (0.00, (0.030, 0.014, 0.010)),
        (0.25, (0.165, 0.078, 0.036)),
        (0.50, (0.430, 0.220, 0.096)),
        (0.78, (0.790, 0.490, 0.235)),
        (1.00, (1.000, 0.800, 0.520)),
    ),
    hues=(
        (10, 0.90, 4),
        (45, 0.85, -6),
        (115, 0.70, -18),
        (195, 0.40, -10),
        (225, 0.34, -10),
        (280, 0.60, 40),
        (330, 0.85, 14),
    ),
    contrast=1.18,
    shade_tint=(0.62, 0.44, 0.36),
    glow=(1.0, 0.50, 0.16),
    sky=(0.72, 0.50, 0.56),
    grain=7,
    vignette=0.34,
    takes=(
        Take((0.92, 0.50, 0.40), True, 0.90, 0.26, 0.0, "lamp left", "afterglow"),
        Take((0.78, 0.30, 0.55), False, 0.98, 0.28, 0.2, "lamp right", "low sun"),
        Take((0.86, 0.70, 0.75), True, 0.88, 0.24, -0.2, "hearth", "last light"),
    ),
)

RAIN_FILM = Look(
    name="faded film, rainy street",
    ramp=(
        (0.00, (0.105, 0.115, 0.125)),
        (0.25, (0.260, 0.280, 0.285)),
        (0.50, (0.470, 0.490, 0.480)),
        (0.78, (0.715, 0.725, 0.695)),
        (1.00, (0.915, 0.905, 0.865)),
    ),
    hues=((10, 0.75, -4), (50, 0.55, 0), (110, 0.60, 10), (200, 0.50, 0), (230, 0.45, 0), (320, 0.65, 0)),
    contrast=0.96,
    shade_tint=(0.80, 0.84, 0.90),
    glow=(0.92, 0.92, 0.88),
    sky=(0.86, 0.92, 1.0),
    grain=10,
    vignette=0.26,
    takes=(
        Take((0.90, 0.40, 0.60), True, 1.06, 0.70, 0.0, "edge", "mist"),
        Take((0.80, 0.70, 0.30), False, 1.16, 0.74, -0.2, "window", "pale sun"),
        Take((0.85, 0.20, 0.70), True, 1.00, 0.64, 0.3, "slit", "first light"),
    ),
)

ROSE_MORNING = Look(
    name="rose morning",
    ramp=(
        (0.00, (0.085, 0.060, 0.090)),
        (0.25, (0.290, 0.205, 0.255)),
        (0.50, (0.590, 0.440, 0.470)),
        (0.78, (0.880, 0.715, 0.695)),
        (1.00, (1.000, 0.925, 0.885)),
    ),
    hues=((10, 0.70, 0), (50, 0.50, -16), (110, 0.45, 20), (200, 0.45, 20), (230, 0.40, 30), (320, 0.70, 0)),
    contrast=1.02,
    shade_tint=(0.80, 0.76, 0.88),
    glow=(1.0, 0.80, 0.74),
    sky=(0.86, 0.84, 1.0),
    grain=5,
    vignette=0.16,
    takes=(
        Take((0.92, 0.40, 0.40), True, 1.02, 0.66, 0.0, "window", "pale sun"),
        Take((0.80, 0.70, 0.70), False, 0.92, 0.60, 0.3, "edge", "afterglow"),
        Take((0.86, 0.20, 0.30), True, 0.84, 0.54, -0.3, "leaves", "mist"),
    ),
)

LOOKS = {look.name: look for look in (TERRACOTTA, TEAL_DAWN, EMBER, RAIN_FILM, ROSE_MORNING)}
#: Looks a persona made by the user may get, drawn by its id.
SPARE_LOOKS = (ROSE_MORNING.name, RAIN_FILM.name, TERRACOTTA.name, TEAL_DAWN.name)


def suits_open_air(still: str) -> bool:
    """Whether a still (its name without folder and ending) shows a landscape or the sea."""
    return still.rsplit("-", 1)[0] in OPEN_AIR or still in OPEN_AIR_STILLS


def luminance(red: float, green: float, blue: float) -> float:
    return 0.299 * red + 0.587 * green + 0.114 * blue


def between(stops: tuple[tuple[float, ...], ...], at: float) -> tuple[float, ...]:
    """Straight-line values of `stops` (position first) at a position."""
    for (left, *low), (right, *high) in pairwise(stops):
        if at <= right:
            share = 0.0 if right == left else max(0.0, (at - left) / (right - left))
            return tuple(a + (b - a) * share for a, b in zip(low, high, strict=True))
    return tuple(stops[-1][1:])


def curve(value: float, contrast: float) -> float:
    """An S-curve around the middle; 1.0 leaves the value alone."""
    bent = value * value * (3 - 2 * value)
    return value + (bent - value) * (contrast - 1) * 3


@lru_cache(maxsize=64)
def grade(look: Look, exposure: float, warmth: float, tint: RGB) -> Callable[[float, float, float], RGB]:
    """The look's colour transform at one brightness, as a function of red, green, blue in 0..1."""
    ramp = tuple((at, *colour) for at, colour in look.ramp)
    first, last = look.hues[0], look.hues[-1]
    circle = ((last[0] - 360, *last[1:]), *look.hues, (first[0] + 360, *first[1:]))

    def transform(red: float, green: float, blue: float) -> RGB:
        light = luminance(red, green, blue)
        lit = curve(min(1.0, light * exposure), look.contrast)
        tone = between(ramp, lit)
        grey = luminance(*tone)
        hue = colorsys.rgb_to_hls(red, green, blue)[0]
        keep, turn = between(circle, hue * 360)
        chroma = (max(red, green, blue) - min(red, green, blue)) * keep
        tinted = 1 - min(0.85, chroma * 1.6)  # what has a colour of its own takes less of the ramp's
        pure = colorsys.hsv_to_rgb((hue + turn / 360) % 1, 1, 1)
        middle = luminance(*pure)
        scale = chroma * (0.30 + 0.70 * lit)
        colour = [grey + (t - grey) * tinted + (p - middle) * scale for t, p in zip(tone, pure, strict=True)]
        colour[0] *= 1 + 0.07 * warmth
        colour[2] *= 1 - 0.10 * warmth
        return tuple(min(1.0, max(0.0, c * k)) for c, k in zip(colour, tint, strict=True))

    return transform
