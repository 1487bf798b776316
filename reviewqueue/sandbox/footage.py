"""Moving pictures and sound: a source clip through a persona's look, a converted voice, a voice sample.

All of it runs in libavfilter: the look's colours as a 3-D table, its light as a mask between the lit and the
unlit version of each frame, its sound as a chain of pitch and room.
"""

from __future__ import annotations

import math
import random
import wave
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.filter import Graph
from av.filter.context import FilterContext
from PIL import Image

from . import looks, pictures
from .looks import Look

Step = tuple[str, str]  # a filter's name and its options

SOUND_RATE = 44_100
HUM_RATE = 16_000
SYLLABLE_SECONDS = 0.5
#: Pitch and room by look: how a persona's version sounds different from its source.
SOUND: dict[str, tuple[float, tuple[Step, ...]]] = {
    looks.TERRACOTTA.name: (0.92, (("aecho", "0.8:0.7:60|110:0.35|0.22"), ("lowpass", "f=6500"))),
    looks.TEAL_DAWN.name: (1.09, (("highpass", "f=160"), ("aecho", "0.8:0.8:180|320:0.30|0.20"))),
    looks.EMBER.name: (0.86, (("lowpass", "f=3800"), ("aecho", "0.8:0.7:35:0.30"))),
    looks.RAIN_FILM.name: (
        0.97,
        (("highpass", "f=300"), ("lowpass", "f=3000"), ("aecho", "0.8:0.7:90:0.25")),
    ),
    looks.ROSE_MORNING.name: (1.05, (("aecho", "0.8:0.7:90|140:0.25|0.15"),)),
}
#: Each further take is this much higher or lower, in turn.
TAKE_PITCH = (1.0, 1.06, 0.94)
#: The converted voice: a third higher, with a waver.
VOICE_PITCH = 1.26
VOICE_ROOM: tuple[Step, ...] = (("vibrato", "f=5.5:d=0.35"),)


def derive(
    source: Path,
    target: Path,
    look: Look,
    number: int,
    *,
    scene: str,
    soft: bool = False,
    voice: bool = False,
) -> None:
    """Write the look's take of a clip to `target`: H.264 and AAC in an MP4 with its index at the front."""
    with (
        TemporaryDirectory() as scratch,
        av.open(str(source)) as clip,
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as made,
    ):
        picture, sound = clip.streams.video[0], clip.streams.audio[0]
        picture.thread_type = "AUTO"
        frames = made.add_stream("libx264", rate=picture.average_rate)
        frames.width, frames.height = picture.codec_context.width, picture.codec_context.height
        frames.pix_fmt = "yuv420p"
        frames.options = {"preset": "ultrafast", "crf": "31" if soft else "26"}
        samples = made.add_stream("aac", rate=SOUND_RATE, layout="mono")
        samples.bit_rate = 48_000 if soft else 80_000
        grading = Grading(Path(scratch), picture, look, number, scene, soft=soft)
        voicing = Voicing(sound, *sound_of(look, number, voice=voice))
        for packet in clip.demux(picture, sound):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    made.mux(frames.encode(grading.grade(frame)))
                else:
                    made.mux([coded for each in voicing.treat(frame) for coded in samples.encode(each)])
        made.mux([coded for each in voicing.treat(None) for coded in samples.encode(each)])
        made.mux(frames.encode(None))
        made.mux(samples.encode(None))


class Grading:
    """The filters one clip's frames go through: frame, mirror, two grades, and the light between them."""

    def __init__(self, scratch: Path, stream, look: Look, number: int, scene: str, *, soft: bool) -> None:
        take = look.take(number)
        size = width, height = stream.codec_context.width, stream.codec_context.height
        kept, across, down = take.crop
        wide, high = even(width * kept), even(height * kept)
        lit = cube(scratch / "lit.cube", look, take.exposure, take.warmth, (1.0, 1.0, 1.0))
        unlit = cube(
            scratch / "unlit.cube", look, take.exposure * take.shade, take.warmth - 0.2, look.shade_tint
        )
        kind = take.outdoor if looks.suits_open_air(scene) else take.indoor
        light = pictures.light(size, kind, f"{scene}/{number}")
        self.mask = av.VideoFrame.from_image(light.convert("RGB"))

        graph = Graph()
        self.source = graph.add_buffer(template=stream)
        self.light = graph.add_buffer(
            width=width, height=height, format=self.mask.format, time_base=stream.time_base
        )
        split = chain(
            graph,
            self.source,
            ("crop", f"{wide}:{high}:{int((width - wide) * across)}:{int((height - high) * down)}"),
            *([("hflip", "")] if take.mirrored else []),
            *([("scale", f"{even(width / 2)}:{even(height / 2)}")] if soft else []),
            ("scale", f"{width}:{height}"),
            ("format", "gbrp"),
            ("split", "2"),
        )
        merge = graph.add("maskedmerge", "")
        self.sink = graph.add("buffersink")
        chain(graph, split, ("lut3d", f"file={unlit}")).link_to(merge, 0, 0)
        bright = graph.add("lut3d", f"file={lit}")
        split.link_to(bright, 1, 0)
        bright.link_to(merge, 0, 1)
        chain(graph, self.light, ("format", "gbrp")).link_to(merge, 0, 2)
        chain(graph, merge, ("noise", f"alls={look.grain}:allf=t"), ("format", "yuv420p")).link_to(self.sink)
        graph.configure()
        self.graph = graph

    def grade(self, frame: av.VideoFrame) -> av.VideoFrame:
        self.mask.pts, self.mask.time_base = frame.pts, frame.time_base
        self.source.push(frame)
        self.light.push(self.mask)
        graded = self.sink.pull()
        graded.pts, graded.time_base = frame.pts, frame.time_base
        graded.pict_type = 0  # let the encoder choose its own key frames
        return graded


