"""Form fields in the look of the design."""

from django import forms, template

register = template.Library()

CLASSES = {forms.Select: "select", forms.Textarea: "textarea", forms.CheckboxInput: "check"}


@register.filter
def control(field) -> str:
    """The field's control with its class; the rest (id, errors, hint) Django ties to it."""
    widget = field.field.widget
    css = next((name for kind, name in CLASSES.items() if isinstance(widget, kind)), "input")
    return field.as_widget(attrs={"class": css})
