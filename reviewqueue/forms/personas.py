"""Shapes of what is asked about personas; what it means is the services' to check."""

from django import forms

from reviewqueue.forms.fields import AsShown
from reviewqueue.forms.review import Pressed
from reviewqueue.models import ConnectedAccount, Persona, Source
from reviewqueue.services.personas import MODES

STYLE_ROWS = 6


class Text(forms.CharField):
    """Lines end as everywhere here, however the browser ended them."""

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")


def style_field(**attrs) -> forms.CharField:
    return Text(
        label="Voice of the captions",
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": STYLE_ROWS, **attrs}),
        help_text="How the captions sound: person, length, mood, what is never said, how many hashtags.",
        error_messages={"max_length": "At most 4,000 characters; this has %(show_value)s."},
    )


def name_field(**attrs) -> forms.CharField:
    return forms.CharField(
        label="Name",
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off", **attrs}),
        error_messages={
            "required": "Write a name.",
            "max_length": "At most 80 characters; this has %(show_value)s.",
        },
    )


class PersonaForm(Pressed):
    """A new persona."""

    name = name_field(autofocus=True)
    writing_style = style_field()


class StyleForm(Pressed):
    writing_style = style_field(autofocus=True)


class SettingsForm(AsShown, Pressed):
    """Everything of a persona that can be changed here, and which of it was."""

    name = name_field()
    writing_style = style_field()
    discount_mode = forms.BooleanField(required=False)

    @classmethod
    def of(cls, persona: Persona) -> "SettingsForm":
        return cls.showing({name: getattr(persona, name) for name in FIELDS})

    def moved(self, persona: Persona) -> dict:
        changed = self.changed(FIELDS).items()
        return {name: value for name, value in changed if value != getattr(persona, name)}


FIELDS = ("name", "writing_style", "discount_mode")


class DiscountForm(Pressed):
    on = forms.TypedChoiceField(choices=[("1", "1"), ("0", "0")], coerce=lambda value: value == "1")


class SourceForm(Pressed):
    """An account to follow. Publishing without review is set afterwards, as it is asked about."""

    handle = forms.CharField(
        label="Instagram account",
        max_length=60,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
        help_text="Its name, with or without the @.",
        error_messages={
            "required": "Write the name of the account.",
            "max_length": "That is too long for the name of an account.",
        },
    )
    mode = forms.ChoiceField(
        label="When new posts arrive",
        choices=[(mode, MODES[mode]) for mode in ("sync_only", "auto_clone")],
        required=False,
        help_text="Generating is charged for every new post.",
        widget=forms.Select,
    )


class AutomationForm(Pressed):
    """The select of one row: each row's has a name of its own, as all are in the page's one form."""

    mode = forms.ChoiceField(choices=list(MODES.items()), error_messages={"required": "Choose a mode."})
    confirmed = forms.BooleanField(required=False)

    def __init__(self, data, source: Source):
        given = {name: data.get(name) for name in ("token", "confirmed")}
        super().__init__(given | {"mode": data.get("mode") or data.get(f"mode-{source.pk}")})


class AccountField(forms.ModelChoiceField):
    def to_python(self, value):
        """Whatever is no id at all is not of the list either."""
        try:
            return super().to_python(value)
        except forms.ValidationError:
            raise forms.ValidationError(self.error_messages["invalid_choice"]) from None


class TargetForm(Pressed):
    account = AccountField(
        queryset=ConnectedAccount.objects.none(),
        empty_label=None,
        error_messages={"required": "Choose an account.", "invalid_choice": "Choose one of the list."},
    )

    def __init__(self, accounts, data=None):
        super().__init__(data)
        self.fields["account"].queryset = accounts
