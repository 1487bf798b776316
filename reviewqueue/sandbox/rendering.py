"""Recipes and the files made from them, on first use.

A recipe is a small mapping that says how a file comes about; its name follows from the recipe. The kinds:

    {"kind": "shipped", "file": …}                         a file of the pack, as it is
    {"kind": "detail", "file": …, "box": [l, t, r, b]}     a part of a still, in shares of its sides
    {"kind": "picture", "of": recipe, "look", "take", "soft"}
    {"kind": "softened", "file": …}                        a shipped version at discount quality
    {"kind": "clip", "file": …, "look", "take", "soft", "voice"}
    {"kind": "poster", "of": recipe of a clip}
    {"kind": "thumb", "of": recipe of a picture or poster}
    {"kind": "avatar", "file": …, "box": […]}
    {"kind": "hum", "seed": …}                             a voice sample
    {"kind": "upload", "file": …}                          what a caller uploaded
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from PIL import Image

from . import footage, pictures, samples
from .looks import LOOKS

Recipe = dict

ENDINGS = {
    "detail": ".webp",
    "picture": ".webp",
    "softened": ".webp",
    "poster": ".webp",
    "thumb": ".webp",
    "avatar": ".webp",
    "clip": ".mp4",
    "hum": ".wav",
}
THUMB_WIDTH = 320
AVATAR_SIDE = 256


def written(recipe: Recipe) -> str:
    """The recipe as text, always the same for the same recipe."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"))


def name_of(recipe: Recipe) -> str:
    """The file's name: short, and the same in every process."""
    ending = ENDINGS.get(recipe["kind"]) or Path(recipe["file"]).suffix
    return hashlib.sha256(written(recipe).encode()).hexdigest()[:16] + ending


class Studio:
    """The folder of made files. Any process may ask for any file at any time; a file appears whole or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, recipe: Recipe) -> Path:
        """The path of a recipe's file, made now if it is not there yet."""
        if recipe["kind"] == "shipped":
            return samples.FOLDER / recipe["file"]
        path = self.folder / name_of(recipe)
        if recipe["kind"] == "upload":
            return self.folder / recipe["file"]
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
            try:
                self.make(recipe, scratch)
                os.replace(scratch, path)
            finally:
                scratch.unlink(missing_ok=True)
        return path

    def make(self, recipe: Recipe, target: Path) -> None:
        kind = recipe["kind"]
        if kind == "clip":
            clip = samples.everything()[recipe["file"]]
            options = {"scene": clip.scene, "soft": recipe["soft"], "voice": recipe["voice"]}
            footage.derive(
                samples.FOLDER / clip.file, target, LOOKS[recipe["look"]], recipe["take"], **options
            )
        elif kind == "hum":
            footage.hum(target, recipe["seed"])
        else:
            self.picture(recipe).save(target, "WEBP", quality=self.quality(recipe), method=1)

    def picture(self, recipe: Recipe) -> Image.Image:
        """The pixels of a recipe that makes a picture."""
        kind = recipe["kind"]
        if kind == "picture":
            source, look = self.opened(recipe["of"]), LOOKS[recipe["look"]]
            scene = samples.everything()[recipe["of"]["file"]].scene
            return pictures.derive(source, look, recipe["take"], scene=scene, soft=recipe["soft"])
        if kind == "softened":
            return pictures.soften(self.opened({"kind": "shipped", "file": recipe["file"]}))
        if kind == "poster":
            return footage.frame_at(self.file(recipe["of"]))
        if kind == "thumb":
            return pictures.narrowed(self.opened(recipe["of"]), THUMB_WIDTH)
        part = pictures.part(self.opened({"kind": "shipped", "file": recipe["file"]}), recipe["box"])
        return pictures.square(part, AVATAR_SIDE) if kind == "avatar" else part

    def opened(self, recipe: Recipe) -> Image.Image:
        with Image.open(self.file(recipe)) as picture:
            return picture.convert("RGB")

    @staticmethod
    def quality(recipe: Recipe) -> int:
        """WebP quality: lower in discount mode."""
        return 62 if recipe.get("soft") or recipe["kind"] == "softened" else 80


# How recipes of posts are put together.


def source_recipe(file: str, box: list[float] | None = None) -> Recipe:
    return {"kind": "detail", "file": file, "box": box} if box else {"kind": "shipped", "file": file}


def generated_recipe(source: Recipe, look: str, take: int, *, soft: bool) -> Recipe:
    """How a persona's version of a picture or clip is made: shipped where the pack has one, else derived."""
    file = source["file"]
    ready = samples.version(file, look) if take == 0 and source["kind"] == "shipped" else None
    if samples.everything()[file].media_type == "video":
        if ready and not soft:
            return {"kind": "shipped", "file": ready.file}
        return {"kind": "clip", "file": file, "look": look, "take": take, "soft": soft, "voice": False}
    if ready:
        return {"kind": "softened" if soft else "shipped", "file": ready.file}
    return {"kind": "picture", "of": source, "look": look, "take": take, "soft": soft}


def voiced_recipe(generated: Recipe, look: str, take: int) -> Recipe:
    """The same clip with the converted voice."""
    if generated["kind"] == "shipped":
        source = samples.everything()[generated["file"]].answers
        return {"kind": "clip", "file": source, "look": look, "take": take, "soft": False, "voice": True}
    return {**generated, "voice": True}


def thumb_recipe(recipe: Recipe) -> Recipe:
    """A picture's small version, or a clip's poster."""
    sample = samples.everything().get(recipe.get("file", ""))
    if recipe["kind"] == "clip":
        return {"kind": "poster", "of": recipe}
    if recipe["kind"] == "shipped" and sample.media_type == "video":
        return {"kind": "shipped", "file": sample.poster}
    return {"kind": "thumb", "of": recipe}
