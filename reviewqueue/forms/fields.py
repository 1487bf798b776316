"""Fields that several forms share."""

import re
from functools import lru_cache
from zlib import crc32
from zoneinfo import available_timezones

from django import forms

from reviewqueue.rules.money import MILLS, dollars, parse_dollars

PRICE = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")


class AsShown(forms.Form):
    """A form of what there is. `shown` says what each field held when the page was made: whoever leaves one
    alone does not set it back to that, if it was changed since."""

    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def showing(cls, values: dict) -> "AsShown":
        marks = " ".join(f"{name}:{mark_of(value)}" for name, value in values.items())
        return cls(initial={**values, "shown": marks})

    def changed(self, names) -> dict:
        """The fields of these that somebody has changed."""
        left = set(self.cleaned_data["shown"].split())
        values = {name: self.cleaned_data[name] for name in names}
        return {name: value for name, value in values.items() if f"{name}:{mark_of(value)}" not in left}


def mark_of(value) -> str:
    """A short word for what a field holds, as it comes back if nobody touches it."""
    text = str(value).replace("\r\n", "\n").strip()
    return f"{crc32(text.encode('utf-8', 'replace')):08x}"


class DollarsField(forms.CharField):
    """An amount as people type it ("5", "$5.00"); its value is cents."""

    def __init__(self, *, least_cents: int = 0, most_cents: int = 1_000_000, **options):
        self.least_cents, self.most_cents = least_cents, most_cents
        super().__init__(max_length=20, **options)

    def clean(self, value):
        text = super().clean(value)
        if text in self.empty_values:
            return None
        try:
            cents = parse_dollars(text)
        except ValueError:
            raise forms.ValidationError("Write an amount in dollars, such as 5 or 5.00.") from None
        if not self.least_cents <= cents <= self.most_cents:
            span = f"{dollars(self.least_cents)} to {dollars(self.most_cents)}"
            raise forms.ValidationError(f"The service takes {span}.")
        return cents


class PriceField(forms.CharField):
    """A price in dollars, to a tenth of a cent ("0.005"); its value is mills."""

    def __init__(self, **options):
        super().__init__(max_length=12, **options)

    def clean(self, value):
        text = super().clean(value).strip().removeprefix("$")
        if not PRICE.fullmatch(text):
            raise forms.ValidationError("Write a price in dollars, such as 0.32 or 0.005.")
        whole, _, part = text.partition(".")
        return int(whole) * 100 * MILLS + int(part.ljust(3, "0"))


def price_text(mills: int) -> str:
    """The text that PriceField reads back: 320 → "0.32", 5 → "0.005"."""
    text = f"{mills // (100 * MILLS)}.{mills % (100 * MILLS):03d}"
    return text[:-1] if text.endswith("0") else text


@lru_cache(maxsize=1)
def zones() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in sorted(available_timezones())]


class ZoneField(forms.ChoiceField):
    def __init__(self, **options):
        super().__init__(choices=zones, label="Time zone", **options)
