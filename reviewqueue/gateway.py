"""The only place that turns a workspace and the settings into a client, real or sandbox."""

from functools import lru_cache

from django.conf import settings

from reviewqueue import vault
from reviewqueue.clock import request_seconds
from reviewqueue.models import UpstreamKey, Workspace
from reviewqueue.sandbox.app import Sandbox
from reviewqueue.upstream import transport
from reviewqueue.upstream.media import download as fetch
from reviewqueue.upstream.reelmirror.client import ReelMirror
from reviewqueue.upstream.retries import RetryBudget

# The sandbox answers in the same process; nothing is ever looked up under this name. Its files stand under it
# as well, so that they stay the same files when Loupe moves to another address.
SANDBOX = "http://sandbox.invalid"


class NoKey(Exception):
    """The workspace has no key for the service, or none that can be read."""


@lru_cache(maxsize=1)
def sandbox() -> Sandbox:
    """The stand-in for the services, over the SQLite file that all processes share."""
    return _brought.get("sandbox") or Sandbox(
        settings.SANDBOX_DIR,
        public_url=settings.PUBLIC_URL,
        media_url=SANDBOX,
        speed=settings.SANDBOX_SPEED,
        time_scale=settings.TIME_SCALE,
    )


def bring(sandbox_of_ones_own: Sandbox | None) -> None:
    """Use this sandbox from now on (tests bring one whose clock they move); None: the usual one."""
    _brought["sandbox"] = sandbox_of_ones_own
    sandbox.cache_clear()


_brought: dict[str, Sandbox | None] = {}


def key_of(workspace: Workspace) -> UpstreamKey:
    """The workspace's key to ReelMirror. Raises NoKey."""
    key = workspace.keys.filter(upstream="reelmirror").first()
    if key is None:
        raise NoKey("This workspace has no API key. An admin adds one under Settings.")
    return key


def client_for(key: UpstreamKey, **options) -> ReelMirror:
    """A client under this key. `options` are those of upstream.transport.Transport. Raises NoKey."""
    try:
        secret = vault.open_sealed(key.secret)
        retries = retries_under(key.fingerprint)
        return client_with(secret, is_sandbox=key.workspace.is_sandbox, retries=retries, **options)
    except (vault.Unreadable, ValueError) as error:  # ValueError: it cannot stand in a header
        raise NoKey(str(error)) from None


@lru_cache(maxsize=1024)
def retries_under(fingerprint: str) -> RetryBudget:
    """What this process may still try again of its reads under a key."""
    return RetryBudget()


def client_with(secret: str, *, is_sandbox: bool, **options) -> ReelMirror:
    options = {"total_seconds": request_seconds(), "faster": settings.TIME_SCALE, **options}
    if is_sandbox:
        return ReelMirror(f"{SANDBOX}/api", secret, transport=transport.in_process(sandbox()), **options)
    return ReelMirror(settings.REELMIRROR_URL, secret, schedule_with=settings.REELMIRROR_SCHEDULE, **options)


def download(workspace: Workspace, link: str, sink) -> None:
    """Bring a file of the service to `sink`. Raises MediaRefused or the error tree."""
    if workspace.is_sandbox:
        fetch(
            link,
            sink=sink,
            max_bytes=settings.MEDIA_MAX_BYTES,
            allowed_hosts=[sandbox().world.media_url],
            transport=transport.in_process(sandbox()),
        )
        return
    fetch(link, sink=sink, max_bytes=settings.MEDIA_MAX_BYTES, allowed_hosts=settings.MEDIA_HOSTS)
