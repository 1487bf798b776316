"""What a person says of an operation that nobody knows the outcome of."""

from django import forms

from reviewqueue.services.resolving import NOTE_AT_MOST


class ResolutionForm(forms.Form):
    note = forms.CharField(
        label="What you saw, and where",
        max_length=NOTE_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say what you saw, and where."},
    )
    happened = forms.TypedChoiceField(
        choices=[("1", "It happened"), ("0", "It did not happen")],
        coerce=lambda value: value == "1",
        error_messages={"required": "Say whether it happened.", "invalid_choice": "Say whether it happened."},
    )
