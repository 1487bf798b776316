"""What source posts can be filtered by, and what is asked before something is made of them."""

import uuid

from django import forms

from reviewqueue.forms.review import Pressed

MANY = 50  # posts in one question: its address stays short enough for every server


class SourceFilter(forms.Form):
    """Everything is optional, and nonsense counts as not given: a bookmarked view must always open."""

    q = forms.CharField(max_length=100, required=False)
    persona = forms.UUIDField(required=False)
    account = forms.CharField(max_length=200, required=False)
    used = forms.ChoiceField(choices=[("no", "Not generated yet"), ("all", "All")], required=False)
    order = forms.ChoiceField(choices=[("newest", "newest"), ("oldest", "oldest")], required=False)
    after = forms.CharField(max_length=100, required=False)

    def values(self) -> dict:
        self.is_valid()
        found = {name: self.cleaned_data.get(name) or "" for name in self.fields}
        found["used"] = found["used"] or "no"
        found["order"] = found["order"] or "newest"
        return found


class CloneForm(Pressed):
    url = forms.CharField(
        max_length=500,
        error_messages={
            "required": "Paste the link of a post, like instagram.com/p/….",
            "max_length": "That is too long for the link of a post.",
        },
    )
    persona = forms.UUIDField(
        error_messages={"required": "Choose whom it is for.", "invalid": "Choose one of the list."}
    )


class GenerationForm(Pressed):
    """Source posts picked on the contact sheet, and for whom; without a persona each goes to its own."""

    persona = forms.UUIDField(required=False)

    def __init__(self, data, *args, **kwargs):
        super().__init__(data, *args, **kwargs)
        self.picked = [pk for value in data.getlist("post") if (pk := _uuid(value))]


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
