"""The shape of a note. Nothing typed is cut off: what is too long comes back whole, with its count."""

from django import forms

from reviewqueue.forms.review import Pressed
from reviewqueue.rules.notes import CHARACTERS, Pin, flaw

OUTSIDE = "The pin lies outside the picture."
NUMBER = "Write a number."


class WholeText(forms.CharField):
    """Lines end as everywhere here; the browser does not cut what is pasted."""

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")

    def widget_attrs(self, widget):
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


def percent(label: str) -> forms.FloatField:
    outside = {"min_value": OUTSIDE, "max_value": OUTSIDE, "invalid": NUMBER}
    return forms.FloatField(
        label=label,
        required=False,
        min_value=0,
        max_value=100,
        error_messages=outside,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )


class NoteForm(Pressed):
    """`item` names one version of an item; the place of the pin is in per cent of the picture."""

    text = WholeText(
        label="Add a note",
        max_length=CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        error_messages={
            "required": "Write something first.",
            "max_length": f"At most {CHARACTERS:,} characters; this has %(show_value)s.",
        },
    )
    item = forms.UUIDField(
        label="About", required=False, error_messages={"invalid": "This item is not of this post."}
    )
    x = percent("Across, %")
    y = percent("Down, %")
    width = percent("Wide, %")
    height = percent("High, %")
    at_seconds = forms.FloatField(
        label="Second of the video",
        required=False,
        min_value=0,
        error_messages={"min_value": "A video begins at 0.", "invalid": NUMBER},
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )

    def clean(self):
        data = super().clean()
        places = {name: data.get(name) for name in ("x", "y", "width", "height")}
        shares = {name: None if value is None else value / 100 for name, value in places.items()}
        data["pin"] = Pin(**shares, at_seconds=data.get("at_seconds"))
        found = flaw(data["pin"]) if not self.errors.keys() & Pin._fields else None
        if found:
            self.add_error(*found)
        return data

    @property
    def pin_errors(self) -> list:
        return [self[name] for name in Pin._fields if self[name].errors]

    @property
    def pin_fields(self) -> list:
        return [self[name] for name in Pin._fields if name != "at_seconds"]
