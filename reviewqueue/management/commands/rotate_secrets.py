"""Seal every stored key anew under the newest of LOUPE_ENCRYPTION_KEYS."""

from django.core.management.base import BaseCommand, CommandError

from reviewqueue import vault
from reviewqueue.models import UpstreamKey


class Command(BaseCommand):
    help = "Re-encrypts stored API keys under the newest encryption key; afterwards the older ones may go."

    def handle(self, *args, **options):
        for key in UpstreamKey.objects.all():
            try:
                sealed = vault.resealed(key.secret)
            except vault.Unreadable as error:
                raise CommandError(f"{key.workspace}: {error}") from None
            UpstreamKey.objects.filter(pk=key.pk, secret=key.secret).update(secret=sealed)
        print(f"{UpstreamKey.objects.count()} sealed anew.")
