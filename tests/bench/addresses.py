"""What the queue page is measured against: an empty view, and Django's own admin on the same rows."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import path

from reviewqueue.models import GeneratedPost


class AsItComes(admin.ModelAdmin):
    pass


class AtItsBest(admin.ModelAdmin):
    """As many rows in the same order with as much of each, and no count beyond the one it must have."""

    list_display = ("number", "persona", "handle", "kind", "desk", "made_at")
    list_select_related = ("persona",)
    list_per_page = 24
    ordering = ("made_at", "id")
    show_full_result_count = False
    actions = None


plain, best = admin.AdminSite("plain"), admin.AdminSite("best")
plain.register(GeneratedPost, AsItComes)
best.register(GeneratedPost, AtItsBest)


def empty(request):
    return HttpResponse()


urlpatterns = [
    path("empty/", empty),
    path("plain/", plain.urls),
    path("best/", best.urls),
]
