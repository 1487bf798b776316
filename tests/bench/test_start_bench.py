"""What makes a second start quick, as far as it can be counted. The times are a command (README.md)."""

from tests.bench import start


def test_a_second_start_does_again_nothing_that_the_first_has_done():
    first, second = start.two_starts()
    assert len(first.preparing) == 3  # static files, the sandbox, its pictures
    assert len(first.files) > 200
    assert second.preparing == []
    assert {name: at for name, at in second.files.items() if first.files.get(name) != at} == {}
    assert second.migrations == first.migrations
