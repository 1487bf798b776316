"""Signing in by a link that works once, the sandbox's cast, and the places of a person."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from reviewqueue.clock import now
from reviewqueue.models import SignInLink
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import accounts
from tests import factories
from tests.world import only_postgresql


def test_a_link_signs_its_person_in_once(ana):
    secret = accounts.make_link(ana.user)
    assert secret not in str(SignInLink.objects.values())
    assert accounts.use_link(secret) == ana.user
    with pytest.raises(NotAllowed, match="used already or is older than 30 minutes"):
        accounts.use_link(secret)


def test_a_link_lasts_half_an_hour(ana):
    secret = accounts.make_link(ana.user)
    SignInLink.objects.update(created_at=now() - timedelta(minutes=30, seconds=1))
    with pytest.raises(NotAllowed):
        accounts.use_link(secret)
    SignInLink.objects.update(created_at=now() - timedelta(minutes=29))
    assert accounts.use_link(secret) == ana.user


@pytest.mark.parametrize("secret", ["", "x", "\x00", "☃" * 40])
def test_what_was_never_a_link_opens_nothing(ana, secret):
    accounts.make_link(ana.user)
    with pytest.raises(NotAllowed):
        accounts.use_link(secret)


def test_whoever_was_deactivated_is_not_let_in(ana):
    secret = accounts.make_link(ana.user)
    ana.user.is_active = False
    ana.user.save()
    with pytest.raises(NotAllowed):
        accounts.use_link(secret)


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_let_in():
    ana = factories.make_member(factories.make_workspace())
    secret = accounts.make_link(ana.user)

    def use(_):
        try:
            return accounts.use_link(secret)
        except NotAllowed:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as hands:
        let_in = list(hands.map(use, range(8)))
    assert [user for user in let_in if user] == [ana.user]


def test_nobody_signs_up_by_themselves():
    assert not accounts.Adapter().is_open_for_signup(None)


def test_only_the_sandbox_has_a_cast(ana):
    assert accounts.cast_of(ana.workspace) == []
    sandbox = factories.make_workspace("Sandbox", key=False, is_sandbox=True)
    for name, role in (("Vera Stone", "viewer"), ("Mira Lind", "editor"), ("Ana Ruiz", "admin")):
        factories.make_member(sandbox, name, role, is_sample=True)
    factories.make_member(sandbox, "A Real Person", "admin")
    assert accounts.cast_of(sandbox)[0].user.name == "Ana Ruiz"
    assert "A Real Person" not in {member.user.name for member in accounts.cast_of(sandbox)}


def test_the_places_of_a_person_are_those_they_are_still_in(ana, otto):
    member = otto.workspace.members.create(user=ana.user, role="viewer")
    assert [place.workspace for place in accounts.places_of(ana.user_id)] == [otto.workspace, ana.workspace]
    member.is_active = False
    member.save()
    assert accounts.places_of(ana.user_id) == [ana]


def test_entering_a_workspace_is_kept(ana, otto):
    accounts.enter(ana.user, otto.workspace)
    ana.user.refresh_from_db()
    assert ana.user.current == otto.workspace
