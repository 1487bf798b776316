"""What moves while a page is being made is brought by its next poll."""

import re
from html import unescape

import pytest
from django.db import connection

from reviewqueue.services import scopes
from tests.factories import make_charge, make_post, make_source, make_source_post

OF_THE_PAGE = re.compile(r'FROM "reviewqueue_(generatedpost|sourcepost|charge|persona)"')


class Meanwhile:
    """Something of the workspace moves right after the page has first read what it shows."""

    def __init__(self, persona):
        self.persona, self.has_moved = persona, False

    def __call__(self, execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if not self.has_moved and OF_THE_PAGE.search(sql):
            self.has_moved = True
            scopes.bump(self.persona.workspace_id, self.persona.pk)
        return answer


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?tab=generating",
        "/library/",
        "/sources/",
        "/sources/{source}/",
        "/personas/{persona}/",
        "/billing/",
    ],
)
def test_what_moves_while_a_page_is_made_comes_with_its_next_poll(ana, persona, signed_in, path):
    make_post(persona)
    make_source(persona)
    source = make_source_post(persona.workspace)
    make_charge(persona.workspace)
    address = path.format(source=source.pk, persona=persona.pk)
    browser, meanwhile = signed_in(ana), Meanwhile(persona)
    with connection.execute_wrapper(meanwhile):
        page = browser.get(address).content.decode()
    assert meanwhile.has_moved
    poll = unescape(re.search(r'id="poller" data-poll hx-get="([^"]+)"', page)[1])
    assert browser.get(poll, headers={"HX-Request": "true"}).status_code == 200
    page_again = browser.get(address).content.decode()
    poll = unescape(re.search(r'id="poller" data-poll hx-get="([^"]+)"', page_again)[1])
    assert browser.get(poll, headers={"HX-Request": "true"}).status_code == 204