class Voicing:
    """The filters one clip's sound goes through: another pitch at the same speed, then a room."""

    def __init__(self, stream, pitch: float, room: Iterable[Step]) -> None:
        graph = Graph()
        self.source = graph.add_abuffer(template=stream)
        self.sink = graph.add("abuffersink")
        chain(
            graph,
            self.source,
            ("aresample", str(SOUND_RATE)),
            ("asetrate", str(round(SOUND_RATE * pitch))),
            ("aresample", str(SOUND_RATE)),
            ("atempo", f"{1 / pitch:.5f}"),
            *room,
            ("volume", "1.3"),
            ("aformat", f"sample_fmts=fltp:sample_rates={SOUND_RATE}:channel_layouts=mono"),
        ).link_to(self.sink)
        graph.configure()
        self.graph = graph

    def treat(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        """What the chain has ready after one more frame; None is the end."""
        self.source.push(frame)
        while True:
            try:
                treated = self.sink.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            treated.pts = None  # the encoder counts
            yield treated


def sound_of(look: Look, number: int, *, voice: bool) -> tuple[float, tuple[Step, ...]]:
    """Pitch and room of a take, with or without the converted voice."""
    pitch, room = SOUND[look.name]
    pitch *= TAKE_PITCH[number % len(TAKE_PITCH)]
    return (pitch * VOICE_PITCH, (*VOICE_ROOM, *room)) if voice else (pitch, room)


def chain(graph: Graph, first: FilterContext, *steps: Step) -> FilterContext:
    """Add filters one behind the other and return the last."""
    for name, options in steps:
        following = graph.add(name, options)
        first.link_to(following)
        first = following
    return first


def even(number: float) -> int:
    """Rounded down to what H.264's half-size colour planes can hold."""
    return int(number) // 2 * 2


def cube(path: Path, look: Look, exposure: float, warmth: float, tint: looks.RGB, size: int = 17) -> Path:
    """Write a look as a .cube table, red running fastest."""
    transform = looks.grade(look, exposure, warmth, tint)
    steps = [step / (size - 1) for step in range(size)]
    colours = (transform(red, green, blue) for blue in steps for green in steps for red in steps)
    rows = [f"{red:.4f} {green:.4f} {blue:.4f}" for red, green, blue in colours]
    path.write_text(f"LUT_3D_SIZE {size}\n" + "\n".join(rows) + "\n")
    return path


def frame_at(clip: Path, seconds: float = 0.4) -> Image.Image:
    """A clip's frame at a moment, or its last one."""
    with av.open(str(clip)) as film:
        for frame in film.decode(video=0):
            shown = frame
            if frame.time >= seconds:
                break
        return shown.to_image()


def hum(target: Path, seed: str, seconds: float = 4.0) -> None:
    """Write a voice sample: a hummed phrase of vowels, 16-bit mono WAV.

    A buzz with two resonances stands in for a throat; nobody's voice was recorded for it.
    """
    chance = random.Random(seed)  # noqa: S311 – a melody, not a secret
    base = chance.uniform(105, 190)
    vowels = ((730, 1090), (530, 1840), (570, 840), (270, 2290))
    steps = (1, 1.125, 1.25, 1.0, 0.94, 1.0, 1.19, 0.89)
    samples = array("h")
    phase = 0.0
    for syllable in range(round(seconds / SYLLABLE_SECONDS)):
        pitch, formants = base * steps[syllable % len(steps)], chance.choice(vowels)
        overtones = [(n, resonance(pitch * n, formants) / n**0.5) for n in range(1, 10)]
        length = round(HUM_RATE * SYLLABLE_SECONDS)
        for index in range(length):
            phase += 2 * math.pi * pitch * (1 + 0.01 * math.sin(31 * index / HUM_RATE)) / HUM_RATE
            tone = sum(strength * math.sin(phase * n) for n, strength in overtones)
            loudness = math.sin(math.pi * index / length) ** 0.6
            samples.append(round(max(-1.0, min(1.0, tone * loudness * 0.2)) * 30_000))
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(HUM_RATE)
        file.writeframes(samples.tobytes())


def resonance(frequency: float, formants: tuple[float, float]) -> float:
    return 0.08 + sum(math.exp(-(((frequency - formant) / 130) ** 2)) for formant in formants)
