"""All that knows htmx: what a command answers, to a script and to a plain browser."""

from urllib.parse import SplitResult, urlsplit

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers


def is_fragment(request) -> bool:
    """A script asks for a part of a page; a history restore wants the whole page."""
    return bool(request.htmx) and not request.htmx.history_restore_request


def page(request, template: str, context: dict, *, part: str = "", status: int = 200) -> HttpResponse:
    """The page, or the named part of it for a script."""
    name = f"{template}#{part}" if part and is_fragment(request) else template
    response = HttpResponse(render_to_string(name, context, request), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def answer(request, to: str, *parts: str, context: dict | None = None, said: str = "") -> HttpResponse:
    """After a command: the changed parts and the shell's own for a script, else a redirect.

    `parts` are named fragments that swap themselves out of band; `said` is what a person hears or reads.
    """
    if not is_fragment(request):
        if said:
            messages.info(request, said)
        return HttpResponseRedirect(to)
    has_rail = not asked_from(request).startswith("/review/")
    full = {"said": said, "oob": True, "has_rail": has_rail, **(context or {})}
    html = [render_to_string(part, full, request) for part in parts]
    html.append(render_to_string("shell.html#after", full, request))
    response = HttpResponse("".join(html))
    patch_vary_headers(response, ["HX-Request"])
    response["HX-Reswap"] = "none"
    return response


def go_to(request, to: str, *, said: str) -> HttpResponse:
    """After a command that leaves little of the page true: another page, for a script too."""
    messages.info(request, said)
    if not is_fragment(request):
        return HttpResponseRedirect(to)
    response = HttpResponse()
    response["HX-Redirect"] = to
    return response


def undo(request, seconds: int | None = None) -> str:
    """How this person takes back what was just done: by the key, where there are keys."""
    has_keys = is_fragment(request) and request.member.user.single_keys
    within = f" within {seconds} seconds" if seconds else ""
    return f"Press U{within} to undo" if has_keys else f"You can undo it{within}"


def unchanged() -> HttpResponse:
    """Nothing moved: the poller goes on as it is."""
    return HttpResponse(status=204)


def came_from(request, *places: str) -> str:
    """The page of ours that a plain form was sent from, if it lies under one of `places`; else ""."""
    path = parts_of(request.headers.get("Referer", "")).path
    return path if path.startswith(places) else ""


def asked_from(request) -> str:
    """The path of the page that a script asks from ("" for a plain form)."""
    try:
        return request.htmx.current_url_abs_path or "" if request.htmx else ""
    except ValueError:  # no address at all
        return ""


def parts_of(address: str) -> SplitResult:
    """The parts of an address that a browser names; all of them empty if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
