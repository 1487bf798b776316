"""The shipped pictures and clips, read from their manifest. All are our own: see samples/CREDITS.txt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """One shipped file. `answers` names the source a persona's version was made from."""

    file: str
    media_type: str
    account: str
    look: str | None
    answers: str | None
    caption: str
    poster: str | None
    duration_seconds: float | None

    @property
    def scene(self) -> str:
        """The file's name without folder and ending, such as `dune.notes-02`."""
        return PurePosixPath(self.file).name.rpartition(".")[0]


@cache
def everything() -> dict[str, Sample]:
    manifest = json.loads((FOLDER / "MANIFEST.json").read_text())
    return {
        entry["file"]: Sample(
            file=entry["file"],
            media_type=entry["kind"],
            account=entry.get("account") or entry["source_account"],
            look=entry.get("look"),
            answers=entry.get("answers"),
            caption=entry["caption"],
            poster=entry.get("poster"),
            duration_seconds=entry["duration"],
        )
        for entry in manifest["files"]
    }


@cache
def accounts() -> tuple[str, ...]:
    return tuple(dict.fromkeys(sample.account for sample in everything().values()))


@cache
def sources(account: str, media_type: str) -> tuple[Sample, ...]:
    """An account's source stills or clips."""
    return tuple(
        sample
        for sample in everything().values()
        if sample.account == account and sample.media_type == media_type and not sample.answers
    )


@cache
def version(file: str, look: str) -> Sample | None:
    """The shipped version of a source in a persona's look, where there is one."""
    found = (s for s in everything().values() if s.answers == file and s.look == look)
    return next(found, None)
