"""The way from the sandbox to a real key: entering it, trying it, what it lacks, and leaving the sandbox."""

import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from reviewqueue import gateway, vault
from reviewqueue.clock import now
from reviewqueue.models import Event, MediaFile, Operation, UpstreamKey, User, Workspace
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import polling, setup
from reviewqueue.services.access import NotPermitted
from reviewqueue.upstream import errors
from tests import factories, scripted
from tests.world import nothing_written

SECRET = "rm_4f9a1c7e2b8d6035a1e9c4b7d2f68301"


@pytest.fixture
def sandbox(db):
    return factories.make_workspace("Sandbox", is_sandbox=True)


@pytest.fixture
def ruth(sandbox):
    """A real person among the sandbox's cast."""
    return factories.make_member(sandbox, "Ruth Real", "admin")


def cast(sandbox):
    members = [factories.make_member(sandbox, name, role, is_sample=True) for name, role in setup.CAST]
    return members[0]


# ---- trying it -----------------------------------------------------------------------------------------


def api_key(prefix="rm_test", **facts) -> dict:
    return {"id": "key-1", "name": "Loupe", "key_prefix": prefix, "scopes": ["content:read"], **facts}


def unchecked(service) -> UpstreamKey:
    workspace = scripted.workspace_of(service)
    UpstreamKey.objects.update(state="unchecked")
    return workspace.keys.get()


def test_a_key_is_tried_with_one_read_that_tells_its_scopes(service):
    key = unchecked(service)
    service.says["/v1/api-keys"] = [api_key("rm_else"), api_key(scripted.KEY[:12])]
    version = key.workspace.scopes.get(key="desk").version
    setup.try_key(key)
    key.refresh_from_db()
    assert (key.state, key.scopes, key.trouble) == ("working", ["content:read"], "")
    assert key.checked_at
    assert service.asked == ["/v1/api-keys"]
    assert key.workspace.scopes.get(key="desk").version > version
    missing = set(setup.SCOPES) - set(key.scopes)
    assert all(setup.WITHOUT[scope] for scope in missing)  # what each costs, in words


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [api_key("rm_else")],
        [api_key(""), api_key("rm_else")],
        [api_key("rm_test_"), api_key("rm_test")],  # which of them is ours?
    ],
)
def test_scopes_that_cannot_be_told_for_sure_are_unknown_and_the_key_works(service, keys):
    key = unchecked(service)
    UpstreamKey.objects.update(scopes=["content:read"])
    service.says["/v1/api-keys"] = keys
    setup.try_key(key)
    key.refresh_from_db()
    assert (key.state, key.scopes) == ("working", None)


def test_a_key_that_may_not_list_keys_works_all_the_same(service):
    key = unchecked(service)
    service.says["/v1/api-keys"] = scripted.problem(403)
    setup.try_key(key)
    key.refresh_from_db()
    assert (key.state, key.scopes) == ("working", None)


@pytest.mark.parametrize(
    ("answer", "error", "state"),
    [
        (scripted.problem(401), errors.KeyRejected, "rejected"),
        (scripted.problem(503), errors.GatewayFailure, "unchecked"),
        ((429, {"Retry-After": "9"}, b"{}"), errors.Throttled, "unchecked"),
        (TimeoutError(), errors.DeadlinePassed, "unchecked"),
        ((200, {}, b"<html>"), errors.Unreadable, "unchecked"),
    ],
)
def test_what_came_of_trying_is_said(service, answer, error, state):
    key = unchecked(service)
    service.instead = answer
    with pytest.raises(error):
        setup.try_key(key)
    key.refresh_from_db()
    assert key.state == state
    assert key.trouble
    assert key.checked_at
    assert scripted.KEY not in key.trouble


def test_a_key_that_is_refused_its_own_list_is_rejected_only_if_the_balance_says_so_too(service):
    key = unchecked(service)
    service.says["/v1/api-keys"] = scripted.problem(401)
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    setup.try_key(key)
    key.refresh_from_db()
    assert (key.state, key.scopes, key.trouble) == ("working", None, "")
    assert service.asked == ["/v1/api-keys", "/v1/billing/balance"]
    assert not Event.objects.filter(name="key.rejected").exists()


