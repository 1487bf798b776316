"""The release before goes on running while a migration is made, and for as long as the deploy takes."""

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from reviewqueue.rules.states import OPERATION

APP = "reviewqueue"
# What the first release consists of: nothing ran before it.
FIRST = ("0001_initial", "0002_unknown_looks", "0003_instance_and_outcomes", "0004_review_desk")
TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


@pytest.fixture(scope="module")
def loader():
    return MigrationLoader(None)


def ours(loader) -> list[tuple[str, migrations.Migration]]:
    return sorted((name, one) for (app, name), one in loader.disk_migrations.items() if app == APP)


def narrows(operation, before: ProjectState) -> str:
    """What the release before cannot live with; "" if it can."""
    if isinstance(operation, TAKES_AWAY):
        return "takes away what the release before asks for"
    if isinstance(operation, migrations.AddField):
        field = operation.field
        has_value = field.null or field.has_db_default() or field.many_to_many
        return "" if has_value else "is not filled by the release before: null or db_default"
    if isinstance(operation, migrations.AlterField):
        old = before.models[APP, operation.model_name.lower()].fields[operation.name]
        if old.null and not operation.field.null:
            return "may be empty in what the release before writes"
        if (operation.field.max_length or 10**9) < (old.max_length or 0):
            return "is too short for what the release before writes"
    return ""


def test_what_follows_the_first_release_only_widens(loader):
    """A column goes in the release after the one that stopped using it; then its migration is named here."""
    for name, migration in ours(loader):
        state = loader.project_state((APP, name), at_end=False)
        for operation in migration.operations:
            if name not in FIRST:
                assert not narrows(operation, state), f"{name}: {operation.describe()}"
            operation.state_forwards(APP, state)


def test_states_are_only_added(loader):
    known: set[str] = set()
    for name, _ in ours(loader):
        options = loader.project_state((APP, name)).models[APP, "operation"].options
        (check,) = [one for one in options["constraints"] if one.name == "known_operation_state"]
        states = set(dict(check.condition.children)["state__in"])
        assert known <= states, name
        known = states
    assert known == set(OPERATION.moves)


NARROWING = (
    migrations.RemoveField("operation", "looks"),
    migrations.RenameField("operation", "looks", "glances"),
    migrations.AddField("operation", "place", models.PositiveSmallIntegerField(default=0)),
    migrations.AlterField("operation", "look_at", models.DateTimeField()),
    migrations.AlterField("operation", "label", models.CharField(max_length=50)),
    migrations.DeleteModel("Attempt"),
)
WIDENING = (
    migrations.AddField("operation", "place", models.PositiveSmallIntegerField(default=0, db_default=0)),
    migrations.AddField("operation", "place", models.DateTimeField(null=True)),
    migrations.AlterField("operation", "label", models.CharField(max_length=400)),
)


@pytest.mark.parametrize("operation", NARROWING + WIDENING, ids=lambda one: one.describe())
def test_the_rule_tells_them_apart(loader, operation):
    state = loader.project_state((APP, FIRST[-1]))
    assert bool(narrows(operation, state)) == (operation in NARROWING)
