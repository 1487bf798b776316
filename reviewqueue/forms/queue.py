"""What the queue can be filtered by."""

from django import forms

from reviewqueue.rules.states import DESK_TABS

AGES = [
    ("hour", "Under an hour"),
    ("today", "Today"),
    ("day", "Over a day"),
    ("days", "Over three days"),
]
ORDERS = {"oldest": "Oldest first", "newest": "Newest first", "persona": "Persona"}


class QueueFilter(forms.Form):
    """Everything is optional, and nonsense counts as not given: a bookmarked view must always open."""

    tab = forms.ChoiceField(choices=[(tab, tab) for tab in DESK_TABS], required=False)
    q = forms.CharField(max_length=100, required=False)
    persona = forms.UUIDField(required=False)
    type = forms.ChoiceField(
        choices=[(kind, kind) for kind in ("image", "carousel", "video")], required=False
    )
    source = forms.CharField(max_length=60, required=False)
    age = forms.ChoiceField(choices=AGES, required=False)
    order = forms.ChoiceField(choices=[*ORDERS.items()], required=False)
    view = forms.ChoiceField(choices=[("grid", "grid"), ("list", "list")], required=False)
    after = forms.CharField(max_length=100, required=False)

    def values(self) -> dict:
        self.is_valid()
        found = {name: self.cleaned_data.get(name) or "" for name in self.fields}
        found["tab"] = found["tab"] or "ready"
        found["order"] = found["order"] or ("newest" if found["tab"] == "decided" else "oldest")
        found["view"] = found["view"] or "grid"
        return found
