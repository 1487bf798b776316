"""What is pressed: a list of forms, drawn by a seed from what lies on the desk."""

import json
import random
import string
from collections.abc import Callable

from tests.campaign.desk import Press
from tests.campaign.upstream import CHANGING, FOLLOWED, LINKED, LINKING, SPARE

# How often each kind is asked for, in parts of a hundred.
MIX = {
    "generate": 20,
    "clone": 5,
    "approve": 13,
    "reject": 8,
    "send_to_compose": 6,
    "regenerate_item": 8,
    "regenerate_post": 6,
    "retry_failed": 4,
    "voice_convert": 3,
    "set_public": 6,
    "set_private": 3,
    "reject_item": 4,
    "delete_item": 3,
    "delete_post": 3,
    "sync": 2,
    "create_persona": 1,
    "update_persona": 2,
    "add_source": 1,
    "remove_source": 1,
    "set_automation": 1,
    "add_target": 2,
    "remove_target": 2,
    "set_reload": 1,
}
# What is used up by the kinds that are about it; the others need nothing of their own.
USED_UP = {
    "sources": ("generate",),
    "public": ("set_private",),
    "failed": ("retry_failed",),
    "videos": ("voice_convert",),
    "followed": ("remove_source", "set_automation"),
    "spare": ("add_target",),
    "linked": ("remove_target",),
    "posts": (
        *("approve", "reject", "send_to_compose", "regenerate_item", "regenerate_post", "set_public"),
        *("reject_item", "delete_item", "delete_post"),
    ),
}
HELD = ("approve", "reject", "send_to_compose", "reject_item", "set_public", "set_private", "regenerate_item")
TWICE_SHARE, AGAIN_SHARE, UNDO_SHARE = 0.12, 0.1, 0.06

STOCK = f"""
import json
from reviewqueue.models import ConnectedAccount, GeneratedPost, Persona, PublishingTarget, Source, SourcePost
found = {{"posts": [], "public": [], "failed": [], "videos": []}}
people = Persona.objects.exclude(name="{LINKING}").order_by("name")
waiting = GeneratedPost.objects.filter(review_status="pending_review", persona__in=people)
for post in waiting.order_by("id"):
    items = list(post.items.current())
    if not post.persona.accounts or any(item.review_status == "rejected" for item in items):
        continue
    row = {{"id": str(post.pk), "items": [str(item.pk) for item in items]}}
    if post.desk == "attention" and any(item.status == "failed" for item in items):
        found["failed"].append(row)
    elif post.desk != "ready":
        continue
    elif items[0].media_type == "video" and post.persona.has_voice and not items[0].voice_conversion_status:
        found["videos"].append(row)
    elif items[0].is_public and not items[0].discount_applied:
        found["public"].append(row)
    elif all(item.media_type == "image" and not item.is_public for item in items):
        found["posts"].append(row)
found["personas"] = [str(persona.pk) for persona in people if persona.accounts]
found["people"] = [str(persona.pk) for persona in people]
sources = SourcePost.objects.filter(caption__contains="#campaign").order_by("id")
found["sources"] = [str(pk) for pk in sources.values_list("pk", flat=True)]
found["changing"] = str(Persona.objects.get(name="{CHANGING}").pk)
followed = Source.objects.filter(persona=found["changing"], handle__startswith="{FOLLOWED}")
found["followed"] = [str(pk) for pk in followed.order_by("id").values_list("pk", flat=True)]
found["linking"] = str(Persona.objects.get(name="{LINKING}").pk)
spare = ConnectedAccount.objects.filter(username__startswith="{SPARE}").order_by("username")
found["spare"] = [str(pk) for pk in spare.values_list("pk", flat=True)]
linked = PublishingTarget.objects.filter(account__username__startswith="{LINKED}")
found["linked"] = [str(pk) for pk in linked.order_by("account__username").values_list("pk", flat=True)]
print(json.dumps(found))
"""


def needs(operations: int, kinds: tuple[str, ...] = ()) -> dict[str, int]:
    """How many of everything there must be for so many operations, with some to spare."""
    mix = {kind: MIX[kind] for kind in kinds or MIX}
    shares = {
        what: sum(mix.get(kind, 0) for kind in about) / sum(mix.values()) for what, about in USED_UP.items()
    }
    return {
        what: round(operations * min(1, 1.3 * share)) + 10 if share else 0 for what, share in shares.items()
    }


def draw(stock: str, count: int, seed: int, kinds: tuple[str, ...] = ()) -> list[Press]:
    """`count` forms of these kinds (without: of all), each about something of its own."""
    found, chance = json.loads(stock), random.Random(seed)
    for what in USED_UP:
        chance.shuffle(found[what])
    found["syncs"] = list(found["personas"])
    mix = {kind: MIX[kind] for kind in kinds or MIX}
    presses = []
    while len(presses) < count:
        kind = chance.choices(list(mix), list(mix.values()))[0]
        try:
            press = FORMS[kind](found, chance)
        except LookupError:  # nothing is left that it could be about
            del mix[kind]
            continue
        press.at_once = 3 if chance.random() < TWICE_SHARE else 1
        press.again = chance.random() < AGAIN_SHARE
        press.undo = kind in HELD and chance.random() < UNDO_SHARE
        presses.append(press)
    return presses


