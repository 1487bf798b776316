"""A refusal as a page, or as a notice on the page that asked."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from reviewqueue.services.access import Stale
from reviewqueue.views import fragments


def without_workspace(request):
    return render(
        request, "reviewqueue/refused.html", {"title": "No workspace", "refusal": NOWHERE}, status=403
    )


NOWHERE = "You are not a member of any workspace. Ask an admin for an invitation."


def not_permitted(request, error):
    return refused(request, error, "Not for your role", 403)


def not_allowed(request, error):
    return refused(
        request, error, "Changed meanwhile" if isinstance(error, Stale) else "Not possible now", 409
    )


def wrong_method(request, response):
    """Somebody opened the address of a button, or sent something to a page that takes nothing."""
    is_button = request.method in ("GET", "HEAD")
    answer = refused(request, BUTTON if is_button else PAGE, "Nothing was done", 405)
    answer["Allow"] = response["Allow"]
    return answer


BUTTON = "This address belongs to a button. Go back and press it there."
PAGE = "This address only shows something; what was sent to it was not used."


def not_found(request, exception=None):
    return refused(request, GONE, "Not found", 404)


GONE = "There is nothing at this address, or it belongs to a workspace that you are not in just now."


def forbidden(request, exception=None):
    return refused(request, CLOSED, "Not open to you", 403)


def unreadable(request, exception=None):
    return plain("Not understood", "What the browser sent cannot be read, so nothing was done.", 400)


def broken(request):
    return plain("Something broke here", BROKEN, 500)


CLOSED = "Your account does not allow this here. What was asked for was not done."
BROKEN = (
    "It is noted in the log. Decisions made before are kept; look at the page again before repeating one."
)


def plain(
    title: str, refusal: str, status: int, *, template: str = "reviewqueue/refused.html", **more
) -> HttpResponse:
    """A page that needs neither the database nor a request that makes sense."""
    context = {"PRODUCT": settings.PRODUCT, "title": title, "refusal": refusal, **more}
    return HttpResponse(render_to_string(template, context), status=status)


def refused(request, error, title: str, status: int, more: str = ""):
    context = {"title": title, "refusal": str(error), "back": back_to(request), "more": more}
    context |= {
        "oob": True,
        "said": f"{title}. {error}" if more else str(error),
        "has_rail": not fragments.asked_from(request).startswith("/review/"),
    }
    template = (
        "reviewqueue/refused.html#notice" if request.headers.get("HX-Request") else "reviewqueue/refused.html"
    )
    answer = render(request, template, context, status=status)
    answer["HX-Reswap"] = "none"
    return answer


def back_to(request) -> str:
    """Where the person came from, if that is here."""
    came_from = request.headers.get("Referer", "")
    here = f"{request.scheme}://{request.get_host()}/"
    return came_from if came_from.startswith(here) else "/"
