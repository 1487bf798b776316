"""Captions, written by a small grammar in each persona's voice. No model has a hand in them.

A caption is an opening about the picture's subject, a closing in the persona's manner, and two or three
hashtags. What is drawn follows from the seed and the number: each number is another caption.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from . import looks

#: What each picture shows: the thing as a noun phrase, where it is, and a hashtag.
SUBJECTS = {
    "whitewall.daily-01": ("the arched door", "by the water", "doorways"),
    "whitewall.daily-02": ("the fourteen steps", "under the bougainvillea", "stairs"),
    "whitewall.daily-03": ("the long arcade", "on the way to the sea", "arches"),
    "whitewall.daily-04": ("the bougainvillea", "over the old wall", "bougainvillea"),
    "whitewall.daily-05": ("the bare steps", "above the pool", "shadows"),
    "whitewall.daily-06": ("the stone stairs", "behind the chapel", "stairs"),
    "whitewall.daily-v1": ("the arcade", "arch after arch", "arches"),
    "salt.rooms-01": ("the small pool", "below the arches", "poolside"),
    "salt.rooms-02": ("the white boat", "off the round rock", "sailing"),
    "salt.rooms-03": ("the empty pool", "with its one ring", "fromabove"),
    "salt.rooms-04": ("the courtyard", "around the pool", "courtyard"),
    "salt.rooms-05": ("the low rocks", "out past the bay", "sea"),
    "salt.rooms-v1": ("the little boat", "on a patient sea", "sailing"),
    "littoral.house-01": ("the olive branch", "on the plinth", "stilllife"),
    "littoral.house-02": ("the snake plant", "in its clay pot", "houseplants"),
    "littoral.house-03": ("the three cacti", "on the sill", "cactus"),
    "littoral.house-04": ("the trailing plant", "above the big vase", "shelfie"),
    "littoral.house-05": ("the tall vase", "against the slate", "stilllife"),
    "slow.table-01": ("the first coffee", "beside the croissant", "coffee"),
    "slow.table-02": ("the round loaf", "on the old board", "sourdough"),
    "slow.table-03": ("the bowl of citrus", "on the green cloth", "citrus"),
    "slow.table-04": ("the first figs", "on the white plate", "figs"),
    "slow.table-05": ("the iron teapot", "between two bowls", "tea"),
    "slow.table-06": ("the bowl of eggs", "on the linen", "flatlay"),
    "slow.table-v1": ("the steam", "over the second cup", "coffee"),
    "kiln.and.clay-01": ("the tall vase", "beside the small bowls", "stoneware"),
    "kiln.and.clay-02": ("the five bowls", "stacked on the bench", "pottery"),
    "kiln.and.clay-03": ("the studio shelf", "on its fullest day", "studio"),
    "kiln.and.clay-04": ("the two-part vase", "with its one branch", "ceramics"),
    "kiln.and.clay-05": ("the wet pot", "on the wheel", "wheelthrown"),
    "dune.notes-01": ("the two walkers", "on the far ridge", "walking"),
    "dune.notes-02": ("the late moon", "above the dunes", "moonset"),
    "dune.notes-03": ("the ripples", "across the lee side", "sand"),
    "dune.notes-04": ("the lit tent", "at camp three", "camp"),
    "dune.notes-05": ("the red towers", "at the end of the plain", "desert"),
    "dune.notes-v1": ("the two walkers", "crossing left to right", "dunes"),
    "high.pass-01": ("the summit", "above the last snow", "alpine"),
    "high.pass-02": ("the tree line", "under the cloud", "forest"),
    "high.pass-03": ("the hut", "with its one window", "mountainhut"),
    "high.pass-04": ("the nine ridges", "behind each other", "ridges"),
    "high.pass-05": ("the sun", "over the first ridge", "ridges"),
    "high.pass-06": ("the valley", "somewhere below the fog", "fog"),
    "high.pass-v1": ("the fog", "between the ridges", "fog"),
    "lamp.and.linen-01": ("the made bed", "under the two prints", "bedroom"),
    "lamp.and.linen-02": ("the reading chair", "beside the one lamp", "readingcorner"),
    "lamp.and.linen-03": ("the console", "along the green wall", "interiors"),
    "lamp.and.linen-04": ("the armchair", "thirty centimetres further on", "interiors"),
    "lamp.and.linen-05": ("the unhurried bed", "on a Sunday", "linen"),
    "lamp.and.linen-06": ("the same chair", "on the day shift", "daylight"),
    "lamp.and.linen-v1": ("the room", "from afternoon to lamp", "lamplight"),
}


@dataclass(frozen=True)
class Voice:
    """A persona's manner. `{thing}` and `{place}` are filled in, `{Thing}` where a sentence begins."""

    openings: tuple[str, ...]
    closings: tuple[str, ...]
    tags: tuple[str, ...]


