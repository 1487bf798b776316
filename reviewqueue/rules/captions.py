"""A caption beside its source: what changed word by word, what was copied, what it names."""

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import groupby
from typing import NamedTuple

TOKEN = re.compile(r"\S+\s*")
WORD = re.compile(r"[\w'’]+")
HASHTAG = re.compile(r"(?<![\w&])#\w+")
COPIED_FROM = 6  # words in a row
DEAREST_COMPARISON = 200_000  # pairs of equal words; beyond that comparing costs more than it tells


class Piece(NamedTuple):
    kind: str  # "same", "added", "removed"
    text: str
    is_copied: bool = False  # part of the longest run that the source has too
    is_named: bool = False  # the source's own account


def _plain(token: str) -> str:
    return "".join(WORD.findall(token)).casefold()


def _too_dear(before: list[str], after: list[str]) -> bool:
    ours = Counter(after)
    return sum(times * ours[word] for word, times in Counter(before).items()) > DEAREST_COMPARISON


def _copied_at(theirs: list[str], ours: list[str]) -> range:
    """Which of `ours` (tokens) are the longest run shared with `theirs`; empty below six words."""
    source = [word for token in theirs if (word := _plain(token))]
    places = [place for place, token in enumerate(ours) if _plain(token)]
    made = [_plain(ours[place]) for place in places]
    if _too_dear(source, made):
        return range(0)
    match = SequenceMatcher(None, source, made, autojunk=False).find_longest_match()
    if match.size < COPIED_FROM:
        return range(0)
    return range(places[match.b], places[match.b + match.size - 1] + 1)


def copied_run(source: str, made: str) -> list[str]:
    """The longest run of words that `made` shares with `source`, if it is six or more; else []."""
    ours = made.split()
    run = _copied_at(source.split(), ours)
    return [token for token in ours[run.start : run.stop] if _plain(token)]


def changes(source: str, made: str, handle: str = "") -> list[Piece]:
    """The generated caption in pieces against its source, the words that name its account apart.

    Without a source caption nothing is compared.
    """
    return [part for piece in _compared(source, made) for part in _apart(piece, handle)]


def _apart(piece: Piece, handle: str):
    """The piece cut where the caption names the account."""
    if piece.kind == "removed" or not names(piece.text, handle):
        yield piece
        return
    for is_named, tokens in groupby(TOKEN.findall(piece.text), key=lambda token: names(token, handle)):
        yield piece._replace(text="".join(tokens), is_named=is_named)


def _compared(source: str, made: str) -> list[Piece]:
    theirs, ours = TOKEN.findall(source), TOKEN.findall(made)
    before, after = [token.strip() for token in theirs], [token.strip() for token in ours]
    if not before or _too_dear(before, after):
        return [Piece("same", made)] if made else []
    run = _copied_at(before, after)
    pieces: list[Piece] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal" and i2 > i1:
            pieces.append(Piece("removed", "".join(theirs[i1:i2])))
        kind = "same" if tag == "equal" else "added"
        for start, stop, is_copied in _cut(j1, j2, run):
            pieces.append(Piece(kind, "".join(ours[start:stop]), is_copied))
    return pieces


def _cut(start: int, stop: int, run: range):
    """`start..stop` in up to three parts: before, inside and after the copied run."""
    first, last = max(start, run.start), min(stop, run.stop)
    if first >= last:
        if stop > start:
            yield start, stop, False
        return
    for begin, end, inside in ((start, first, False), (first, last, True), (last, stop, False)):
        if end > begin:
            yield begin, end, inside


def names(text: str, handle: str) -> bool:
    """True if the caption names the account, with or without the @."""
    bare = handle.lstrip("@")
    return bool(bare) and bool(re.search(rf"(?<![\w.])@?{re.escape(bare)}(?![\w]|\.\w)", text, re.IGNORECASE))


def hashtags(text: str) -> list[str]:
    return HASHTAG.findall(text)


def first_sentence(text: str, longest: int = 140) -> str:
    """For alternative texts: the caption's first sentence, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    sentence = re.split(r"(?<=[.!?…])\s", line, maxsplit=1)[0]
    if len(sentence) <= longest:
        return sentence
    return sentence[:longest].rsplit(" ", 1)[0] + "…"
