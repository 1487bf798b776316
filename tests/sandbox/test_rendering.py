"""Pictures and clips: they decode, differ plainly from their source and each other, and can be heard."""

from __future__ import annotations

import io
import math
import multiprocessing
from array import array
from itertools import combinations
from pathlib import Path

import av
import pytest
from PIL import Image

from reviewqueue.sandbox import footage, looks, pictures, samples
from reviewqueue.sandbox.rendering import Studio, generated_recipe, name_of, source_recipe, thumb_recipe

PERSONA_LOOKS = [looks.TERRACOTTA, looks.TEAL_DAWN, looks.EMBER]
STILLS = ["whitewall.daily-01", "salt.rooms-02", "kiln.and.clay-02", "lamp.and.linen-06", "dune.notes-01"]


def dhash(picture: Image.Image) -> int:
    """A 64-bit difference hash: which of two neighbours is brighter."""
    small = picture.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    pixels = small.tobytes()
    return sum(
        (pixels[row * 9 + column] > pixels[row * 9 + column + 1]) << (row * 8 + column)
        for row in range(8)
        for column in range(8)
    )


def distance(one: Image.Image, other: Image.Image) -> int:
    return (dhash(one) ^ dhash(other)).bit_count()


def mean_colour(picture: Image.Image) -> tuple[int, int, int]:
    return picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))


def colour_distance(one: Image.Image, other: Image.Image) -> float:
    pairs = zip(mean_colour(one), mean_colour(other), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) ** 0.5


def still(scene: str) -> Image.Image:
    with Image.open(samples.FOLDER / "sources" / f"{scene}.webp") as picture:
        return picture.convert("RGB")


def sound_of(path: Path) -> array:
    """All samples of a file's first audio channel, as floats."""
    heard = array("f")
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            heard.frombytes(bytes(frame.planes[0])[: frame.samples * 4])
    return heard


def loudness(heard: array) -> float:
    return (sum(value * value for value in heard[::7]) / len(heard[::7])) ** 0.5


def pitch(heard: array) -> int:
    """The strongest of the frequencies from 200 to 600 Hz, to 5 Hz, within the second half second."""
    part = heard[22_050:44_100:4]
    rate = footage.SOUND_RATE / 4

    def strength(frequency: float) -> float:
        """Goertzel's filter."""
        turn, before, last = 2 * math.cos(2 * math.pi * frequency / rate), 0.0, 0.0
        for value in part:
            before, last = last, value + turn * last - before
        return last * last + before * before - turn * last * before

    return max(range(200, 600, 5), key=strength)


def test_the_samples_are_small_and_complete():
    files = [path for path in samples.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15_000_000
    named = {sample.file for sample in samples.everything().values()}
    named |= {sample.poster for sample in samples.everything().values() if sample.poster}
    there = {str(path.relative_to(samples.FOLDER)) for path in files if path.suffix in (".webp", ".mp4")}
    assert named == there
    assert all((samples.FOLDER / name).stat().st_size for name in named)


def test_nothing_is_said_about_a_picture_without_a_subject():
    from reviewqueue.sandbox.captions import SUBJECTS

    assert {sample.scene for sample in samples.everything().values() if not sample.answers} == set(SUBJECTS)


@pytest.mark.parametrize("look", PERSONA_LOOKS, ids=lambda look: look.name)
@pytest.mark.parametrize("scene", STILLS)
def test_a_look_changes_a_picture_plainly(look, scene):
    source = still(scene)
    takes = [pictures.derive(source, look, number, scene=scene) for number in range(4)]
    for take in takes:
        assert take.size == source.size
        assert colour_distance(source, take) > 15
        assert distance(source, take) >= 8
    for one, other in combinations(takes, 2):
        assert distance(one, other) >= 6


def test_files_are_made_the_same_every_time(tmp_path):
    """So that a copy's hash stays what it was, whoever makes the file again."""
    still = generated_recipe(source_recipe("sources/salt.rooms-01.webp"), looks.TEAL_DAWN.name, 1, soft=False)
    clip = generated_recipe(source_recipe("videos/dune.notes-v1.mp4"), looks.EMBER.name, 0, soft=True)
    for recipe in (still, clip):
        one, other = (Studio(tmp_path / name).file(recipe).read_bytes() for name in ("one", "other"))
        assert one == other


def test_discount_quality_is_softer(tmp_path):
    studio = Studio(tmp_path)
    source = source_recipe("sources/slow.table-01.webp")
    fine, soft = (generated_recipe(source, looks.EMBER.name, 1, soft=soft) for soft in (False, True))
    assert studio.file(soft).stat().st_size < studio.file(fine).stat().st_size
    shipped, softened = (generated_recipe(source, looks.EMBER.name, 0, soft=soft) for soft in (False, True))
    assert shipped["kind"] == "shipped"
    assert studio.file(softened).stat().st_size < studio.file(shipped).stat().st_size


def test_files_of_pictures(tmp_path):
    studio = Studio(tmp_path)
    source = source_recipe("sources/high.pass-06.webp", [0.04, 0.06, 0.62, 0.64])
    made = generated_recipe(source, looks.TEAL_DAWN.name, 0, soft=False)
    for recipe in (source, made, thumb_recipe(made)):
        with Image.open(studio.file(recipe)) as picture:
            assert picture.format == "WEBP"
            assert max(picture.size) <= 1920
            assert picture.width <= 1080
        assert studio.file(recipe).stat().st_size < 400_000
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, Path]:
    """One clip in one look: its source, two takes, and the first with the converted voice."""
    studio = Studio(tmp_path_factory.mktemp("clips"))
    file = "videos/salt.rooms-v1.mp4"
    base = {"kind": "clip", "file": file, "look": looks.TEAL_DAWN.name, "soft": False}
    return {
        "source": samples.FOLDER / file,
        "first": studio.file({**base, "take": 0, "voice": False}),
        "second": studio.file({**base, "take": 1, "voice": False}),
        "voiced": studio.file({**base, "take": 0, "voice": True}),
    }


