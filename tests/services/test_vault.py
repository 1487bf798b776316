"""Secrets at rest: sealed, opened, sealed anew, and said to be unreadable."""

import pytest
from cryptography.fernet import Fernet

from reviewqueue import gateway, vault
from reviewqueue.models import Operation
from reviewqueue.services import operations
from tests import factories

SECRET = "rm_4f9a1c7e2b8d6035a1e9c4b7d2f68301"


@pytest.fixture
def keys(settings):
    """`keys(new, old)` are the encryption keys from now on, newest first."""
    made = {}

    def use(*names):
        settings.ENCRYPTION_KEYS = [made.setdefault(name, Fernet.generate_key().decode()) for name in names]

    use("old")
    return use


def test_what_is_sealed_opens_again_and_does_not_show_itself(keys):
    sealed = vault.seal(SECRET)
    assert SECRET not in sealed
    assert vault.open_sealed(sealed) == SECRET
    assert vault.seal(SECRET) != sealed


def test_an_older_key_still_opens_and_sealing_anew_lets_it_go(keys):
    sealed = vault.seal(SECRET)
    keys("new", "old")
    assert vault.open_sealed(sealed) == SECRET
    again = vault.resealed(sealed)
    keys("new")
    assert vault.open_sealed(again) == SECRET
    with pytest.raises(vault.Unreadable, match="Enter it again under Settings"):
        vault.open_sealed(sealed)
    with pytest.raises(vault.Unreadable):
        vault.resealed(sealed)


def test_nonsense_is_unreadable(keys):
    for nonsense in ("", "x", vault.seal(SECRET)[:-3]):
        with pytest.raises(vault.Unreadable):
            vault.open_sealed(nonsense)


def test_a_fingerprint_names_a_key_and_gives_nothing_away():
    assert vault.fingerprint(SECRET) == vault.fingerprint(SECRET) != vault.fingerprint(SECRET + "1")
    assert SECRET[3:] not in vault.fingerprint(SECRET)


def test_a_key_that_cannot_be_decrypted_is_as_good_as_none(keys, workspace):
    key = workspace.keys.get()
    key.secret = vault.seal(SECRET)
    keys("another")
    with pytest.raises(gateway.NoKey, match="cannot be decrypted"):
        gateway.client_for(key)


def test_what_is_to_be_sent_waits_for_a_readable_key_and_says_so(keys, ana, post):
    workspace = ana.workspace
    workspace.keys.update(secret=vault.seal(SECRET))
    keys("another")
    operation = factories.make_operation(post, by=ana)
    assert operations.send(operation.pk)
    operation = Operation.objects.get(pk=operation.pk)
    assert (operation.state, operation.blocked_by) == ("blocked", "key")
    assert "Enter it again under Settings" in operation.reason
