"""A read-only look at the rows, for whoever runs Loupe. Nothing is changed here: commands do that."""

from allauth.account.decorators import secure_admin_login
from django.apps import apps
from django.contrib import admin

admin.site.login = secure_admin_login(admin.site.login)

HIDDEN = {"secret", "password", "digest", "url", "link", "answer", "request"}


class ReadOnly(admin.ModelAdmin):
    show_full_result_count = False

    def get_list_display(self, request):
        names = [field.name for field in self.model._meta.concrete_fields if not field.many_to_many]
        return [name for name in names if name not in HIDDEN][:8]

    def get_fields(self, request, obj=None):
        return [field.name for field in self.model._meta.concrete_fields if field.name not in HIDDEN]

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


for model in apps.get_app_config("reviewqueue").get_models():
    admin.site.register(model, ReadOnly)
