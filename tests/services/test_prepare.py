"""`manage.py prepare`, as every container of a deployment may run it at its start."""

import os
import subprocess
import sys

import pytest
from django.db import connection

from reviewqueue.ending import dies_with_us
from tests.running import ROOT, environment
from tests.world import only_postgresql


@pytest.fixture
def empty_database(transactional_db):
    """The address of one that nothing was migrated in."""
    name = f"{connection.settings_dict['NAME']}_empty"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
        yield f"{os.environ['LOUPE_DATABASE_URL'].rpartition('/')[0]}/{name}"
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@only_postgresql
def test_of_two_that_start_at_once_one_waits_for_the_other(empty_database, tmp_path):
    env = environment(tmp_path, 8000, LOUPE_DATABASE_URL=empty_database)
    started = [
        subprocess.Popen(
            [sys.executable, "manage.py", "prepare", "--no-sandbox"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=dies_with_us(),
        )
        for _ in range(2)
    ]
    printed = [one.communicate()[0] for one in started]
    assert [one.returncode for one in started] == [0, 0], printed
    assert sum("Preparing static files" in text for text in printed) == 1, printed
