"""The books: what Loupe says became of its operations, against what the service says happened.

Nothing here is shared with the sender: one side is the text that `manage.py export_operations --jsonl`
prints, the other the table of effects in the service's own file. For each (kind, target), with S operations
reported succeeded, U unknown and E effects: S <= E <= S + U. For the absolute kinds a repeat of the same
value is no effect, so of several successes one effect is enough.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ABSOLUTE = {"set_public", "set_private", "reject", "reject_item", "delete_post", "delete_item"}
NOT_HAPPENED = ("failed", "absent", "cancelled")
LEFT = ("queued", "sending", "blocked")
UNKNOWN_AT_MOST = 0.05
BY_ITSELF = "automation"


@dataclass
class Verdict:
    """What is wrong, by sort: duplicate, lost, denied, left, unknown, unbooked. Nothing: the books agree."""

    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    states: Counter = field(default_factory=Counter)
    effects: int = 0

    def __bool__(self) -> bool:
        return not any(self.findings.values())

    def say(self, sort: str, text: str) -> None:
        self.findings[sort].append(text)

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        lines = [f"{sum(self.states.values())} operations ({states}), {self.effects} effects"]
        for sort, texts in self.findings.items():
            lines += [f"  {sort}: {text}" for text in texts[:10]]
            if len(texts) > 10:
                lines.append(f"  {sort}: and {len(texts) - 10} more")
        return "\n".join(lines)


def operations_in(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def effects_in(file: Path) -> list[dict]:
    """What was done through a key. What the service does by itself is not ours."""
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)
    try:
        found = database.execute(
            "SELECT kind, target, made, request_id FROM effects WHERE key_prefix <> ? ORDER BY number",
            (BY_ITSELF,),
        )
        return [dict(zip(("kind", "target", "made", "request_id"), row, strict=True)) for row in found]
    finally:
        database.close()


def compare(operations: list[dict], effects: list[dict], pressed: Counter | None = None) -> Verdict:
    """`pressed`: by kind, how many different forms were sent and answered as taken."""
    verdict = Verdict(states=Counter(one["state"] for one in operations), effects=len(effects))
    check_sums(verdict, operations, effects)
    check_each(verdict, operations, effects)
    for one in operations:
        if one["state"] in LEFT:
            verdict.say("left", f"{name(one)} is still {one['state']}")
    unknown = verdict.states["unknown"]
    if unknown > UNKNOWN_AT_MOST * len(operations):
        verdict.say("unknown", f"{unknown} of {len(operations)} are not known")
    if pressed is not None:
        booked = Counter(one["kind"] for one in operations)
        for kind in sorted(booked.keys() | pressed.keys()):
            if booked[kind] != pressed[kind]:
                verdict.say("unbooked", f"{kind}: {pressed[kind]} taken, {booked[kind]} in the books")
    return verdict


def check_sums(verdict: Verdict, operations: list[dict], effects: list[dict]) -> None:
    succeeded, unknown, happened = Counter(), Counter(), Counter()
    for one in operations:
        key = one["kind"], one["target"]
        succeeded[key] += one["state"] == "succeeded"
        unknown[key] += one["state"] == "unknown"
    for effect in effects:
        happened[effect["kind"], effect["target"]] += 1
    for key in sorted(succeeded.keys() | happened.keys()):
        kind, target = key
        least = min(1, succeeded[key]) if kind in ABSOLUTE else succeeded[key]
        sums = f"{kind} {target}: S={succeeded[key]} U={unknown[key]} E={happened[key]}"
        if happened[key] < least:
            verdict.say("lost", sums)
        if happened[key] > succeeded[key] + unknown[key]:
            verdict.say("duplicate", sums)


def check_each(verdict: Verdict, operations: list[dict], effects: list[dict]) -> None:
    """Every request carries the id of its operation, which the service keeps with the effect."""
    caused = Counter(effect["request_id"].partition("/")[0] for effect in effects)
    for one in operations:
        if caused[one["id"]] > 1:
            verdict.say("duplicate", f"{name(one)} happened {caused[one['id']]} times")
        if caused[one["id"]] and one["state"] in NOT_HAPPENED:
            verdict.say("denied", f"{name(one)} is called {one['state']} and has happened")
    strangers = set(caused) - {one["id"] for one in operations}
    if strangers:
        verdict.say("unbooked", f"effects of {len(strangers)} operations that are not in the books")


def name(one: dict) -> str:
    return f"{one['kind']} {one['target']} ({one['id']})"
