"""What is pressed: a list of forms, drawn by a seed from what lies on the desk."""

import json
import random

from tests.campaign.desk import Press

# How often each kind is asked for, in parts of a hundred.
MIX = {
    "generate": 28,
    "approve": 16,
    "reject": 10,
    "send_to_compose": 8,
    "regenerate_item": 9,
    "regenerate_post": 7,
    "set_public": 10,
    "reject_item": 6,
    "delete_post": 4,
    "sync": 2,
}
ABOUT_SOURCES = ("generate", "sync")
TWICE_SHARE, AGAIN_SHARE = 0.12, 0.1

STOCK = """
import json
from reviewqueue.models import GeneratedPost, Persona, SourcePost
posts = [
    {"id": str(post.pk), "items": [str(item.pk) for item in post.items.current()]}
    for post in GeneratedPost.objects.filter(desk="ready", review_status="pending_review").order_by("id")
    if post.persona.accounts and all(item.media_type == "image" and not item.is_public
                                     and item.review_status != "rejected" for item in post.items.current())
]
personas = [str(persona.pk) for persona in Persona.objects.order_by("name") if persona.accounts]
sources = [str(pk) for pk in SourcePost.objects.filter(caption__contains="#campaign").order_by("id")
           .values_list("pk", flat=True)]
print(json.dumps({"posts": posts, "personas": personas, "sources": sources}))
"""


def needs(operations: int, kinds: tuple[str, ...] = ()) -> tuple[int, int]:
    """How many posts and source posts there must be for so many operations, with some to spare."""
    mix = {kind: MIX[kind] for kind in kinds or MIX}
    about_sources = sum(mix.get(kind, 0) for kind in ABOUT_SOURCES) / sum(mix.values())
    enough = [round(operations * min(1, 1.3 * share)) for share in (1 - about_sources, about_sources)]
    return tuple(count and count + 20 for count in enough)


def draw(stock: str, count: int, seed: int, kinds: tuple[str, ...] = ()) -> list[Press]:
    """`count` forms of these kinds (without: of all), each about something of its own."""
    found, chance = json.loads(stock), random.Random(seed)
    posts, personas, sources = found["posts"], found["personas"], found["sources"]
    chance.shuffle(posts)
    chance.shuffle(sources)
    mix = {kind: MIX[kind] for kind in kinds or MIX}
    presses, syncs = [], list(personas)
    while len(presses) < count:
        kind = chance.choices(list(mix), list(mix.values()))[0]
        if kind == "sync" and not syncs:
            kind = (
                "generate" if "generate" in mix else chance.choice([other for other in mix if other != kind])
            )
        if kind == "sync":
            persona = syncs.pop()
            press = Press(kind, f"/sources/?persona={persona}", f"/personas/{persona}/sync/")
        elif kind == "generate":
            press = Press(
                kind,
                f"/sources/generation/?post={sources.pop()}&persona={chance.choice(personas)}",
                "/generation/",
            )
        else:
            press = on_post(kind, take(posts, 2 if kind == "reject_item" else 1))
        press.at_once = 3 if chance.random() < TWICE_SHARE else 1
        press.again = chance.random() < AGAIN_SHARE
        presses.append(press)
    return presses


def take(posts: list[dict], items: int) -> dict:
    post = next(post for post in posts if len(post["items"]) >= items)
    posts.remove(post)
    return post


def on_post(kind: str, post: dict) -> Press:
    page, item = f"/review/{post['id']}/", f"/items/{post['items'][0]}/"
    return {
        "approve": Press(kind, page, f"{page}approval/"),
        "send_to_compose": Press(kind, page, f"{page}compose/"),
        "reject": Press(kind, f"{page}rejection/", f"{page}rejection/"),
        "regenerate_post": Press(kind, f"{page}regeneration/", f"{page}regeneration/", {"scope": "all"}),
        "delete_post": Press(kind, f"{page}deletion/", f"{page}deletion/"),
        "regenerate_item": Press(kind, page, f"{item}regeneration/"),
        "set_public": Press(kind, f"{item}visibility/", f"{item}visibility/"),
        "reject_item": Press(kind, f"{item}rejection/", f"{item}rejection/"),
    }[kind]
