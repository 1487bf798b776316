"""The books: what Loupe says became of its operations, against what the service says happened.

Nothing here is shared with the sender: one side is the text that `manage.py export_operations --jsonl`
prints, the other the table of effects in the service's own file. For each (kind, target), with S operations
reported succeeded, U unknown and E effects: S <= E <= S + U. For the absolute kinds a repeat of the same
value is no effect, so of several successes one effect is enough.

Of two lives of the database, before and after an old backup was put back, the first one's books count for
what the second has forgotten (`over_both_lives`).
"""

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ABSOLUTE = {"set_public", "set_private", "reject", "reject_item", "delete_post", "delete_item"}
ABSOLUTE |= {"update_persona", "add_source", "remove_source", "set_automation"}
ABSOLUTE |= {"add_target", "remove_target", "set_reload"}
NOT_HAPPENED = ("failed", "absent", "cancelled", "forgotten")
PERHAPS_HAPPENED = ("unknown", "untold", "held back")
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
    told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [one | {"target": OURS} if one["kind"] == "set_reload" else one for one in told]


# The service's names for some effects, and Loupe's.
CALLED = {"change_persona": "update_persona", "set_automation_mode": "set_automation"}
CALLED |= {"link_account": "add_target", "unlink_account": "remove_target", "set_auto_reload": "set_reload"}
OURS = "the account"  # there is one, and each side has its own name for it
EFFECTS = """
    SELECT effects.kind, effects.target, effects.made, effects.request_id,
        generated_posts.persona_id, creators.handle, personas.name, targets.persona_id, targets.account_id
    FROM effects LEFT JOIN generated_posts ON generated_posts.id = effects.made
        LEFT JOIN sources ON sources.id = effects.made LEFT JOIN creators ON creators.id = sources.creator_id
        LEFT JOIN personas ON personas.id = effects.target
        LEFT JOIN targets ON targets.id IN (effects.made, effects.target)
    WHERE effects.key_prefix <> ? ORDER BY effects.number
"""


def effects_in(file: Path) -> list[dict]:
    """What was done through a key. What the service does by itself is not ours."""
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)
    try:
        return [effect(*row) for row in database.execute(EFFECTS, (BY_ITSELF,))]
    finally:
        database.close()


def effect(kind, target, made, request_id, persona, handle, name, publisher, account) -> dict:
    """An effect under the names that Loupe's books use; what did not exist before is named by the wish."""
    targets = {
        "clone": f"{persona}:{target.rstrip('/').rpartition('/')[2]}",
        "add_source": f"{target}:{handle}",
        "create_persona": name,
        "link_account": f"{publisher}:{account}",
        "unlink_account": f"{publisher}:{account}",
        "set_auto_reload": OURS,
    }
    target = targets.get(kind, target)
    return {"kind": CALLED.get(kind, kind), "target": target, "made": made, "request_id": request_id}


def over_both_lives(first: list[dict], second: list[dict]) -> list[dict]:
    """The second life's books, and of the first one's what is not in them.

    What was waiting when the first life ended is forgotten and must never happen; what was sent and not known
    stays untold, as nobody looks for it any more. What the second life holds back, because it may have been
    done in the lost time and nobody can tell, may have happened as well.
    """
    kept = {one["id"] for one in second}
    lost = [one | {"state": lost_as(one)} for one in first if one["id"] not in kept]
    return lost + [one | {"state": "held back"} if one["state"] == "blocked" else one for one in second]


def lost_as(one: dict) -> str:
    """What waits after an attempt, to be repeated, may have been done by that attempt."""
    if one["state"] in ("queued", "blocked") and not one.get("attempts"):
        return "forgotten"
    return "untold" if one["state"] in ("queued", "blocked", "sending", "unknown") else one["state"]


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
        unknown[key] += one["state"] in PERHAPS_HAPPENED
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


def check_undone(verdict: Verdict, operations: list[dict], undone: int, tried: int) -> None:
    """What was taken back was not sent. An answer may have been lost, so there may be more than were told."""
    cancelled = sum(one["state"] == "cancelled" for one in operations)
    if not undone <= cancelled <= tried:
        verdict.say("undone", f"{cancelled} cancelled, where {undone} of {tried} were answered as taken back")


def name(one: dict) -> str:
    return f"{one['kind']} {one['target']} ({one['id']})"
