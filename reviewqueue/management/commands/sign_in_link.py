"""A fresh one-time sign-in link, for whoever can run commands on the machine."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from reviewqueue.models import User
from reviewqueue.services import accounts, setup


class Command(BaseCommand):
    help = "Prints a link that signs one person in, once, within half an hour."

    def add_arguments(self, parser):
        parser.add_argument("email", nargs="?", help="whom (without it: the first admin)")
        parser.add_argument("--bind", default=settings.BIND, help="where the program was told to listen")

    def handle(self, *args, email=None, bind=settings.BIND, **options):
        user = (
            User.objects.filter(email=email.lower()).first()
            if email
            else setup.somebody_to_greet(anyone=True)
        )
        if user is None:
            raise CommandError(
                "There is nobody with that email." if email else "There is nobody yet: run up first."
            )
        print(f"{setup.address_at(bind)}/enter/{accounts.make_link(user)}/")
