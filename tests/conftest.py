"""The cast: ana owns, edda edits, ben reviews, vera views, otto is of another workspace."""

import gc
import os

import pytest
from django.test import Client

from tests import factories
from tests.once import made_once, rendered

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
gc.set_threshold(100_000, 50, 50)  # thousands of short tests: looking for cycles less often saves a tenth


def pytest_addoption(parser):
    """For what is drawn by lot: the README says which tests."""
    parser.addoption("--size", choices=("small", "full"), default="small", help="how much is drawn by lot")
    parser.addoption("--seed", type=int, default=1, help="what the lots are drawn with")


def pytest_collection_modifyitems(items):
    """What mostly waits comes first, beside what works; at the end the other processes would wait with it."""
    items.sort(key=lambda item: item.path.name != "test_up.py")


@pytest.fixture
def is_full(request) -> bool:
    return request.config.getoption("size") == "full"


@pytest.fixture
def seed(request) -> int:
    return request.config.getoption("seed")


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture(autouse=True)
def _no_hints(request):
    """Tests call the services themselves; a hint to a worker would lie in the queue for nobody."""
    from reviewqueue import wake

    with wake.quietly():
        yield


@pytest.fixture(autouse=True)
def _own_retries():
    """Keys are alike in all tests; what one has tried again is not taken from the next."""
    from reviewqueue import gateway

    gateway.retries_under.cache_clear()


@pytest.fixture
def workspace(db):
    return factories.make_workspace()


@pytest.fixture
def ana(workspace):
    return factories.make_member(workspace, "Ana Ruiz", "admin")


@pytest.fixture
def edda(workspace):
    return factories.make_member(workspace, "Edda Holm", "editor")


@pytest.fixture
def ben(workspace):
    return factories.make_member(workspace, "Ben Adler", "reviewer")


@pytest.fixture
def vera(workspace):
    return factories.make_member(workspace, "Vera Stone", "viewer")


@pytest.fixture
def otto(db):
    return factories.make_member(factories.make_workspace("Elsewhere"), "Otto Brandt", "admin")


@pytest.fixture
def signed_in():
    """`signed_in(ana)` is a browser in which Ana has signed in."""

    def sign_in(member) -> Client:
        client = Client()
        client.force_login(member.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture
def persona(workspace):
    return factories.make_persona(workspace)


@pytest.fixture
def post(persona):
    """Ready to be decided, with its source."""
    source = factories.make_source(persona)
    origin = factories.make_source_post(persona.workspace, source)
    return factories.make_post(persona, items=2, source=origin)


@pytest.fixture
def service(db):
    """Stands where the sandbox would, and says what the test has written down."""
    from reviewqueue import gateway
    from tests.scripted import Scripted

    service = Scripted()
    gateway.bring(service)
    yield service
    gateway.bring(None)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A filled sandbox, made once; each test works on a copy."""
    from tests.world import prepare

    with made_once(tmp_path_factory, "prepared") as folder:
        key = folder / "key"
        if not key.exists():
            with rendered(tmp_path_factory) as drawn:
                key.write_text(prepare(folder, drawn))
    return folder, key.read_text()


@pytest.fixture
def world(db, prepared, tmp_path):
    from reviewqueue import gateway
    from tests.world import World

    yield World(prepared[0], tmp_path / "sandbox", prepared[1])
    gateway.bring(None)
