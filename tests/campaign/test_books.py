"""The checker of the campaign, on small books made by hand: it finds what is wrong in them, and no more."""

import json
import shutil
import sqlite3
import subprocess
from collections import Counter

import pytest

from reviewqueue.services.kinds import KINDS
from tests.campaign import books, plan, spoiling
from tests.campaign.desk import Page
from tests.running import ROOT

SCHEMA = (ROOT / "reviewqueue/sandbox/schema.sql").read_text()


def operation(number: int, state: str, kind: str = "generate", target: str = "source-1") -> dict:
    return {"id": f"op-{number}", "kind": kind, "target": target, "state": state}


def effect(number: int, kind: str = "generate", target: str = "source-1", attempt: int = 1) -> dict:
    return {"kind": kind, "target": target, "made": None, "request_id": f"op-{number}/{attempt}"}


def sorts(operations, effects, pressed=None) -> set[str]:
    return {sort for sort, texts in books.compare(operations, effects, pressed).findings.items() if texts}


AGREE = {
    "nothing at all": ([], []),
    "one that succeeded": ([operation(1, "succeeded")], [effect(1)]),
    "failed, absent and cancelled without effect": (
        [operation(1, "failed"), operation(2, "absent"), operation(3, "cancelled")],
        [],
    ),
    "the same source twice, ordered twice": (
        [operation(1, "succeeded"), operation(2, "succeeded")],
        [effect(1), effect(2)],
    ),
    "a wish that was fulfilled already": (
        [operation(1, "succeeded", "reject", "post-1"), operation(2, "succeeded", "reject", "post-1")],
        [effect(1, "reject", "post-1")],
    ),
}

DISAGREE = {
    "two effects of one success": (
        [operation(1, "succeeded")],
        [effect(1), effect(1, attempt=2)],
        "duplicate",
    ),
    "two effects of one target": (
        [operation(1, "succeeded"), operation(2, "failed", target="source-2")],
        [effect(1), effect(1)],
        "duplicate",
    ),
    "a success without effect": ([operation(1, "succeeded")], [], "lost"),
    "two successes with one effect": (
        [operation(1, "succeeded"), operation(2, "succeeded")],
        [effect(1)],
        "lost",
    ),
    "an absolute success without effect": ([operation(1, "succeeded", "reject", "post-1")], [], "lost"),
    "failed, and it happened": ([operation(1, "failed")], [effect(1)], "denied"),
    "absent, and it happened": ([operation(1, "absent")], [effect(1)], "denied"),
    "cancelled, and it happened": ([operation(1, "cancelled")], [effect(1)], "denied"),
    "still queued": ([operation(1, "queued")], [], "left"),
    "still sending": ([operation(1, "sending")], [effect(1)], "left"),
    "blocked for good": ([operation(1, "blocked")], [], "left"),
    "an effect of nobody": ([operation(1, "succeeded")], [effect(1), effect(9)], "unbooked"),
}


@pytest.mark.parametrize("case", AGREE)
def test_books_that_agree(case):
    assert sorts(*AGREE[case]) == set()


@pytest.mark.parametrize("case", DISAGREE)
def test_books_that_do_not_agree(case):
    operations, effects, sort = DISAGREE[case]
    assert sort in sorts(operations, effects)


@pytest.mark.parametrize("happened", [0, 1])
def test_what_is_not_known_may_have_happened_or_not_but_once(happened):
    many = [operation(number, "succeeded", target=f"source-{number}") for number in range(2, 30)]
    done = [effect(number, target=f"source-{number}") for number in range(2, 30)]
    assert sorts([operation(1, "unknown"), *many], [effect(1)] * happened + done) == set()
    assert sorts([operation(1, "unknown"), *many], [effect(1)] * 2 + done) == {"duplicate"}


def test_one_in_twenty_may_stay_unknown_and_no_more():
    known = [operation(number, "failed") for number in range(95)]
    unknown = [operation(number, "unknown", target=f"other-{number}") for number in range(100, 106)]
    assert sorts(known + unknown[:5], []) == set()
    assert sorts(known[:-1] + unknown, []) == {"unknown"}


def test_a_form_that_was_taken_is_in_the_books_exactly_once():
    one = [operation(1, "failed")]
    assert sorts(one, [], Counter(generate=1)) == set()
    assert sorts(one, [], Counter(generate=2)) == {"unbooked"}
    assert sorts([*one, operation(2, "failed")], [], Counter(generate=1)) == {"unbooked"}


