"""Who asks, and what a refusal looks like."""

import re
from functools import cached_property
from zoneinfo import ZoneInfo

import brotli
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import connection
from django.http import HttpResponse, HttpResponseNotAllowed
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.crypto import constant_time_compare

from reviewqueue.models import Member, User
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import accounts
from reviewqueue.services.access import NotPermitted
from reviewqueue.views import outage, refusals


class CompressPages(GZipMiddleware):
    """Pages and fragments only: media are compressed already and must keep their ranges.

    Brotli takes less time than gzip and leaves less. What a page keeps secret, its form's token, is
    masked anew in every answer, so the length of an answer tells nothing about it.
    """

    def process_response(self, request, response):
        is_page = response.get("Content-Type", "").startswith(("text/html", "application/json"))
        if response.status_code == 204 or not is_page:
            return response
        accepted = BROTLI.search(request.headers.get("Accept-Encoding", ""))
        if not accepted or response.streaming or response.has_header("Content-Encoding"):
            return super().process_response(request, response)
        if len(response.content) >= LEAST_BYTES:
            response.content = brotli.compress(response.content, quality=4)
            response["Content-Length"] = str(len(response.content))
            response["Content-Encoding"] = "br"
            if response.get("ETag", "").startswith('"'):
                response["ETag"] = f"W/{response['ETag']}"
        patch_vary_headers(response, ["Accept-Encoding"])
        return response


BROTLI = re.compile(r"\bbr\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
LEAST_BYTES = 200


class ContentPolicy(CSPMiddleware):
    """The policy is the same for every page and without a nonce: it is written once."""

    policy = cached_property(lambda self: build_policy())

    def process_request(self, request):
        pass

    def process_response(self, request, response):
        if settings.DEBUG:  # Django's own pages about errors bring their styles along
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self.policy)
        return response


# Addresses that need no place in a workspace; everything else does.
OPEN = ("/sign-in/", "/sign-out/", "/reset/", "/enter/", "/healthz", "/readyz", "/sandbox/", "/admin/")
PROBES = ("/healthz", "/readyz")  # nobody asks who asks: they answer without a database
NOT_OPEN = ("/sign-in/as/",)  # though it lies under one that is


class Sessions(SessionMiddleware):
    """A look takes no cookie away: a page that polls may have sent it before somebody signed in, and have its
    answer after it. The cookie would be that of the new session."""

    def process_response(self, request, response):
        response = super().process_response(request, response)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if request.method in outage.SAFE and cookie is not None and not cookie.value:
            del response.cookies[settings.SESSION_COOKIE_NAME]
        return response


class Membership(AuthenticationMiddleware):
    """Sets `request.user` and `request.member` with one query, and sends strangers to the sign-in page.

    `member` is the person's place in the workspace they look at, or None; `member.desk_version` is the
    version of its desk when the request came. `places` are all of theirs.
    """

    def __call__(self, request):
        is_probe = request.path in PROBES
        request.user, request.places = (AnonymousUser(), []) if is_probe else self.who(request)
        request.member = self.here(request.places)
        is_open = request.path.startswith(OPEN) and not request.path.startswith(NOT_OPEN)
        if request.member is None and not is_open:
            return self.stranger(request)
        if request.member is not None:
            timezone.activate(ZoneInfo(request.member.user.time_zone))
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    def who(self, request) -> tuple[User | AnonymousUser, list[Member]]:
        user_id = request.session.get(SESSION_KEY)
        if not user_id or BACKEND_SESSION_KEY not in request.session:
            return AnonymousUser(), []
        places = accounts.places_of(user_id)
        user = places[0].user if places else User.objects.filter(pk=user_id, is_active=True).first()
        if user is None or not self.is_valid(request, user):
            return AnonymousUser(), []
        return user, places

    def here(self, places: list[Member]) -> Member | None:
        here = next((place for place in places if place.workspace_id == place.user.current_id), None)
        return here or (places[0] if places else None)

    def is_valid(self, request, user: User) -> bool:
        """A changed password ends every other session."""
        kept = request.session.get(HASH_SESSION_KEY, "")
        return constant_time_compare(kept, user.get_session_auth_hash())

    def stranger(self, request):
        if request.user.is_authenticated:
            return refusals.without_workspace(request)
        if request.headers.get("HX-Request"):
            answer = HttpResponse(status=401)
            answer["HX-Redirect"] = "/sign-in/"
            return answer
        return redirect_to_login(request.get_full_path())


class NotedWrites:
    """Notes whether a request has written anything, for what is said if the database goes away meanwhile."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.method in outage.SAFE:
            return self.get_response(request)
        with connection.execute_wrapper(outage.Writes(request)):
            return self.get_response(request)


class DomainErrors:
    """What is refused, with its reason: 403 who may not, 409 what cannot be, 405 the wrong way to ask."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            return refusals.wrong_method(request, response)
        return response

    def process_exception(self, request, error):
        if isinstance(error, NotPermitted):
            return refusals.not_permitted(request, error)
        if isinstance(error, NotAllowed):
            return refusals.not_allowed(request, error)
        return None
