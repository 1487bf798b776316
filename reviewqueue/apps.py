from django.apps import AppConfig


class ReviewQueue(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review queue"