def test_both_sides_are_read_as_they_are_written(tmp_path):
    printed = "a line of the log\n" + "\n".join(json.dumps(operation(number, "failed")) for number in (1, 2))
    assert [one["id"] for one in books.operations_in(printed)] == ["op-1", "op-2"]
    file = tmp_path / "service.sqlite3"
    with sqlite3.connect(file) as database:
        database.executescript(SCHEMA)
        database.executemany(
            "INSERT INTO effects (at, method, path, kind, target, made, key_prefix, request_id)"
            " VALUES (0, 'POST', '/', 'generate', 'source-1', NULL, ?, ?)",
            [("rm_abcd", "op-1/1"), (books.BY_ITSELF, "")],
        )
    database.close()
    assert books.effects_in(file) == [effect(1)]


def test_an_effect_bears_the_name_that_the_wish_for_it_has():
    facts = {"persona": "ines", "handle": "new.one", "name": "Nadir", "publisher": "kilo", "account": "a-1"}

    def named(kind, target):
        found = books.effect(kind, target, "made", "op-1/1", **facts)
        return found["kind"], found["target"]

    assert named("clone", "https://www.instagram.com/p/abc/") == ("clone", "ines:abc")
    assert named("add_source", "oat") == ("add_source", "oat:new.one")
    assert named("create_persona", "id-of-nadir") == ("create_persona", "Nadir")
    assert named("change_persona", "ines") == ("update_persona", "ines")
    assert named("set_automation_mode", "source-1") == ("set_automation", "source-1")
    assert named("link_account", "kilo") == ("add_target", "kilo:a-1")
    assert named("unlink_account", "target-1") == ("remove_target", "kilo:a-1")
    assert named("approve", "post-1") == ("approve", "post-1")
    [told] = books.operations_in(json.dumps(operation(1, "succeeded", "set_reload", "workspace-1")))
    assert (told["kind"], told["target"]) == named("set_auto_reload", "account-1")


@pytest.mark.parametrize(("cancelled", "agrees"), [(0, False), (1, True), (2, True), (3, False)])
def test_as_many_are_cancelled_as_were_taken_back(cancelled, agrees):
    """One undo was answered; of another the answer was lost."""
    verdict = books.Verdict()
    booked = [operation(number, "cancelled") for number in range(cancelled)] + [operation(9, "succeeded")]
    books.check_undone(verdict, booked, undone=1, tried=2)
    assert bool(verdict) == agrees


# ---- an old backup is put back ---------------------------------------------------------------------------

BOTH_LIVES = {
    "done in the lost time, and found": (["queued"], ["succeeded"], 1, set()),
    "done in the lost time, and done again": (["succeeded"], ["succeeded"], 2, {"duplicate"}),
    "done in the lost time, and ruled out": (["succeeded"], ["cancelled"], 1, {"denied", "duplicate"}),
    "forgotten, and it had succeeded": (["succeeded"], [], 1, set()),
    "forgotten, and it had been reported as done without being so": (["succeeded"], [], 0, {"lost"}),
    "forgotten while nobody knew": (["unknown"], [], 1, set()),
    "forgotten while it was sent": (["sending"], [], 1, set()),
    "forgotten while it waited, and sent after all": (["queued"], [], 1, {"denied", "duplicate"}),
    "held back, as nobody can tell": (["succeeded"], ["blocked"], 1, set()),
    "left waiting": (["queued"], ["queued"], 0, {"left"}),
}


def test_what_waited_to_be_repeated_when_it_was_forgotten_may_have_happened():
    first = [operation(0, "queued", "set_public") | {"attempts": 1}]
    assert sorts(books.over_both_lives(first, []), [effect(0, "set_public")]) == set()
    first[0]["attempts"] = 0
    assert "denied" in sorts(books.over_both_lives(first, []), [effect(0, "set_public")])


@pytest.mark.parametrize("case", BOTH_LIVES)
def test_the_equation_holds_over_both_lives(case):
    before, after, happened, found = BOTH_LIVES[case]
    first = [operation(number, state) for number, state in enumerate(before)]
    second = [operation(number, state) for number, state in enumerate(after)]
    assert sorts(books.over_both_lives(first, second), [effect(0)] * happened) == found


# ---- the rest of the campaign -------------------------------------------------------------------------


