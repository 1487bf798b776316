"""The web server alone, as `up` starts it and a container runs it."""

import os
import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Starts the web server alone. On SIGTERM it answers what is open, then ends."

    def add_arguments(self, parser):
        parser.add_argument("--bind", default=settings.BIND, help="host:port")
        parser.add_argument("--workers", type=int, default=1, help="web processes")

    def handle(self, *args, bind, workers, **options):
        argv = gunicorn(bind, workers)
        os.execv(argv[0], argv)  # noqa: S606 - gunicorn takes this process's place, signals included


def gunicorn(bind: str, workers: int) -> list[str]:
    """The command line of the web server."""
    argv = [sys.executable, "-m", "gunicorn", "dashboard.wsgi:application", "--bind", bind]
    argv += ["--worker-class", "gthread", "--workers", str(workers), "--threads", str(settings.WEB_THREADS)]
    argv += ["--timeout", "60", "--graceful-timeout", "8", "--no-control-socket"]
    argv += ["--chdir", str(settings.BASE_DIR), "--log-level", "warning"]
    return [*argv, "--worker-tmp-dir", "/dev/shm" if Path("/dev/shm").is_dir() else "."]  # noqa: S108