@pytest.mark.parametrize("facts", [{"state": "rejected"}, {"opened_at": now() - timedelta(seconds=31)}])
@pytest.mark.parametrize("answer", [{"balance_cents": 777}, scripted.problem(403)], ids=["200", "403"])
def test_whether_it_is_put_right_is_asked_with_one_read_of_the_balance(service, facts, answer):
    key = unchecked(service)
    UpstreamKey.objects.update(**{"state": "working", "scopes": ["content:read"], **facts})
    key.refresh_from_db()
    service.says["/v1/billing/balance"] = answer
    setup.try_key(key)
    key.refresh_from_db()
    assert (key.state, key.opened_at, key.scopes) == ("working", None, ["content:read"])
    assert service.asked == ["/v1/billing/balance"]


@pytest.mark.parametrize("facts", [{"state": "rejected"}, {"opened_at": now() - timedelta(seconds=31)}])
def test_that_read_is_never_tried_again(service, facts):
    key = unchecked(service)
    UpstreamKey.objects.update(**{"state": "working", "scopes": ["content:read"], **facts})
    key.refresh_from_db()
    service.instead = (502, {}, b"")
    with pytest.raises(errors.GatewayFailure):
        setup.try_key(key)
    assert service.asked == ["/v1/billing/balance"]


def test_a_key_whose_scopes_were_never_told_tells_them_once_it_works(service):
    key = unchecked(service)
    UpstreamKey.objects.update(state="rejected")
    service.says["/v1/billing/balance"] = {"balance_cents": 777}
    service.says["/v1/api-keys"] = [api_key()]
    for _ in range(2):
        scripted.look(key.workspace, "key")
    key.refresh_from_db()
    assert (key.state, key.scopes) == ("working", ["content:read"])
    assert service.asked == ["/v1/billing/balance", "/v1/api-keys"]
    assert not key.workspace.watches.filter(kind="key").exists()


def test_a_working_key_lets_go_what_waited_for_one(service):
    key = unchecked(service)
    post = factories.make_post(factories.make_persona(key.workspace))
    facts = {"state": "blocked", "by": factories.make_member(key.workspace)}
    waits = factories.make_operation(post, blocked_by="key", **facts)
    other = factories.make_operation(
        factories.make_post(post.persona), blocked_by="balance", kind="reject", **facts
    )
    setup.try_key(key)
    waits.refresh_from_db()
    other.refresh_from_db()
    assert (waits.state, other.state) == ("queued", "blocked")


# ---- entering it ---------------------------------------------------------------------------------------


def test_from_the_sandbox_a_key_opens_a_workspace_of_ones_own(ruth, sandbox):
    user = setup.open_workspace(f"  {SECRET}\n", by=ruth, name="Northlight")
    assert user == ruth.user
    workspace = Workspace.objects.get(name="Northlight")
    user.refresh_from_db()
    assert (user.current, workspace.is_sandbox, workspace.speed) == (workspace, False, 1.0)
    assert workspace.members.get().role == "admin"
    key = workspace.keys.get()
    assert (key.state, key.last_four) == ("unchecked", SECRET[-4:])
    assert SECRET not in json.dumps(list(UpstreamKey.objects.values()), default=str)
    assert vault.open_sealed(key.secret) == SECRET
    kinds = set(workspace.watches.values_list("kind", flat=True))
    assert kinds == {"key", "catalogue", "balance", "transactions"}
    assert workspace.reasons.count() == len(setup.REASONS)
    assert Event.objects.get(name="key.added").sentence == f"Added the API key ending in {SECRET[-4:]}"
    assert sandbox.keys.exists()  # the sandbox stays beside it
    assert setup.left(workspace) == setup.KEY


def test_one_of_the_cast_says_first_who_it_really_is(sandbox):
    ana = cast(sandbox)
    person = {"name": "Ruth Real", "email": "ruth@example.com", "password": "correct horse battery"}
    user = setup.open_workspace(SECRET, by=ana, name="Northlight", person=person)
    assert (user.name, user.is_sample, user.check_password(person["password"])) == ("Ruth Real", False, True)
    assert {place.workspace.name: place.role for place in user.places.all()} == {
        "Sandbox": "admin",
        "Northlight": "admin",
    }


