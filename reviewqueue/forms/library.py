"""What the library can be filtered by."""

from django import forms

from reviewqueue.forms.queue import ORDERS, QueueFilter
from reviewqueue.rules.states import LIBRARY_TABS

DEFAULTS = {"tab": "all", "order": "newest", "view": "grid"}


class LibraryFilter(QueueFilter):
    """The queue's filters over the library's tabs, in the order of time."""

    tab = forms.ChoiceField(choices=[(tab, tab) for tab in LIBRARY_TABS], required=False)
    order = forms.ChoiceField(
        choices=[(order, ORDERS[order]) for order in ("oldest", "newest")], required=False
    )

    def values(self) -> dict:
        self.is_valid()
        found = {name: self.cleaned_data.get(name) or "" for name in self.fields}
        return {name: value or DEFAULTS.get(name, "") for name, value in found.items()}
