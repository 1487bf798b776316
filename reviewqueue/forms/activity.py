"""What the activity can be filtered by."""

from datetime import date

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from reviewqueue.rules.vocabulary import EVENTS

# Days that have a beginning in every time zone, and a day after them.
DAYS = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
LABELS = sorted({word.label for word in EVENTS.values()})


class ActivityFilter(forms.Form):
    """Everything is optional, and nonsense counts as not given: a bookmarked view must always open."""

    by = forms.CharField(max_length=40, required=False)  # a member's id, "service" or "loupe"
    persona = forms.UUIDField(required=False)
    kind = forms.ChoiceField(choices=[(label, label) for label in LABELS], required=False)
    since = forms.DateField(required=False, validators=DAYS)
    until = forms.DateField(required=False, validators=DAYS)
    after = forms.CharField(max_length=100, required=False)

    def values(self) -> dict:
        self.is_valid()
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}