@pytest.mark.parametrize(
    "secret", ["", "rm_", "sk_live_1234567890", "rm_has spaces in it", "rm_ümlaut_12345", "rm_" + "x" * 300]
)
def test_what_is_no_key_is_refused_before_anything_is_made(ruth, secret):
    with pytest.raises(NotAllowed, match="A ReelMirror key begins with rm_"):
        setup.open_workspace(secret, by=ruth, name="Northlight")
    assert Workspace.objects.count() == 1


def test_another_key_takes_the_place_of_the_old_one_and_frees_what_waited(ana, post):
    workspace = ana.workspace
    UpstreamKey.objects.update(state="rejected", failures=7, trouble="It said 401", scopes=["content:read"])
    waits = factories.make_operation(post, by=ana, state="blocked", blocked_by="key")
    setup.enter_key(ana.user, SECRET, workspace=workspace)
    key = workspace.keys.get()
    assert (key.state, key.failures, key.trouble, key.scopes) == ("unchecked", 0, "", None)
    assert key.fingerprint == vault.fingerprint(SECRET)
    waits.refresh_from_db()
    assert waits.state == "queued"


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor"])
def test_keys_are_the_admins(workspace, sandbox, role):
    member = factories.make_member(workspace, "Vera Stone", role)
    commands = (
        lambda: setup.open_workspace(SECRET, by=member, name="Mine"),
        lambda: setup.enter_key(member.user, SECRET, workspace=workspace),
        lambda: setup.remove_key(workspace, by=member),
        lambda: setup.remove_sandbox(sandbox, by=member),
    )
    before = list(UpstreamKey.objects.order_by("pk").values())
    for command in commands:
        with nothing_written(workspace), pytest.raises(NotPermitted, match="It takes admin"):
            command()
    assert list(UpstreamKey.objects.order_by("pk").values()) == before


def test_nobody_enters_a_key_for_a_workspace_they_are_not_in(ana, otto):
    from reviewqueue.models import Member

    with pytest.raises(Member.DoesNotExist):
        setup.enter_key(otto.user, SECRET, workspace=ana.workspace)


def test_a_key_is_removed_and_the_mirror_stays(ana, post):
    workspace = ana.workspace
    version = workspace.scopes.get(key="desk").version
    setup.remove_key(workspace, by=ana)
    assert not workspace.keys.exists()
    assert workspace.posts.get() == post
    assert workspace.scopes.get(key="desk").version > version
    assert workspace.events.get(name="key.removed").by == ana
    with pytest.raises(NotAllowed, match="There is no key"):
        setup.remove_key(workspace, by=ana)


def test_the_sandboxs_own_key_is_not_removed(ruth, sandbox):
    with pytest.raises(NotAllowed):
        setup.remove_key(sandbox, by=ruth)
    assert sandbox.keys.exists()


# ---- leaving the sandbox ---------------------------------------------------------------------------------


def test_the_sandbox_goes_with_its_rows_people_and_files(ruth, sandbox):
    ana = cast(sandbox)
    post = factories.make_post(factories.make_persona(sandbox))
    factories.make_operation(post, by=ana)
    file = MediaFile.objects.get()
    default_storage.save(file.stored_as("thumb"), ContentFile(b"x"))
    setup.open_workspace(SECRET, by=ruth, name="Northlight")
    setup.remove_sandbox(sandbox, by=ruth)
    assert [workspace.name for workspace in Workspace.objects.all()] == ["Northlight"]
    assert [user.name for user in User.objects.all()] == ["Ruth Real"]
    assert User.objects.get().current.name == "Northlight"
    assert not Operation.objects.exists()
    assert not default_storage.exists(file.stored_as("thumb"))
    assert Event.objects.get(name="workspace.removed").sentence == "Removed the workspace Sandbox"


def test_one_of_the_cast_who_works_elsewhere_too_stays(ruth, sandbox, workspace):
    ana = cast(sandbox)
    workspace.members.create(user=ana.user, role="viewer")
    setup.open_workspace(SECRET, by=ruth, name="Northlight")
    setup.remove_sandbox(sandbox, by=ruth)
    assert User.objects.filter(pk=ana.user_id).exists()
    assert not User.objects.filter(is_sample=True).exclude(pk=ana.user_id).exists()


def test_the_only_place_there_is_is_not_removed(ruth, sandbox):
    with pytest.raises(NotAllowed, match="Enter an API key first"):
        setup.remove_sandbox(sandbox, by=ruth)
    assert Workspace.objects.get() == sandbox


