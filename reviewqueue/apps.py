import atexit
import gc

from django.apps import AppConfig


class ReviewQueue(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review queue"

    def ready(self):
        # At its end a process would look through all that it has loaded for cycles, which costs it as much as
        # half of loading it. What closes a file or a connection does not wait for that.
        atexit.register(gc.freeze)
