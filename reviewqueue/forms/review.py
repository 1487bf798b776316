"""Shapes of the decisions' forms; what they mean is the services' to check."""

import uuid

from django import forms

from reviewqueue.rules.states import NotAllowed

MANY = 200  # posts decided at once, at most


class TokenField(forms.UUIDField):
    def clean(self, value):
        """Without a token, or with nonsense in its place, each press stands for itself."""
        try:
            return super().clean(value) or uuid.uuid4()
        except forms.ValidationError:
            return uuid.uuid4()


class Pressed(forms.Form):
    """Every button of a page submits the page's one form: its token, and what the button names."""

    token = TokenField(required=False)


class DecisionForm(Pressed):
    fingerprint = forms.CharField(max_length=64, required=False)


class RejectionForm(DecisionForm):
    """`reason` comes from the short list, `words` are free; they are kept as one."""

    reason = forms.CharField(max_length=80, required=False)
    words = forms.CharField(
        max_length=200,
        required=False,
        error_messages={"max_length": "A reason has at most 200 characters; yours has %(show_value)s."},
    )

    def spoken(self) -> str:
        """Raises NotAllowed if they are too long: the form lets none through, and nothing is cut off."""
        if self.has_error("words"):
            raise NotAllowed(self.errors["words"][0])
        parts = (self.cleaned_data.get("reason", ""), self.cleaned_data.get("words", ""))
        return ": ".join(part.strip() for part in parts if part.strip())


class VisibilityForm(Pressed):
    public = forms.TypedChoiceField(choices=[("1", "1"), ("0", "0")], coerce=lambda value: value == "1")


class RegenerationForm(Pressed):
    scope = forms.ChoiceField(choices=[("all", "all"), ("failed", "failed")])


class ManyForm(RejectionForm):
    """Posts picked on the contact sheet: `post` is “id:fingerprint”, as each was on the screen.

    `ask`: the question first, the yes comes from there; `query`: the view that they were picked in.
    """

    ask = forms.BooleanField(required=False)
    query = forms.CharField(max_length=4000, required=False)
    scope = forms.ChoiceField(choices=[("all", "all"), ("failed", "failed")], required=False)

    def __init__(self, data, *args, **kwargs):
        super().__init__(data, *args, **kwargs)
        self.picked = data.getlist("post")

    def seen(self) -> dict[uuid.UUID, str]:
        found = {}
        for value in self.picked[:MANY]:
            pk, _, fingerprint = value.partition(":")
            try:
                found[uuid.UUID(pk)] = fingerprint
            except ValueError:
                continue
        return found


class StripForm(forms.Form):
    """`behind`: the last frame on the page, whose followers are to come with the post."""

    behind = forms.UUIDField(required=False)
