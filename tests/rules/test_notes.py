"""Where a note may be pinned, and whom it names."""

import pytest

from reviewqueue.rules.notes import Pin, flaw, named

NAMES = {1: "Ben Adler", 2: "Ben Adlersen", 3: "Vera Stone", 4: "Ça (x) [y]", 5: "Ben"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@Ben Adler look", {1}),
        ("@ben adlersen: look", {2}),
        ("the hand,@vera", {3}),
        ("@Ben look", {5}),
        ("(@Ça (x) [y]) and @Vera Stone.", {3, 4}),
        ("@Veranda @salt.rooms", set()),
        ("ana@vera.example and @@vera", set()),
        ("Ben Adler", set()),
        ("@", set()),
        ("@Vera_x", {3}),
    ],
)
def test_a_member_is_named_in_full_or_by_first_name(text, found):
    assert named(text, NAMES) == found


def test_a_first_name_that_two_have_names_both():
    assert named("@ben look", {1: "Ben Adler", 2: "Ben Stone"}) == {1, 2}


@pytest.mark.parametrize(
    "pin",
    [Pin(), Pin(0, 0), Pin(1, 1), Pin(0.4, 0.3, 0.6, 0.7), Pin(at_seconds=0), Pin(0.5, 0.5, None, None, 7)],
)
def test_a_point_a_box_and_a_moment_are_pins(pin):
    assert flaw(pin) is None


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        (Pin(0.4), "y"),
        (Pin(None, 0.4), "x"),
        (Pin(1.2, 0.4), "x"),
        (Pin(0.4, -0.1), "y"),
        (Pin(0.4, 0.4, 0.7, 0.1), "width"),
        (Pin(0.4, 0.4, 0.1, 0.7), "height"),
        (Pin(0.4, 0.4, 0.1), "height"),
        (Pin(None, None, 0.1, 0.1), "x"),
        (Pin(at_seconds=-1), "at_seconds"),
    ],
)
def test_a_pin_outside_the_picture_is_told_at_its_field(pin, field):
    assert flaw(pin)[0] == field