def test_a_clip_plays_everywhere(clips):
    for name in ("first", "second", "voiced"):
        with av.open(str(clips[name])) as film:
            picture, sound = film.streams.video[0], film.streams.audio[0]
            assert (picture.codec_context.name, picture.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert sound.codec_context.name == "aac"
            assert 4 <= film.duration / av.time_base <= 12
        content = clips[name].read_bytes()
        assert content.find(b"moov") < content.find(b"mdat")


def test_takes_of_a_clip_look_different(clips):
    frames = {name: footage.frame_at(path) for name, path in clips.items()}
    assert colour_distance(frames["source"], frames["first"]) > 25
    assert distance(frames["source"], frames["first"]) >= 8
    assert distance(frames["first"], frames["second"]) >= 6


def test_every_clip_can_be_heard_and_no_two_sound_alike(clips):
    heard = {name: sound_of(path) for name, path in clips.items()}
    assert all(loudness(samples) > 0.01 for samples in heard.values())
    for one, other in combinations(("first", "second", "voiced"), 2):
        shared = min(len(heard[one]), len(heard[other]), 60_000)
        apart = [a - b for a, b in zip(heard[one][:shared], heard[other][:shared], strict=True)]
        assert loudness(array("f", apart)) > 0.3 * loudness(heard[one][:shared])


def test_a_converted_voice_is_higher(tmp_path):
    """Measured on a pure tone, whose pitch is known."""
    source = tmp_path / "tone.mp4"
    with av.open(str(source), "w") as film:
        frames = film.add_stream("libx264", rate=12)
        frames.width, frames.height, frames.pix_fmt = 64, 64, "yuv420p"
        sound = film.add_stream("aac", rate=footage.SOUND_RATE, layout="mono")
        graph = av.filter.Graph()
        tone = graph.add("sine", f"frequency=300:sample_rate={footage.SOUND_RATE}:duration=2")
        shape = graph.add("aformat", "sample_fmts=fltp:channel_layouts=mono")
        sink = graph.add("abuffersink")
        tone.link_to(shape)
        shape.link_to(sink)
        graph.configure()
        for _ in range(24):
            film.mux(frames.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64), "grey"))))
        film.mux(frames.encode(None))
        while True:
            try:
                film.mux(sound.encode(sink.pull()))
            except (av.EOFError, av.BlockingIOError):
                break
        film.mux(sound.encode(None))
    pitches = {}
    for voice in (False, True):
        target = tmp_path / f"{voice}.mp4"
        footage.derive(source, target, looks.ROSE_MORNING, 0, scene="salt.rooms-v1", voice=voice)
        pitches[voice] = pitch(sound_of(target))
    assert pitches[True] / pitches[False] == pytest.approx(footage.VOICE_PITCH, rel=0.03)


def test_a_voice_sample_can_be_heard(tmp_path):
    path = Studio(tmp_path).file({"kind": "hum", "seed": "example"})
    with av.open(str(path)) as film:
        assert 3 <= film.duration / av.time_base <= 6
        frame = next(film.decode(audio=0))
        assert max(abs(value) for value in array("h", bytes(frame.planes[0]))) > 1000


def make(folder: Path, recipe: dict) -> None:
    Studio(folder).file(recipe)


def test_two_processes_may_make_the_same_file_at_once(tmp_path):
    recipe = generated_recipe(
        source_recipe("sources/slow.table-03.webp"), looks.RAIN_FILM.name, 2, soft=False
    )
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=make, args=(tmp_path, recipe)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == [name_of(recipe)]
    Image.open(io.BytesIO((tmp_path / name_of(recipe)).read_bytes())).load()
