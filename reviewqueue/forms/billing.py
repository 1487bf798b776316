"""Shapes of what is asked about money."""

from django import forms

from reviewqueue.forms.fields import DollarsField
from reviewqueue.forms.review import Pressed
from reviewqueue.rules.money import dollars
from reviewqueue.services.billing import AMOUNT_CENTS, THRESHOLD_CENTS, TOP_UPS

DEFAULT_THRESHOLD_CENTS, DEFAULT_AMOUNT_CENTS = 500, 2500


class TopUpForm(Pressed):
    amount = forms.TypedChoiceField(
        choices=[(cents, dollars(cents)) for cents in TOP_UPS],
        coerce=int,
        error_messages={"required": "Choose an amount.", "invalid_choice": "Choose one of these amounts."},
    )


class ReloadForm(Pressed):
    """Switched off, the amounts need not be right; the last ones are kept."""

    on = forms.BooleanField(required=False)
    below = DollarsField(least_cents=THRESHOLD_CENTS[0], most_cents=THRESHOLD_CENTS[1], required=False)
    add = DollarsField(least_cents=AMOUNT_CENTS[0], most_cents=AMOUNT_CENTS[1], required=False)

    def clean(self):
        data = super().clean()
        for name in ("below", "add"):
            if data.get("on") and data.get(name) is None and name not in self.errors:
                self.add_error(name, "Write an amount in dollars, such as 5 or 5.00.")
        if not data.get("on"):
            for name in ("below", "add"):
                self.errors.pop(name, None)
        return data


class EstimateForm(forms.Form):
    """A sum to play with: nonsense counts as nothing."""

    images = forms.IntegerField(min_value=0, max_value=10_000, required=False)
    video = forms.IntegerField(min_value=0, max_value=36_000, required=False)
    voice = forms.IntegerField(min_value=0, max_value=36_000, required=False)
    accounts = forms.IntegerField(min_value=0, max_value=1_000, required=False)

    def amounts(self) -> dict:
        if not self.is_bound:
            return {"images": 5, "video": 10, "voice": 10, "accounts": 0}
        self.is_valid()
        return {name: self.cleaned_data.get(name) or 0 for name in self.fields}


class ChargeFilter(forms.Form):
    """Nonsense counts as not given."""

    kind = forms.ChoiceField(choices=[("charges", "Charges"), ("credits", "Top-ups")], required=False)
    after = forms.CharField(max_length=100, required=False)

    def values(self) -> dict:
        self.is_valid()
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}
