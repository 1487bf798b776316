import pytest

from reviewqueue.rules import roles


def test_each_role_holds_what_the_humbler_one_holds():
    for humbler, higher in zip(roles.ROLES, roles.ROLES[1:], strict=False):
        assert roles.GRANTS[humbler] < roles.GRANTS[higher]


@pytest.mark.parametrize(
    ("grant", "role"),
    [
        ("look", "viewer"),
        ("review.approve", "reviewer"),
        ("item.visibility", "reviewer"),
        ("generate", "editor"),
        ("post.delete", "editor"),
        ("billing.change", "admin"),
        ("automation.change", "admin"),
    ],
)
def test_the_humblest_role_that_may(grant, role):
    assert roles.least_role(grant) == role
    assert roles.may(role, grant)
    for humbler in roles.ROLES[: roles.ROLES.index(role)]:
        assert not roles.may(humbler, grant)


def test_an_unknown_grant_is_our_mistake_and_an_unknown_role_may_nothing():
    with pytest.raises(KeyError):
        roles.may("admin", "review.aprove")
    assert not roles.may("guest", "look")