def untouched(stock: dict, presses: list[Press]) -> dict:
    """What nobody has pressed anything about."""
    pressed = " ".join(f"{press.page} {press.ending}" for press in presses)
    posts = [post for post in stock["posts"] if not any(pk in pressed for pk in (post["id"], *post["items"]))]
    return stock | {"posts": posts}


def sync(found: dict, chance: random.Random) -> Press:
    persona = found["syncs"].pop()
    return Press("sync", f"/sources/?persona={persona}", f"/personas/{persona}/sync/")


def generate(found: dict, chance: random.Random) -> Press:
    persona, source = chance.choice(found["personas"]), found["sources"].pop()
    return Press("generate", f"/sources/generation/?post={source}&persona={persona}", "/generation/")


def clone(found: dict, chance: random.Random) -> Press:
    typed = {
        "url": f"https://www.instagram.com/p/{word(chance)}/",
        "persona": chance.choice(found["personas"]),
    }
    return Press("clone", "/sources/", "/sources/clone/", typed=typed)


def word(chance: random.Random) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=11))


def on_post(kind: str, ending: str, stock: str = "posts", on_page: bool = False, **wanted: str) -> Callable:
    """A form about a whole post: a button on its page, or a page of its own that asks."""

    def form(found: dict, chance: random.Random) -> Press:
        page = f"/review/{found[stock].pop()['id']}/"
        return Press(kind, page if on_page else f"{page}{ending}/", f"{page}{ending}/", wanted)

    return form


def on_item(
    kind: str, ending: str, stock: str = "posts", on_page: bool = False, many: bool = False, **wanted: str
) -> Callable:
    """A form about the first item of a post; `many`: of one that has others, too."""

    def form(found: dict, chance: random.Random) -> Press:
        post = next((post for post in found[stock] if not many or len(post["items"]) > 1), None)
        if post is None:
            raise LookupError(kind)
        found[stock].remove(post)
        to = f"/items/{post['items'][0]}/{ending}/"
        return Press(kind, f"/review/{post['id']}/" if on_page else to, to, wanted)

    return form


def create_persona(found: dict, chance: random.Random) -> Press:
    typed = {"name": f"Persona {word(chance)}", "writing_style": "Dry."}
    return Press("create_persona", "/personas/new/", "/personas/", typed=typed)


def update_persona(found: dict, chance: random.Random) -> Press:
    page = f"/personas/{chance.choice(found['people'])}/writing-style/"
    return Press("update_persona", page, page, typed={"writing_style": f"Like {word(chance)}."})


def add_source(found: dict, chance: random.Random) -> Press:
    page = f"/personas/{found['changing']}/sources/"
    return Press("add_source", page, page, typed={"handle": word(chance), "mode": "sync_only"})


def remove_source(found: dict, chance: random.Random) -> Press:
    page = f"/personas/{found['changing']}/sources/{found['followed'].pop()}/removal/"
    return Press("remove_source", page, page)


def set_automation(found: dict, chance: random.Random) -> Press:
    page, source = f"/personas/{found['changing']}/", found["followed"].pop()
    typed = {f"mode-{source}": "auto_clone"}
    return Press("set_automation", page, f"{page}sources/{source}/automation/", typed=typed)


def add_target(found: dict, chance: random.Random) -> Press:
    page = f"/personas/{found['linking']}/targets/"
    return Press("add_target", page, page, typed={"account": found["spare"].pop()})


def remove_target(found: dict, chance: random.Random) -> Press:
    page = f"/personas/{found['linking']}/targets/{found['linked'].pop()}/removal/"
    return Press("remove_target", page, page)


def set_reload(found: dict, chance: random.Random) -> Press:
    typed = {"on": "on", "below": f"{chance.randint(0, 5000) / 100:.2f}", "add": "25.00"}
    return Press("set_reload", "/billing/", "/billing/auto-reload/", typed=typed)


FORMS = {
    "generate": generate,
    "clone": clone,
    "approve": on_post("approve", "approval", on_page=True),
    "reject": on_post("reject", "rejection"),
    "send_to_compose": on_post("send_to_compose", "compose", on_page=True),
    "regenerate_item": on_item("regenerate_item", "regeneration", on_page=True),
    "regenerate_post": on_post("regenerate_post", "regeneration", scope="all"),
    "retry_failed": on_post("retry_failed", "regeneration", "failed", scope="failed"),
    "voice_convert": on_item("voice_convert", "voice", "videos", on_page=True),
    "set_public": on_item("set_public", "visibility"),
    "set_private": on_item("set_private", "visibility", "public", on_page=True, public="0"),
    "reject_item": on_item("reject_item", "rejection", many=True),
    "delete_item": on_item("delete_item", "deletion", many=True),
    "delete_post": on_post("delete_post", "deletion"),
    "sync": sync,
    "create_persona": create_persona,
    "update_persona": update_persona,
    "add_source": add_source,
    "remove_source": remove_source,
    "set_automation": set_automation,
    "add_target": add_target,
    "remove_target": remove_target,
    "set_reload": set_reload,
}