VOICES = {
    looks.TERRACOTTA.name: Voice(
        openings=(
            "I came back for {thing} when the sun was low.",
            "{Thing} {place}, an hour before dark.",
            "At noon I walked past {thing}. At seven I could not.",
            "Everything turns to clay at this hour, {thing} first.",
            "Some evenings I only keep {thing} company.",
            "There is a minute in which all the light belongs to {thing}.",
            "They told me to see {thing} in the morning. I waited for the evening.",
            "The wall went red and {thing} went with it.",
            "I sat with {thing} until the colour ran out.",
            "Late again, and glad of it: {thing} {place}.",
        ),
        closings=(
            "I did not hurry home.",
            "Nobody else stayed.",
            "Tomorrow it will do it again, without me.",
            "My hands still smell of warm stone.",
            "I took one picture and then only looked.",
            "The shade had already packed its things.",
            "You can hear the heat leave the walls.",
            "Ten minutes, no more. They were enough.",
            "I would paint it if I were patient.",
            "Even the swallows kept it short.",
        ),
        tags=("dusk", "terracotta", "goldenhour", "latelight", "warmwalls"),
    ),
    looks.TEAL_DAWN.name: Voice(
        openings=(
            "{time}. {Thing} {place}.",
            "{time}. Nobody here but {thing}.",
            "{time}. {Thing} {place}, same as yesterday.",
            "{time}. Cold hands, clear head, {thing} {place}.",
            "{time}. Two kilometres out for {thing}.",
            "{time}. First light reaches {thing} before it reaches me.",
            "{time}. {Thing} {place}. Visibility good.",
            "{time}. No plan. {Thing}, then breakfast.",
        ),
        closings=(
            "Wind three, dropping.",
            "Minus two. No complaints.",
            "Thermos half full.",
            "Stayed nine minutes.",
            "Logged it, moved on.",
            "Quiet enough to count.",
            "Same time tomorrow.",
            "The rest of the day is extra.",
            "Boots wet. Worth it.",
            "Four degrees and rising.",
        ),
        tags=("dawn", "quiet", "firstlight", "coldhours", "fieldnotes"),
    ),
    looks.EMBER.name: Voice(
        openings=(
            "Lamp off, fire up: {thing} {place}.",
            "Leave {thing} {place} until the oven has said its piece.",
            "{Thing}, and somebody to pass it to.",
            "We cook by this light, and {thing} had better like it.",
            "Bring {thing} closer. The stove does the rest.",
            "Supper was late, so {thing} had the table to itself.",
            "Nobody rushes {thing} in my kitchen.",
            "Put {thing} in sight of the embers.",
            "All day it rained. By six we had {thing} {place}.",
            "{Thing} {place}: that is the whole recipe for tonight.",
        ),
        closings=(
            "Salt last, always.",
            "Stir, wait, and stir once more.",
            "The kettle can hear us.",
            "Seconds are on the hob.",
            "Wipe the board and start again tomorrow.",
            "Butter is not optional.",
            "Eat it while it still glows.",
            "Keep the crusts, we have plans for them.",
            "Whoever lit the stove eats first.",
            "There is room for one more chair.",
        ),
        tags=("emberlight", "hearth", "kitchen", "supper", "bythestove"),
    ),
    looks.RAIN_FILM.name: Voice(
        openings=(
            "Rain at four, {thing} {place} at five past.",
            "{Thing}, seen from the bus, then properly.",
            "It was not the weather for {thing}. It never is.",
            "Grey does {thing} a favour.",
            "Umbrella in one hand, {thing} in the other, so to speak.",
            "The street was empty apart from {thing}.",
        ),
        closings=(
            "I missed the next bus as well.",
            "My shoes have opinions.",
            "It dried by evening and lost something.",
            "Half the film is like this. I keep it.",
            "Nobody asked. I looked anyway.",
        ),
        tags=("rainydays", "filmlook", "streetnotes", "overcast"),
    ),
    looks.ROSE_MORNING.name: Voice(
        openings=(
            "{Thing} {place}, before the day had made up its mind.",
            "The room was pink for six minutes and {thing} had all of them.",
            "A good morning begins with {thing} {place}.",
            "I opened the shutters to {thing}.",
            "Nothing arranged: {thing} {place}, as found.",
        ),
        closings=(
            "Coffee can wait.",
            "I wrote it down so as not to forget.",
            "Soft light, plain things.",
            "The rest of the day may do as it likes.",
            "Still half asleep, both of us.",
        ),
        tags=("morninglight", "softlight", "plainthings", "unhurried"),
    ),
}

#: Captions of posts nobody prepared, in the manner of the accounts they might be from.
SOURCE_LINES = (
    "{Thing} {place}. That is all for today.",
    "Back to {thing}. Nothing had moved.",
    "{Thing}, one more time, from the other side.",
    "You asked about {thing}. Still {place}.",
    "Found this one while looking for another: {thing} {place}.",
)


def write(look: str, scene: str, *, seed: str, number: int) -> str:
    """A persona's caption for a picture. Of one seed, each number is another caption.

    Openings and closings are taken in turn, the closings three at a step: neighbours do not sound alike.
    """
    voice = VOICES[look]
    chance = random.Random(seed)  # noqa: S311 – words, not secrets
    openings = chance.sample(voice.openings, len(voice.openings))
    closings = chance.sample(voice.closings, len(voice.closings))
    opening, closing = (
        openings[number % len(openings)],
        closings[(number * 3 + number // len(openings)) % len(closings)],
    )
    later = random.Random(f"{seed} {number}")  # noqa: S311
    tags = [SUBJECTS[scene][2], *later.sample(voice.tags, later.choice((1, 2, 2)))]
    text = filled(f"{opening} {closing}", scene, later)
    return text + " " + " ".join(f"#{tag}" for tag in dict.fromkeys(tags))


def source_caption(scene: str, chance: random.Random) -> str:
    line = filled(chance.choice(SOURCE_LINES), scene, chance)
    return f"{line} #{SUBJECTS[scene][2]}"


def filled(line: str, scene: str, chance: random.Random) -> str:
    thing, place, _ = SUBJECTS[scene]
    time = f"0{chance.choice((4, 5, 5, 6))}:{chance.randrange(60):02}"
    return line.format(thing=thing, Thing=thing[0].upper() + thing[1:], place=place, time=time)
