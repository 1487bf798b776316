"""Saved views: whose they are, who sees them, and what is recorded."""

import pytest

from reviewqueue.models import Event, SavedView
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import views


def save(member, name="Old videos", query="?type=video&age=day", *, is_shared=False):
    return views.save(name, query, is_shared=is_shared, by=member)


def told(workspace) -> list[str]:
    return list(workspace.events.order_by("at", "id").values_list("name", flat=True))


def test_ones_own_views_are_ones_own_and_leave_no_record(ana, ben, workspace):
    view = save(ana)
    assert views.of(ana) == [view]
    assert views.of(ben) == []
    assert told(workspace) == []


def test_a_shared_view_is_everybodys_here_and_nobodys_elsewhere(ana, ben, vera, otto, workspace):
    view = save(ben, is_shared=True)
    assert views.of(ana) == views.of(vera) == [view]
    assert views.of(otto) == []
    assert [event.sentence for event in Event.objects.all()] == ["Shared the view “Old videos”"]


def test_saving_under_the_same_name_shows_the_new_filters(ana, workspace):
    first = save(ana, is_shared=True)
    again = save(ana, "  Old   videos ", "?age=days", is_shared=True)
    assert again.pk == first.pk
    assert SavedView.objects.get().query == "?age=days"
    assert told(workspace) == ["view.shared", "view.changed"]
    save(ana, is_shared=False)
    assert told(workspace)[-1] == "view.removed"


def test_the_same_name_is_free_for_another(ana, ben):
    save(ana, is_shared=True)
    save(ben, is_shared=True)
    assert len(views.of(ana)) == 2


def test_a_view_is_renamed_by_whoever_saved_it_and_to_a_free_name(ana, ben):
    view, other = save(ben, is_shared=True), save(ben, "Oldest")
    views.change(view, name="Videos", is_shared=False, by=ben)
    assert SavedView.objects.get(pk=view.pk).name == "Videos"
    assert views.of(ana) == []
    with pytest.raises(NotAllowed, match="“Oldest” already"):
        views.change(view, name="Oldest", is_shared=False, by=ben)
    with pytest.raises(NotAllowed, match="Only who saved it"):
        views.change(other, name="Mine", is_shared=False, by=ana)


def test_an_admin_deletes_what_others_share_and_nobody_else_does(ana, ben, edda, workspace):
    shared, own = save(ben, is_shared=True), save(ben, "Mine")
    with pytest.raises(NotAllowed, match="or an admin"):
        views.remove(shared, by=edda)
    with pytest.raises(NotAllowed, match="or an admin"):
        views.remove(own, by=ana)
    views.remove(shared, by=ana)
    views.remove(own, by=ben)
    assert not SavedView.objects.exists()
    assert told(workspace) == ["view.shared", "view.removed"]


def test_what_cannot_be_kept_is_refused(ana):
    for name, query in (("  ", "?age=day"), ("Long", "?q=" + "x" * 500)):
        with pytest.raises(NotAllowed):
            save(ana, name, query)
    for number in range(views.OWN_AT_MOST):
        save(ana, f"View {number}")
    with pytest.raises(NotAllowed, match="Delete one first"):
        save(ana, "One more")
    save(ana, "View 3", "?age=days")  # an old one may change
