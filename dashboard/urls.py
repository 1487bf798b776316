from django.urls import include, path

urlpatterns = [path("", include("reviewqueue.urls"))]
handler400 = "reviewqueue.views.refusals.unreadable"
handler403 = "reviewqueue.views.refusals.forbidden"
handler404 = "reviewqueue.views.refusals.not_found"
handler500 = "reviewqueue.views.outage.broken"
