"""Still pictures: crops, thumbnails, avatars, and a source picture seen through a persona's look."""

from __future__ import annotations

import random
from functools import lru_cache
from math import cos, radians, sin

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from . import looks
from .looks import Look, Take

Size = tuple[int, int]
Point = tuple[float, float]
#: Lights are painted this small and enlarged: their edges are soft anyway, and it is a hundred times faster.
LIGHT_WIDTH = 135


def derive(source: Image.Image, look: Look, number: int, *, scene: str, soft: bool = False) -> Image.Image:
    """`source` as the look's take of that number: re-framed, re-lit, re-coloured.

    `scene` is the source's name, from which the light's small accidents are drawn. `soft` is the lower
    quality of discount mode.
    """
    take = look.take(number)
    open_air = looks.suits_open_air(scene)
    framed = reframe(source, take)
    falling = light(framed.size, take.outdoor if open_air else take.indoor, f"{scene}/{number}")
    if open_air:  # sun, moon and lamps shine by themselves
        shining = framed.convert("L").point([min(255, max(0, (v - 205) * 8)) for v in range(256)])
        falling = ImageChops.lighter(falling, shining)
    lit = framed.filter(table(look, take.exposure, take.warmth, (1.0, 1.0, 1.0)))
    unlit = framed.filter(table(look, take.exposure * take.shade, take.warmth - 0.2, look.shade_tint))
    picture = Image.composite(lit, unlit, falling)
    if open_air:
        tinted = ImageChops.multiply(picture, sky(picture.size, look.sky))
        picture = Image.composite(picture, tinted, shining)
    picture = add_glow(picture, look, falling, strength=0.30 if open_air else 0.13)
    picture = ImageChops.multiply(picture, vignette(picture.size, look.vignette))
    return soften(picture) if soft else add_grain(picture, look.grain)


def reframe(source: Image.Image, take: Take) -> Image.Image:
    """The take's part of the picture at the picture's own size, mirrored if the take says so."""
    kept, across, down = take.crop
    width, height = source.width * kept, source.height * kept
    left, top = (source.width - width) * across, (source.height - height) * down
    framed = source.resize(source.size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    return framed.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if take.mirrored else framed


@lru_cache(maxsize=64)
def table(look: Look, exposure: float, warmth: float, tint: looks.RGB) -> ImageFilter.Color3DLUT:
    return ImageFilter.Color3DLUT.generate(17, looks.grade(look, exposure, warmth, tint))


@lru_cache(maxsize=8)
def sky(size: Size, tint: looks.RGB) -> Image.Image:
    """The sky's colour at the top, fading out at three fifths, as a picture to multiply with."""
    fall = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
    bands = [
        fall.point([round(255 * (1 - (1 - t) * max(0.0, 1 - v / 153))) for v in range(256)]) for t in tint
    ]
    return Image.merge("RGB", bands)


def add_glow(picture: Image.Image, look: Look, mask: Image.Image, *, strength: float) -> Image.Image:
    """Light that spills: a low sun or a mist in the open, a little bloom indoors."""
    colour = Image.new("RGB", picture.size, tuple(round(255 * c * strength) for c in look.glow))
    spill = Image.composite(colour, Image.new("RGB", picture.size), mask)
    return ImageChops.screen(picture, spill)


@lru_cache(maxsize=8)
def vignette(size: Size, strength: float) -> Image.Image:
    """Darker corners, as a picture to multiply with."""
    ramp = Image.radial_gradient("L").resize(size, Image.Resampling.BILINEAR)  # 0 in the middle, 255 outside
    falloff = ramp.point([round(255 * (1 - strength * (v / 255) ** 2)) for v in range(256)])
    return Image.merge("RGB", (falloff, falloff, falloff))


@lru_cache(maxsize=8)
def grain_tile(deviation: int) -> Image.Image:
    """Noise around middle grey, the same in every process: a file made twice is the same file."""
    noise = random.Random("grain").randbytes(512 * 512)  # noqa: S311 – grain, not secrets
    even = Image.frombytes("L", (512, 512), noise)
    return even.point([round(128 + (v - 127.5) / 127.5 * deviation * 1.7) for v in range(256)])


def add_grain(picture: Image.Image, deviation: int) -> Image.Image:
    """Film grain around middle grey, laid on in overlay."""
    sheet = Image.new("L", picture.size)
    for left in range(0, picture.width, 512):
        for top in range(0, picture.height, 512):
            sheet.paste(grain_tile(deviation), (left, top))
    return ImageChops.overlay(picture, Image.merge("RGB", (sheet, sheet, sheet)))


def soften(picture: Image.Image) -> Image.Image:
    """Discount quality: as if made at two thirds of the size."""
    small = picture.resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.BILINEAR)
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def part(picture: Image.Image, box: list[float]) -> Image.Image:
    """A detail, given in shares of the sides, at four fifths of the whole picture's size."""
    left, top, right, bottom = (
        share * side for share, side in zip(box, (picture.width, picture.height) * 2, strict=True)
    )
    size = (round(picture.width * 0.8), round(picture.height * 0.8))
    detail = picture.resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    return detail.filter(ImageFilter.UnsharpMask(1.6, 60, 2))


def square(picture: Image.Image, side: int) -> Image.Image:
    short = min(picture.size)
    left, top = (picture.width - short) / 2, (picture.height - short) / 2
    return picture.resize((side, side), Image.Resampling.LANCZOS, box=(left, top, left + short, top + short))


