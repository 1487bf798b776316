"""What a machine may lack: CI may not go without it; elsewhere the tests that need it are left out."""

import os

import pytest


def missing(what: str) -> None:
    """Fails in CI, and skips anywhere else."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI may not go without it.")
    pytest.skip(f"{what} is missing")
