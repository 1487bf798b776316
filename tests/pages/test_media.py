"""Our copies: seekable, cached for long, of one workspace only, never as a document."""

import pytest
from django.core.files.base import ContentFile

from reviewqueue.services import media
from tests.factories import make_file

BODY = bytes(range(256)) * 40


@pytest.fixture
def video(workspace):
    file = make_file(workspace, kind="video")
    media.keep(file, "original", ContentFile(BODY))
    return file


def address(file, rendition="o", extension=None):
    return f"/m/{file.name}.{rendition}.{extension or file.extension}"


def body(answer):
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_the_whole_file(ana, video, signed_in):
    answer = signed_in(ana).get(address(video))
    assert (answer.status_code, body(answer)) == (200, BODY)
    assert answer["Content-Type"] == "video/mp4"
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, len(BODY) - 1),
        ("bytes=-10", len(BODY) - 10, len(BODY) - 1),
        ("bytes=0-999999", 0, len(BODY) - 1),
    ],
)
def test_a_part_of_it(ana, video, signed_in, asked, first, last):
    answer = signed_in(ana).get(address(video), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {first}-{last}/{len(BODY)}"
    assert body(answer) == BODY[first : last + 1]
    assert int(answer["Content-Length"]) == last - first + 1


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
def test_a_part_outside_of_it(ana, video, signed_in, asked):
    answer = signed_in(ana).get(address(video), headers={"Range": asked})
    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{len(BODY)}"


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "", f"bytes=0-{'9' * 5000}"]
)
def test_nonsense_gets_all_of_it(ana, video, signed_in, asked):
    assert signed_in(ana).get(address(video), headers={"Range": asked}).status_code == 200


def test_what_the_browser_has_is_not_sent_again(ana, video, signed_in):
    browser = signed_in(ana)
    etag = browser.get(address(video))["ETag"]
    assert browser.get(address(video), headers={"If-None-Match": etag}).status_code == 304
    whole = browser.get(address(video), headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert whole.status_code == 200


def test_a_strangers_file_is_not_there(otto, client, video, signed_in):
    assert signed_in(otto).get(address(video)).status_code == 404
    assert client.get(address(video)).status_code == 302


def test_an_original_picture_is_only_for_download(ana, workspace, signed_in):
    file = make_file(workspace)
    media.keep(file, "original", ContentFile(BODY))
    assert signed_in(ana).get(address(file))["Content-Disposition"].startswith("attachment")


def test_no_other_ending_and_no_file_that_is_missing(ana, workspace, video, signed_in):
    browser = signed_in(ana)
    assert browser.get(address(video, extension="html")).status_code == 404
    assert browser.get(address(video, "t", "webp")).status_code == 404  # never written
    waiting = make_file(workspace, state="wanted")
    assert browser.get(address(waiting, "t", "webp")).status_code == 404
