"""The clock of Loupe. Any number may run; one leads by a lease in the database."""

import logging
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from reviewqueue import ending
from reviewqueue.services import clockwork, restoring

log = logging.getLogger("loupe.poller")

TURN_SECONDS = 0.5
MARK_SECONDS = 2  # between marks by which a restored backup is known
SPARE_HANDS = 3  # threads for what the worker leaves lying


class Command(BaseCommand):
    help = "Runs the clock: sends what is due to the worker, plans polls, sweeps lapsed leases."
    requires_system_checks = ()  # `prepare` has run them, and they load every page

    def handle(self, *args, **options):
        ending.listen(signal.SIGTERM, signal.SIGINT)
        holder = f"{socket.gethostname()}:{os.getpid()}"
        self.busy = set()
        with ThreadPoolExecutor(SPARE_HANDS, thread_name_prefix="spare") as self.hands:
            self.run(holder)

    def run(self, holder: str) -> None:
        beaten_at = late_at = 0.0
        marked_at = -MARK_SECONDS
        asked_at, leads = 0.0, False
        pause = min(TURN_SECONDS, max(0.05, TURN_SECONDS / settings.TIME_SCALE))
        while not ending.told.value:
            try:
                if time.monotonic() - asked_at > clockwork.renew_seconds():
                    asked_at, leads = time.monotonic(), False
                    leads = clockwork.lead("poller", holder)
                if leads:
                    if time.monotonic() - marked_at > MARK_SECONDS:
                        restoring.keep_watch(counts=True)
                        marked_at = time.monotonic()
                    clockwork.turn(spare=self.spare)
                    if time.monotonic() - beaten_at > clockwork.BEAT_SECONDS / settings.TIME_SCALE:
                        beaten_at = time.monotonic()
                        clockwork.beat_through_worker()
                    if time.monotonic() - late_at > 5:
                        late_at = time.monotonic()
                        clockwork.refresh_late()
            except DatabaseError as error:
                log.warning("The database did not answer: %s", error)
                connection.close()
                time.sleep(1)
            except Exception:
                log.exception("A turn of the poller failed; the next one begins")
                time.sleep(1)
            close_old_connections()
            time.sleep(pause)

    def spare(self, call) -> None:
        """Run a call beside the clock, unless all hands are full, or nothing more is to be begun."""
        if len(self.busy) >= SPARE_HANDS or ending.told.value:
            return
        token = object()
        self.busy.add(token)
        self.hands.submit(self.do, call, token)

    def do(self, call, token) -> None:
        try:
            call()
        except Exception:
            log.exception("Something the poller did itself failed")
        finally:
            self.busy.discard(token)
            close_old_connections()
