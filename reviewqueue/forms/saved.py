"""Shapes of the forms of saved views."""

from django import forms

from reviewqueue.services.views import NAME_AT_MOST


class ViewForm(forms.Form):
    name = forms.CharField(max_length=NAME_AT_MOST, required=False)
    shared = forms.BooleanField(required=False)
    query = forms.CharField(max_length=4000, required=False)

    def values(self) -> dict:
        """What was sent; nonsense counts as not given."""
        self.is_valid()
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}
