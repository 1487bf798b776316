"""What the processes of one run share, so that it is made once and not by each of them."""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path


def shared_by_all(tmp_path_factory) -> Path:
    """The run's own folder, whichever of its processes asks."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def alone(path: Path):
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def made_once(tmp_path_factory, name: str):
    """A path for something that takes long to make. The others wait; who finds nothing there makes it."""
    base = shared_by_all(tmp_path_factory)
    with alone(base / f"{name}.lock"):
        yield base / name


def rendered_folder(tmp_path_factory) -> Path:
    """Where sandboxes draw: files are named by their recipe, so all of the run can share them."""
    folder = Path(os.environ.get("LOUPE_TEST_RENDERED") or shared_by_all(tmp_path_factory) / "rendered")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def rendered(tmp_path_factory):
    """That folder, for whoever draws much: one at a time, and the next finds it drawn."""
    folder = rendered_folder(tmp_path_factory)
    with alone(folder / "drawing.lock"):
        yield folder
