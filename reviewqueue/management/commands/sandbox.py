"""The sandbox on a port of its own: ReelMirror for curl, for another Loupe, for tests over a real socket."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from reviewqueue.sandbox.app import Sandbox, serve
from reviewqueue.sandbox.seed import fill


class Command(BaseCommand):
    help = "Serves the stand-in for ReelMirror and prints a key for it."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument("--bind", default="127.0.0.1:8765", help="host:port")
        parser.add_argument(
            "--folder", default=str(settings.DATA_DIR / "sandbox-served"), help="where it keeps its memory"
        )
        parser.add_argument(
            "--speed", type=float, default=settings.SANDBOX_SPEED, help="times faster than documented"
        )
        parser.add_argument(
            "--control", action="store_true", help="let tests make it misbehave by /sandbox/control/"
        )

    def handle(self, *args, bind, folder, speed, control, **options):
        host, _, port = bind.rpartition(":")
        if not port.isdecimal():
            raise CommandError(f"{bind!r} is not an address like 127.0.0.1:8765.")
        sandbox = Sandbox(
            Path(folder),
            public_url=f"http://{bind}",
            speed=speed,
            time_scale=settings.TIME_SCALE,
            control=control,
        )
        seeded = fill(sandbox)
        print(f"The sandbox answers at http://{bind}/api", flush=True)
        print(f"A key for it: {seeded.api_key or 'printed at its first start'}", flush=True)
        print(
            f"For another Loupe: LOUPE_REELMIRROR_URL=http://{bind}/api LOUPE_MEDIA_HOSTS=http://{bind}",
            flush=True,
        )
        try:
            serve(sandbox, host, int(port))
        except KeyboardInterrupt:
            pass
        except OSError as error:
            raise CommandError(f"Port {port} cannot be used: {error.strerror}.") from None
