"""Shapes of the settings; what they mean is the services' to check."""

import re
from datetime import datetime

from django import forms
from django.contrib.auth import password_validation
from django.utils import timezone

from reviewqueue.forms.fields import AsShown, PriceField, ZoneField, price_text
from reviewqueue.models import User
from reviewqueue.services.preferences import HOLD_SECONDS, REASONS_AT_MOST

LAST_YEAR = 2999  # beyond the last one there is no midnight in every time zone
KEY = re.compile(r"rm_[\x21-\x7e]{5,197}")


def hold_choices() -> list[tuple[str, str]]:
    return [
        (str(seconds or "hold"), f"{seconds} s" if seconds else "Until I send") for seconds in HOLD_SECONDS
    ]


class ProfileForm(forms.Form):
    name = forms.CharField(max_length=80, label="Name", error_messages={"required": "Write your name."})
    hold = forms.TypedChoiceField(
        choices=hold_choices,
        coerce=lambda value: None if value == "hold" else int(value),
        label="Hold time",
    )
    theme = forms.ChoiceField(choices=User.Theme.choices, label="Theme")
    time_zone = ZoneField()
    single_keys = forms.BooleanField(required=False, label="Single-key shortcuts")
    blurs_media = forms.BooleanField(required=False, label="Blur pictures and videos")
    greys_media = forms.BooleanField(required=False, label="Pictures and videos in grey")

    @classmethod
    def of(cls, user: User) -> "ProfileForm":
        return cls(
            initial={
                "name": user.name,
                "hold": str(user.hold_seconds or "hold"),
                "theme": user.theme,
                "time_zone": user.time_zone,
                "single_keys": user.single_keys,
                "blurs_media": user.blurs_media,
                "greys_media": user.greys_media,
            }
        )

    def values(self) -> dict:
        data = dict(self.cleaned_data)
        return {"hold_seconds": data.pop("hold"), **data}


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(word, word) for word in ("light", "dark", "toggle")])


class SwitchField(forms.TypedChoiceField):
    """On or off as a button says it; None if it says nothing."""

    def __init__(self, **options):
        coerce = {"1": True, "0": False}.get
        super().__init__(choices=[("1", "on"), ("0", "off")], coerce=coerce, empty_value=None, **options)


class KeyboardForm(forms.Form):
    keys = SwitchField()


class LookingForm(forms.Form):
    """How pictures are shown: each button sends its own."""

    blur = SwitchField(required=False)
    grey = SwitchField(required=False)


class WorkspaceForm(AsShown):
    name = forms.CharField(max_length=80, label="Name", error_messages={"required": "Write a name."})
    time_zone = ZoneField(help_text="Of the day that “Decided today” counts.")
    approvers = forms.TypedChoiceField(
        choices=[(1, "One person approves"), (2, "Two different people approve")], coerce=int
    )
    own_work_allowed = forms.BooleanField(required=False)

    @classmethod
    def of(cls, workspace) -> "WorkspaceForm":
        return cls.showing({name: getattr(workspace, name) for name in OF_WORKSPACE})

    def values(self, workspace) -> dict:
        """What set_workspace takes: as it stands, but for what was changed."""
        return {name: getattr(workspace, name) for name in OF_WORKSPACE} | self.changed(OF_WORKSPACE)


OF_WORKSPACE = ("name", "time_zone", "approvers", "own_work_allowed")


class ReasonsForm(forms.Form):
    """The list as it stands, each line with its number; an empty line is left out, numbers give the order."""

    LINES = REASONS_AT_MOST

    def __init__(self, data=None, *, reasons=()):
        super().__init__(data)
        texts = [reason.text for reason in reasons][: self.LINES]
        for place in range(self.LINES):
            text = texts[place] if place < len(texts) else ""
            self.fields[f"text-{place}"] = forms.CharField(max_length=80, required=False, initial=text)
            self.fields[f"place-{place}"] = forms.IntegerField(
                min_value=1, max_value=99, required=False, initial=place + 1
            )

    def lines(self) -> list[tuple]:
        return [(self[f"place-{place}"], self[f"text-{place}"]) for place in range(self.LINES)]

    def texts(self) -> list[str]:
        found = []
        for place in range(self.LINES):
            text = " ".join(self.cleaned_data[f"text-{place}"].split())
            if text and text not in [other for _, _, other in found]:
                found.append((self.cleaned_data[f"place-{place}"] or 99, place, text))
        return [text for _, _, text in sorted(found)]


class PricesForm(forms.Form):
    image_mills = PriceField(label="One image")
    video_second_mills = PriceField(label="A second of video")
    voice_second_mills = PriceField(label="A second of voice conversion")
    sync_creator_mills = PriceField(label="Syncing one account")
    discount_percent = forms.IntegerField(min_value=0, max_value=90, label="Discount mode takes off")
    starts_on = forms.DateField(
        label="In force from",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": "Write a date such as 2027-01-31."},
    )

    @classmethod
    def of(cls, prices) -> "PricesForm":
        """`prices`: money.Prices."""
        mills = (name for name in cls.base_fields if name.endswith("_mills"))
        initial = {name: price_text(getattr(prices, name)) for name in mills}
        today = timezone.localdate().isoformat()
        return cls(initial=initial | {"discount_percent": prices.discount_percent, "starts_on": today})

    def clean_starts_on(self):
        day = self.cleaned_data["starts_on"]
        if day < timezone.localdate():
            raise forms.ValidationError("A price list begins today or later; older ones stay as they were.")
        if day.year > LAST_YEAR:
            raise forms.ValidationError(f"Write a year up to {LAST_YEAR}.")
        return day

    def values(self) -> dict:
        """What set_prices takes: from this moment, or from the beginning of a later day."""
        data = dict(self.cleaned_data)
        day = data.pop("starts_on")
        is_today = day == timezone.localdate()
        midnight = datetime.combine(day, datetime.min.time(), timezone.get_current_timezone())
        return {"starts_at": None if is_today else midnight, **data}


class KeyForm(forms.Form):
    secret = forms.CharField(
        max_length=200, label="API key", error_messages={"required": "Paste the key."}, strip=True
    )

    def clean_secret(self):
        secret = self.cleaned_data["secret"]
        if not KEY.fullmatch(secret):
            raise forms.ValidationError(
                "A ReelMirror key begins with rm_ and has no spaces. Copy it again, whole."
            )
        return secret


class NewWorkspaceForm(KeyForm):
    """In the sandbox a key opens a workspace of its own."""

    workspace = forms.CharField(
        max_length=80, label="Name of the workspace", error_messages={"required": "Write a name."}
    )


class FirstPersonForm(NewWorkspaceForm):
    """… and one of the sandbox's cast says who they really are."""

    name = forms.CharField(max_length=80, label="Your name", error_messages={"required": "Write your name."})
    email = forms.EmailField(
        max_length=254, label="Email", error_messages={"required": "Write your email address."}
    )
    password = forms.CharField(
        max_length=200, label="Password", strip=False, error_messages={"required": "Choose a password."}
    )

    def clean_email(self):
        email = self.cleaned_data["email"].lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError("There is an account with this address. Sign in with it instead.")
        return email

    def clean(self):
        data = super().clean()
        if data.get("password"):
            person = User(email=data.get("email", ""), name=data.get("name", ""))
            try:
                password_validation.validate_password(data["password"], person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data

    def person(self) -> dict:
        return {name: self.cleaned_data[name] for name in ("name", "email", "password")}
