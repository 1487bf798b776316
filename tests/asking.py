"""One of every kind of operation, asked for as a person would; and lost on the way to the service."""

from reviewqueue.models import Operation, Watch
from reviewqueue.services import (
    billing,
    generating,
    operations,
    personas,
    reconciling,
    reviewing,
    syncing,
)
from tests.world import committing, token


def partly_failed(world):
    posts = world.workspace.posts.filter(items__status="failed", desk="attention").exclude(upstream_id="")
    return posts.first()


def source_of(world):
    return world.persona("Oat & Ember").sources.order_by("handle").first()


def by(world) -> dict:
    return {"by": world.ana, "token": token()}


def approve(world):
    post = world.ready()
    return reviewing.approve(post, fingerprint=post.fingerprint, **by(world)).operation


def compose(world):
    post = world.ready()
    return reviewing.send_to_compose(post, fingerprint=post.fingerprint, **by(world)).operation


def reject(world):
    post = world.ready()
    return reviewing.reject(post, fingerprint=post.fingerprint, **by(world)).operation


def reject_item(world):
    post = world.ready("carousel")
    item = world.item(post)
    return reviewing.reject_item(item, fingerprint=post.fingerprint, **by(world)).operation


def clone(world):
    return generating.clone("https://www.instagram.com/p/CxNew0042/", world.persona(), **by(world))


def add_target(world):
    persona = world.persona("Kilo North")
    return personas.link_account(persona, world.workspace.accounts.first(), **by(world))


def remove_target(world):
    return personas.unlink_account(world.persona().targets.first(), **by(world))


def set_reload(world):
    world.sandbox.set_card(True)
    return billing.set_reload(on=True, threshold_cents=700, amount_cents=2500, **by(world))


ASK = {
    "generate": lambda world: world.generate(),
    "clone": clone,
    "regenerate_post": lambda world: generating.regenerate_post(world.ready(), **by(world)),
    "retry_failed": lambda world: generating.regenerate_post(
        partly_failed(world), failed_only=True, **by(world)
    ),
    "regenerate_item": lambda world: generating.regenerate_item(world.item(world.ready()), **by(world)),
    "voice_convert": lambda world: generating.convert_voice(
        world.item(world.ready("video", persona="Ines Calder")), **by(world)
    ),
    "set_public": lambda world: generating.set_public(world.item(world.ready()), True, **by(world)),
    "approve": approve,
    "send_to_compose": compose,
    "reject": reject,
    "reject_item": reject_item,
    "delete_post": lambda world: generating.delete_post(world.ready(), **by(world)),
    "delete_item": lambda world: generating.delete_item(world.item(world.ready("carousel")), **by(world)),
    "sync": lambda world: syncing.start(world.persona(), **by(world)),
    "add_source": lambda world: personas.add_source(
        world.persona(), handle="new.account", mode="sync_only", **by(world)
    ),
    "remove_source": lambda world: personas.remove_source(source_of(world), **by(world)),
    "set_automation": lambda world: personas.set_automation(source_of(world), "auto_clone", **by(world)),
    "create_persona": lambda world: personas.create(name="Nadir", writing_style="Dry.", **by(world)),
    "update_persona": lambda world: personas.update(world.persona(), writing_style="Dry.", **by(world)),
    "add_target": add_target,
    "remove_target": remove_target,
    "set_reload": set_reload,
}


def lost(world, kind: str, fault: str, **facts) -> Operation:
    """An operation whose answer never came, however often it may be sent."""
    operation = ASK[kind](world)
    assert operation.kind == kind
    for attempt in range(operations.REPEATS):
        for method in ("POST", "PATCH", "DELETE"):
            world.sandbox.misbehave("drop_before" if attempt else fault, match=f"{method} *", **facts)
        world.send(operation)
        world.sandbox.behave()
        if operation.state != "queued":
            break
    assert operation.state == "unknown", operation.reason
    assert Watch.objects.filter(workspace=world.workspace, kind="unknown").exists()
    return operation


def look(world) -> float | None:
    with committing():
        return reconciling.look(world.wire(), world.workspace)


def look_again(world, later, operation, *seconds) -> None:
    """One look after so many seconds each; then the operation is as it has become."""
    for after in seconds:
        later(after)
        look(world)
    operation.refresh_from_db()
