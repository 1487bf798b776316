"""Many posts at once: decided under one hold, or made anew after a bill."""

from django.contrib import messages
from django.db.models import Prefetch
from django.views.decorators.http import require_POST

from reviewqueue.forms.review import MANY, ManyForm
from reviewqueue.models import GeneratedPost, MediaItem
from reviewqueue.services import generating, reviewing
from reviewqueue.services.access import require
from reviewqueue.views import fragments, queue, rows

REASONS_TOLD = 8  # to a browser without script; with one, each row says its own


def picked(request) -> tuple[ManyForm, list[GeneratedPost]]:
    """The form, and the posts it names, oldest first. What is not theirs to see is not there."""
    form = ManyForm(request.POST)
    form.is_valid()
    found = GeneratedPost.objects.visible_to(request.member).filter(pk__in=form.seen())
    return form, list(found.order_by("made_at", "id"))


def answer(request, form: ManyForm, outcomes: list, refused: list, words: str):
    """The rows that moved; each that was refused says why in its place, and stays picked."""
    done, more = len(outcomes) - len(refused), max(0, len(form.picked) - MANY)
    said = f"{done} {words}" + (f", {len(refused)} not" if refused else "")
    if more:
        said += f". {MANY} at once at most: {more} left as they were"
    if not fragments.is_fragment(request):
        for outcome in refused[:REASONS_TOLD]:
            messages.warning(request, f"{outcome.post.number}: {outcome.reason}")
    changed = GeneratedPost.objects.filter(pk__in=[outcome.post.pk for outcome in outcomes])
    context = {"changes": [rows.frames.of(post) for post in changed], "outcomes": refused, "told": said}
    return fragments.answer(
        request, back(request, form), "reviewqueue/queue.html#decided_many", context=context, said=said
    )


def back(request, form: ManyForm) -> str:
    """The view they were picked in, for a browser without script."""
    if fragments.came_from(request, "/library/"):
        return "/library/"
    query = form.cleaned_data.get("query")
    return f"/{queue.normal(query) if query else queue.came_in(request)}"


# ---- decisions -----------------------------------------------------------------------------------


def _decide(request, verb):
    form, posts = picked(request)
    outcomes = reviewing.decide_many(
        posts,
        verb,
        by=request.member,
        seen=form.seen(),
        token=form.cleaned_data["token"],
        reason=form.spoken(),
    )
    refused = [outcome for outcome in outcomes if outcome.decision is None]
    return answer(request, form, outcomes, refused, "decided")


@require_POST
def approvals(request):
    return _decide(request, reviewing.APPROVE)


@require_POST
def compositions(request):
    return _decide(request, reviewing.COMPOSE)


@require_POST
def rejections(request):
    """With `ask`, the page of reasons for a browser without script; without, the decision."""
    form, posts = picked(request)
    if not form.cleaned_data.get("ask") or not posts:
        return _decide(request, reviewing.REJECT)
    require(request.member, "review.reject")
    context = {
        "posts": posts,
        "picked": form.picked[:MANY],
        "query": back(request, form).lstrip("/"),
        "reasons": request.member.workspace.reasons.all(),
        "section": "review",
    }
    return fragments.page(request, "reviewqueue/queue/reasons_many.html", context)


# ---- money ---------------------------------------------------------------------------------------


@require_POST
def regenerations(request):
    """With `ask`, the bill; without, the yes to it. `scope`: everything, or only what failed."""
    member = request.member
    require(member, "regenerate")
    form, posts = picked(request)
    failed_only = form.cleaned_data.get("scope") == "failed"
    if form.cleaned_data.get("ask") or not posts:
        context = bill_of(member, with_items(form.seen(), member), failed_only=failed_only)
        context |= {"query": back(request, form).lstrip("/"), "more": max(0, len(form.picked) - MANY)}
        return fragments.page(request, "reviewqueue/queue/bill_many.html", context, part="dialog")
    outcomes = generating.regenerate_many(
        posts, by=member, token=form.cleaned_data["token"], failed_only=failed_only
    )
    refused = [outcome for outcome in outcomes if outcome.operation is None]
    response = answer(request, form, outcomes, refused, "queued")
    response["HX-Trigger"] = "loupe:look"
    return response


def with_items(seen, member) -> list[GeneratedPost]:
    """With all that the bill needs, in as many queries for two hundred as for two."""
    current = Prefetch("items", MediaItem.objects.current().order_by("position"), to_attr="current_items")
    found = GeneratedPost.objects.visible_to(member).filter(pk__in=seen).order_by("made_at", "id")
    return list(found.select_related("persona").prefetch_related(current))


def bill_of(member, posts: list[GeneratedPost], *, failed_only: bool) -> dict:
    """The bill of what is asked; beside everything anew, what only the failed items would cost."""
    failed = generating.remaking(posts, member.workspace, failed_only=True)
    asked = failed if failed_only else generating.remaking(posts, member.workspace, failed_only=False)
    return {
        "picked": posts,
        "asked": asked,
        "failed": failed if failed.posts and not failed_only else None,
        "failed_only": failed_only,
        "made_before": sum(post.face.get("take", "A") != "A" for post in asked.posts),
        "section": "review",
    }
