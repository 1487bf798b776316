"""The first run: three decisions in the sandbox, then the steps to the real thing."""

from dataclasses import dataclass

from django.views.decorators.http import require_safe

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Member, UpstreamKey, Workspace
from reviewqueue.rules.money import dollars
from reviewqueue.services.setup import SCOPES
from reviewqueue.views import fragments, queue, rows, shell

TO_DECIDE = 3


@dataclass
class Step:
    """One thing to do: whether it is done, where it is done, and what it waits for."""

    title: str
    text: str
    is_done: bool
    to: str = ""  # an address, or
    entry: Workspace | None = None  # the workspace to enter first
    button: str = ""
    needs: str = ""  # why it cannot be done yet
    grant: str = "look"


@require_safe
def setup(request):
    context = {"section": "settings", "reasons": request.member.workspace.reasons.all()}
    return fragments.page(request, "reviewqueue/setup.html", context | everything(request.member))


@require_safe
def live_setup(request):
    """The frames that moved, the progress, and what became of the steps; 204 if nothing did."""
    member = request.member
    if str(member.desk_version) == request.GET.get("v"):
        return fragments.unchanged()
    context = everything(member) | queue.changed_since(member, request.GET.get("t", ""))
    return fragments.answer(request, "/setup/", "reviewqueue/setup.html#live", context=context)


def everything(member: Member) -> dict:
    workspace = member.workspace
    decided = decided_by(member) if workspace.is_sandbox else []
    done = len(decided)
    real = workspace if not workspace.is_sandbox else real_of(member)
    steps = steps_of(member, real, has_tried=done >= TO_DECIDE)
    around = shell.around(member)
    return {
        "frames": [rows.frames.of(post) for post in samples(member, decided)],
        "done": done,
        "to_decide": TO_DECIDE,
        "real": real,
        "steps": steps,
        "next_step": next((step for step in steps if not step.is_done and not step.needs), None),
        "steps_done": sum(step.is_done for step in steps),
        **around,
        "stamp": int(now().timestamp()),
        "every": queue.pace_of_polling(around["scope"]),
    }


def decided_by(member: Member) -> list[GeneratedPost]:
    """The posts that this person decided first, three at most; what was taken back does not count."""
    decisions = member.decisions.filter(item=None, stands=True).order_by("at").select_related("post")
    posts = {decision.post_id: decision.post for decision in decisions[: 4 * TO_DECIDE]}
    return [post for post in posts.values() if post.deleted_at is None][:TO_DECIDE]


def samples(member: Member, decided: list[GeneratedPost]) -> list[GeneratedPost]:
    """Three frames: what was decided, and what can be, of different kinds where there are."""
    if not member.workspace.is_sandbox:
        return []
    ready = GeneratedPost.objects.visible_to(member).filter(desk="ready").oldest_first()
    ready = [post for post in ready.defer("caption", "mark")[:24] if post.face.get("accounts")]
    kinds = ["image", "carousel", "video"]
    first_of = [next((post for post in ready if post.kind == kind), None) for kind in kinds]
    wished = [post for post in first_of if post] + ready
    return list({post.pk: post for post in [*decided, *wished]}.values())[:TO_DECIDE]


def real_of(member: Member) -> Workspace | None:
    """The first workspace of this person that is not the sandbox."""
    places = Member.objects.of_user(member.user_id).filter(workspace__is_sandbox=False)
    place = places.order_by("workspace__created_at").first()
    return place.workspace if place else None


def steps_of(member: Member, real: Workspace | None, *, has_tried: bool) -> list[Step]:
    key = UpstreamKey.objects.filter(workspace=real, upstream="reelmirror").first() if real else None
    has_key = bool(key and key.state == UpstreamKey.State.WORKING)
    has_persona = bool(real and real.personas.filter(gone_at=None).exists())
    no_key = "" if has_key else "Needs the API key first."
    found = [
        Step("Try the sandbox", "No account needed.", has_tried or real is not None),
        Step("Add the API key", key_in_words(key), has_key, "/settings/keys/", grant="key.change"),
        Step(
            "Create a persona",
            "A name and a few sentences on how captions should sound.",
            has_persona,
            "/personas/",
            needs=no_key,
            grant="persona.edit",
        ),
        Step(
            "Add a source account",
            "Whose posts are made anew. Instagram only for now.",
            bool(real and real.sources.exists()),
            "/personas/",
            needs=no_key if has_persona else "Needs a persona first.",
            grant="source.edit",
        ),
        Step(
            "Connect where posts go",
            "Without an account you can review, but not publish.",
            bool(real and real.accounts.filter(status="active").exists()),
            "/personas/",
            needs=no_key,
            grant="account.change",
        ),
        Step(
            "Add money",
            money_in_words(real),
            bool(real and ((real.balance_cents or 0) > 0 or real.auto_reload)),
            "/billing/",
            needs=no_key,
            grant="billing.change",
        ),
    ]
    buttons = ("", "Look" if key else "Add", "Create", "Add", "Connect", "Top up")
    for step, button in zip(found, buttons, strict=True):
        step.button = button
        if real and real.pk != member.workspace_id:
            step.entry = real
    return found


def key_in_words(key: UpstreamKey | None) -> str:
    if key is None:
        return "ReelMirror shows it once, when it is made: Settings, API keys."
    name = f"rm_…{key.last_four}"
    if key.state == UpstreamKey.State.REJECTED:
        return f"{name} is rejected by the service. Enter another one."
    if key.state == UpstreamKey.State.UNCHECKED:
        return f"{name} is being tried."
    if key.scopes is None:
        return f"{name} works. The service would not say what it may do."
    granted = sum(scope in key.scopes for scope in SCOPES)
    return f"{name} works, {granted} of {len(SCOPES)} scopes."


def money_in_words(real: Workspace | None) -> str:
    balance = real.balance_cents if real else None
    if balance is not None and balance > 0:
        return f"The balance is {dollars(balance)}."
    stands = "" if balance is None else f"The balance is {dollars(balance)}. "
    return f"{stands}The first saved card brings $5.00 of welcome credit."
