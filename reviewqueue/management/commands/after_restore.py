"""The first command after a backup of the database was put back, before anything else is started."""

from django.core.management.base import BaseCommand

from reviewqueue.services import restoring


class Command(BaseCommand):
    help = "After restoring a backup: stops what is not settled, until it was looked for and let go on."

    def handle(self, *args, **options):
        counts = restoring.after_restore()
        print(
            f"{counts['stopped']} operations are stopped, {counts['unknown']} are not known. They are looked"
            f" for at the service, and a person lets them go on. {counts['signed_out']} sessions ended."
        )