def test_every_mistake_on_purpose_can_still_be_made(tmp_path):
    """Whether each is caught, the campaign itself shows; a patch that went stale shows at once."""
    names = {path.stem for path in spoiling.PATCHES.glob("*.patch")}
    assert names == set(spoiling.MISTAKES)
    for name in names:
        patch = spoiling.PATCHES / f"{name}.patch"
        changed = [line for line in patch.read_text().splitlines() if line[:1] == "+" and line[:3] != "+++"]
        assert len(changed) == 1, name
        shutil.copytree(ROOT / "reviewqueue", tmp_path / name / "reviewqueue", ignore=spoiling.LEFT_OUT)
        done = subprocess.run(
            ["git", "apply", str(patch)],
            cwd=tmp_path / name,
            env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        file = changed_file(patch)
        assert (tmp_path / name / file).read_text() != (ROOT / file).read_text()


def changed_file(patch) -> str:
    line = next(line for line in patch.read_text().splitlines() if line.startswith("+++ b/"))
    return line.removeprefix("+++ b/")


def desk(posts: int, others: int) -> str:
    def some(what: str, count: int) -> list[dict]:
        return [
            {"id": f"{what}-{n:03}", "items": [f"{what}-{n:03}-a", f"{what}-{n:03}-b"]} for n in range(count)
        ]

    stock = {name: some(name, others) for name in ("public", "failed", "videos")}
    stock |= {"posts": some("post", posts), "personas": ["ines", "oat"], "people": ["ines", "oat", "kilo"]}
    names = ("sources", "followed", "spare", "linked")
    stock |= {name: [f"{name}-{number}" for number in range(others)] for name in names}
    return json.dumps(stock | {"changing": "kilo", "linking": "kilo"})


def test_the_same_seed_presses_the_same_forms():
    drawn = [plan.draw(desk(60, 60), 50, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {press.kind for press in plan.draw(desk(60, 60), 20, 1, ("reject",))} == {"reject"}


def test_everything_is_pressed_that_a_form_can_do_as_often_as_one_likes():
    """What is left out opens a page of the service, which nobody goes to: no effect could be counted."""
    assert set(plan.MIX) == set(plan.FORMS)
    assert set(KINDS) - set(plan.MIX) == {"connect_account", "top_up"}
    drawn = plan.draw(desk(800, 300), 1000, 1)
    assert {press.kind for press in drawn} == set(plan.MIX)
    assert {press.kind for press in drawn if press.undo} <= set(plan.HELD)
    assert any(press.undo for press in drawn)


def test_what_is_used_up_is_asked_for_no_more():
    drawn = plan.draw(desk(60, 1), 80, 1)
    assert len(drawn) == 80
    assert sum(press.kind == "generate" for press in drawn) == 1
    assert len({press.page for press in drawn if press.page.startswith("/review/")}) <= 60


def test_there_is_enough_of_everything_for_so_many_operations():
    needs = plan.needs(300)
    pressed = Counter(press.kind for press in plan.draw(desk(needs["posts"], 100), 300, 1))
    for what, about in plan.USED_UP.items():
        assert sum(pressed[kind] for kind in about) <= needs[what]
    assert plan.needs(40, ("generate",)) == dict.fromkeys(plan.USED_UP, 0) | {"sources": 50}


def test_what_nobody_has_pressed_anything_about_is_left():
    stock = desk(60, 60)
    drawn = plan.draw(stock, 50, 1)
    left = plan.untouched(json.loads(stock), drawn)["posts"]
    assert 0 < len(left) < 60
    assert not any(
        post["id"] in press.page or post["items"][0] in press.page for post in left for press in drawn
    )


def test_a_button_is_pressed_with_the_hidden_fields_of_its_own_form():
    page = Page(
        '<form id="desk" method="post"><input type="hidden" name="csrf" value="c"></form>'
        '<input type="hidden" name="token" value="t" form="desk">'
        '<form method="post" action="/two/"><input type="hidden" name="token" value="u">'
        '<button name="scope" value="some">Some</button><button name="scope" value="all">All</button></form>'
        '<button form="desk" formaction="/one/?tab=ready" name="seen" value="s">One</button>',
        "/page/",
    )
    assert page.press("/one/") == ("/one/?tab=ready", {"csrf": "c", "token": "t", "seen": "s"})
    assert page.press("/two/", scope="all") == ("/two/", {"token": "u", "scope": "all"})
    assert page.press("/three/") is None
