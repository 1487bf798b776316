"""Mirror everything of a workspace once, at its first start, so that the first page is full and moves."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from reviewqueue import gateway, wake
from reviewqueue.models import MediaFile, Persona, Workspace
from reviewqueue.sandbox.seed import start_running
from reviewqueue.services import media, mirroring, polling, rates, setup, watches, wire

HANDS = 4


def fill(say=lambda text: None) -> Workspace:
    """Make the sandbox workspace and mirror it, pictures included."""
    with wake.quietly():
        workspace = setup.make_sandbox()
        mirror(workspace)
        files = wanted(workspace)
        say(f"Copying {len(files)} pictures and videos …")
        copy(files)
        gateway.sandbox().forget_requests()  # else the first person finds the minute used up
        rates.forget(workspace.keys.get().fingerprint)
    return workspace


def begin(workspace: Workspace) -> None:
    """Somebody comes: what the sandbox shows being made begins with the first visit, whenever that is."""
    if workspace.is_sandbox and start_running(gateway.sandbox()):
        for persona in workspace.personas.all():
            watches.add(workspace.pk, "posts", persona.pk, soon=True)


def mirror(workspace: Workspace) -> None:
    """Every list of the service, read once."""
    line = wire.open_wire(workspace)
    for kind in ("key", "catalogue", "balance", "transactions"):
        watch = workspace.watches.get(kind=kind)
        polling.finish(watch, polling.LOOKS[kind](line, watch))
    read(workspace, line, "source_posts", "posts")
    line.spend("poll")
    for remote in polling.all_of(line, line.api.outgoing.list):
        mirroring.outgoing(workspace, remote)


def read(workspace: Workspace, line, *kinds: str) -> None:
    """These lists of every persona."""
    for persona in Persona.objects.filter(workspace=workspace):
        for kind in kinds:
            watch = workspace.watches.get(kind=kind, subject=str(persona.pk))
            polling.finish(watch, polling.LOOKS[kind](line, watch))


def wanted(workspace: Workspace) -> list:
    return list(MediaFile.objects.filter(workspace=workspace, state="wanted").values_list("pk", flat=True))


def copy(files: list) -> None:
    """Fetch these files with a few hands; Pillow leaves the interpreter free while it works."""

    def one(pk):
        try:
            media.fetch(pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(one, files))