def narrowed(picture: Image.Image, width: int) -> Image.Image:
    if picture.width <= width:
        return picture
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


# Lights. Each paints on a small black sheet where light falls, in levels; `light` softens and enlarges it.


@lru_cache(maxsize=4)
def light(size: Size, kind: str, seed: str) -> Image.Image:
    """A mask of where the light falls: white lit, black in shade."""
    chance = random.Random(seed)  # noqa: S311 – pictures, not secrets
    small = (LIGHT_WIDTH, round(LIGHT_WIDTH * size[1] / size[0]))
    painted = LIGHTS[kind](small, chance)
    return painted.resize(size, Image.Resampling.BICUBIC)


def polygons(small: Size, shapes: list[list[Point]], blur: float, floor: int) -> Image.Image:
    """Paint polygons of light, given in shares of the sheet, on a shade of level `floor`, and blur."""
    sheet = Image.new("L", small, floor)
    draw = ImageDraw.Draw(sheet)
    for shape in shapes:
        draw.polygon([(x * small[0], y * small[1]) for x, y in shape], fill=255)
    return sheet.filter(ImageFilter.GaussianBlur(blur))


def edge(small: Size, chance: random.Random) -> Image.Image:
    """The edge of a building's shadow, falling across."""
    top, bottom = chance.uniform(0.30, 0.50), chance.uniform(0.75, 1.05)
    return polygons(small, [[(0, 0), (top, 0), (bottom, 1), (0, 1)]], 2.2, floor=40)


def window(small: Size, chance: random.Random) -> Image.Image:
    """Six panes of a window, thrown slantwise over the scene."""
    lean, left = chance.uniform(0.15, 0.30), chance.uniform(-0.15, 0.10)
    panes = []
    for column in range(2):
        for row in range(3):
            x, y = left + 0.44 * column, 0.05 + 0.31 * row + lean * column
            drop = lean * 0.85
            panes.append([(x, y), (x + 0.38, y + drop), (x + 0.38, y + drop + 0.26), (x, y + 0.26)])
    return polygons(small, panes, 2.6, floor=50)


def slit(small: Size, chance: random.Random) -> Image.Image:
    """One narrow band of light, as through a door left open."""
    x = chance.uniform(0.25, 0.45)
    return polygons(small, [[(x, 0), (x + 0.26, 0), (x + 0.5, 1), (x + 0.12, 1)]], 3.5, floor=45)


def leaves(small: Size, chance: random.Random) -> Image.Image:
    """Sun through palm leaves: long soft fingers of shade."""
    sheet = Image.new("L", small, 255)
    draw = ImageDraw.Draw(sheet)
    for _ in range(2):
        x, y = chance.uniform(0.0, 1.0) * small[0], chance.uniform(-0.1, 0.2) * small[1]
        for finger in range(9):
            frond(draw, x, y, radians(20 + finger * 17), small[1] * chance.uniform(0.55, 0.8))
    return sheet.filter(ImageFilter.GaussianBlur(3.2))


def frond(draw: ImageDraw.ImageDraw, x: float, y: float, angle: float, length: float) -> None:
    """One finger of a leaf, a long rhombus from its stem at (x, y)."""
    tip = (x + cos(angle) * length, y + sin(angle) * length)
    side = (x + cos(angle + 0.10) * length * 0.55, y + sin(angle + 0.10) * length * 0.55)
    other = (x + cos(angle - 0.10) * length * 0.55, y + sin(angle - 0.10) * length * 0.55)
    draw.polygon([(x, y), side, tip, other], fill=30)


def spot(small: Size, at: Point, reach: float) -> Image.Image:
    """A round light at a place given in shares of the sheet, fading over `reach` of its width."""
    span = round(small[0] * reach * 2)
    disc = Image.radial_gradient("L").resize(
        (span, span)
    )  # 0 in the middle, 180 at the sides, 255 in the corners
    disc = disc.point([round(255 * min(1.0, max(0.0, 1.35 * (1 - v / 180))) ** 1.4) for v in range(256)])
    sheet = Image.new("L", small, 0)
    sheet.paste(disc, (round(at[0] * small[0] - span / 2), round(at[1] * small[1] - span / 2)))
    return sheet


def gradient(small: Size, top: int, bottom: int) -> Image.Image:
    return (
        Image.linear_gradient("L")
        .resize(small)
        .point([round(top + (bottom - top) * v / 255) for v in range(256)])
    )


LIGHTS = {
    "edge": edge,
    "window": window,
    "slit": slit,
    "leaves": leaves,
    "lamp left": lambda small, chance: spot(small, (0.18, chance.uniform(0.25, 0.4)), 1.7),
    "lamp right": lambda small, chance: spot(small, (0.85, chance.uniform(0.3, 0.5)), 1.65),
    "hearth": lambda small, chance: spot(small, (chance.uniform(0.4, 0.6), 0.98), 1.75),
    "low sun": lambda small, chance: spot(small, (chance.uniform(0.15, 0.3), 0.42), 1.7),
    "afterglow": lambda small, chance: gradient(small, 60, 255),
    "last light": lambda small, chance: gradient(small, 40, 190),
    "mist": lambda small, chance: gradient(small, 60, 230),
    "pale sun": lambda small, chance: spot(small, (chance.uniform(0.6, 0.8), 0.3), 1.8),
    "first light": lambda small, chance: gradient(small, 180, 40),
}