def test_only_the_sandbox_can_be_removed(ana):
    with pytest.raises(NotAllowed, match="Only the sandbox"):
        setup.remove_sandbox(ana.workspace, by=ana)


# ---- what is left to do, and the first start -------------------------------------------------------------


def test_what_a_new_workspace_lacks_is_named_in_order(db):
    workspace = factories.make_workspace(key=False)
    assert setup.left(workspace) == "key"
    factories.make_key(workspace, state="unchecked")
    assert setup.left(workspace) == "key"
    UpstreamKey.objects.update(state="working")
    assert setup.left(workspace) == "persona"
    persona = factories.make_persona(workspace)
    assert setup.left(workspace) == "source"
    factories.make_source(persona)
    assert setup.left(workspace) == ""
    assert setup.left(factories.make_workspace("Sandbox", key=False, is_sandbox=True)) == ""


def test_the_environments_key_makes_a_workspace_once(settings, sandbox):
    assert setup.from_environment() is None
    settings.REELMIRROR_KEY = SECRET
    workspace = setup.from_environment()
    assert (workspace.name, workspace.is_sandbox) == ("My workspace", False)
    assert setup.from_environment() == workspace
    assert Workspace.objects.filter(is_sandbox=False).count() == 1
    key = workspace.keys.get()
    assert vault.open_sealed(key.secret) == SECRET
    key.state = "working"
    key.save()
    setup.from_environment()  # the next start
    key.refresh_from_db()
    assert key.state == "working"  # the same key is not doubted again

    settings.REELMIRROR_KEY = SECRET.replace("4f", "5e")
    setup.from_environment()
    key.refresh_from_db()
    assert (key.state, vault.open_sealed(key.secret)) == ("unchecked", settings.REELMIRROR_KEY)


def test_a_key_of_the_environment_that_cannot_be_sent_is_as_good_as_none(settings, db):
    """A line break was copied with it: it is said, and nothing that polls falls over it."""
    settings.REELMIRROR_KEY = f"{SECRET}\nand more"
    workspace = setup.from_environment()
    with pytest.raises(gateway.NoKey, match="cannot stand in a header"):
        gateway.client_for(workspace.keys.get())
    watch = workspace.watches.get(kind="balance")
    assert polling.look(watch.pk)
    watch.refresh_from_db()
    assert watch.trouble == "no key"


def test_the_environments_key_goes_to_the_first_real_workspace(settings, workspace, sandbox):
    settings.REELMIRROR_KEY = SECRET
    factories.make_workspace("Later", key=False)
    assert setup.from_environment() == workspace
    assert workspace.keys.get().last_four == SECRET[-4:]


def test_a_workspace_without_a_person_gets_one_who_can_sign_in(db):
    workspace = setup.make_workspace("My workspace")
    owner = setup.first_admin(workspace)
    assert setup.first_admin(workspace) == owner
    assert (owner.name, owner.has_usable_password(), owner.current) == ("Owner", False, workspace)
    assert workspace.members.get(user=owner).role == "admin"


def test_the_first_page_greets_whoever_has_no_password_yet(sandbox):
    ana = cast(sandbox)
    assert setup.somebody_to_greet() == ana.user
    workspace = factories.make_workspace("Northlight", key=False)
    ruth = factories.make_member(workspace, "Ruth Real")
    assert setup.somebody_to_greet() == ana.user  # Ruth has a password
    assert setup.somebody_to_greet(anyone=True) == ruth.user
    ruth.user.set_unusable_password()
    ruth.user.save()
    assert setup.somebody_to_greet() == ruth.user


def test_nobody_to_greet(ana):
    assert setup.somebody_to_greet() is None
    assert setup.somebody_to_greet(anyone=True) == ana.user


def test_another_link_leads_to_where_the_program_listens(ana, capsys, settings):
    call_command("sign_in_link", ana.user.email)
    call_command("sign_in_link", ana.user.email, "--bind", "127.0.0.1:8123")
    usual, elsewhere = capsys.readouterr().out.split()
    assert usual.startswith(f"{settings.PUBLIC_URL}/enter/")
    assert elsewhere.startswith("http://127.0.0.1:8123/enter/")
