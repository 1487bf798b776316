import dataclasses

import pytest

from reviewqueue.rules.fingerprint import ItemIdentity, fingerprint
from reviewqueue.rules.platforms import (
    INSTAGRAM,
    PLATFORMS,
    TIKTOK,
    Range,
    Types,
    shape_words,
    span_words,
    type_words,
)
from reviewqueue.rules.preflight import Account, Facts, Item, Money, Twin, preflight, stops

GOOD = Facts(
    items=2,
    ready=2,
    failed=0,
    caption="The wall gives back at dusk. #dusk",
    source_caption="Something else entirely was written here. #day",
    source_handle="salt.rooms",
    persona="Ines Calder",
    accounts=(Account("ines.calder"),),
    going=(Item(1, width=1080, height=1350), Item(2, width=1080, height=1350)),
    has_pictures=True,
    money=Money(balance_cents=4120),
)
ON_TIKTOK = (Account("ines.clips", "tiktok"),)


def checked(**changes):
    return preflight(dataclasses.replace(GOOD, **changes))


def levels(**changes):
    return {check.code: check.level for check in checked(**changes)}


def line(code, **changes):
    return next(check for check in checked(**changes) if check.code == code)


def pictures(count=1, *, shape=(1080, 1350)):
    return tuple(Item(number, width=shape[0], height=shape[1]) for number in range(1, count + 1))


def video(seconds, *, shape=(1080, 1920)):
    return (Item(1, is_video=True, width=shape[0], height=shape[1], seconds=seconds),)


def test_a_good_post_has_no_stop():
    assert stops(preflight(GOOD)) == []
    assert set(levels().values()) == {"ok"}
    assert {"items", "accounts", "fingerprint", "length", "shape", "copied", "handle", "money"} <= set(
        levels()
    )


def test_what_stops_and_what_only_warns():
    assert levels(ready=1, failed=1)["items"] == "stop"
    assert levels(ready=1)["items"] == "stop"
    assert levels(items=0, ready=0)["items"] == "stop"
    assert levels(accounts=())["accounts"] == "stop"
    assert levels(caption="x" * 2201)["length"] == "stop"
    assert levels(caption=" ".join(f"#t{n}" for n in range(31)))["length"] == "stop"
    assert levels(refused_files=("it is an SVG",))["media"] == "stop"
    assert levels(is_current=False)["fingerprint"] == "stop"
    assert levels(relinked=(2,))["fingerprint"] == "warning"
    assert levels(caption="Thanks @salt.rooms")["handle"] == "warning"
    copied = "Something else entirely was written here, and more"
    assert levels(caption=copied)["copied"] == "warning"


def test_stops_stand_first_and_then_warnings():
    found = [check.level for check in checked(accounts=(), caption="Thanks @salt.rooms")]
    assert found == sorted(found, key=("stop", "warning", "ok").index)
    assert found[0] == "stop"


def test_every_stop_says_why_and_what_helps():
    bad = checked(
        ready=0,
        failed=2,
        accounts=(),
        caption="x" * 3000,
        is_current=False,
        refused_files=("x",),
        going=video(1),
    )
    assert len(stops(bad)) == 6
    for check in stops(bad):
        assert check.text
        assert check.cure, check.code


def test_what_failed_can_be_retried():
    assert line("items", failed=1, ready=1).cure == "retry"
    assert line("items", ready=1).cure == "look"  # it is being made, or somebody has to see why it is not


# ---- where it goes ----------------------------------------------------------------------------------


def test_an_account_that_sleeps_is_named_and_stops_only_if_it_is_the_only_one():
    asleep = Account("ines.elsewhere", is_active=False)
    assert levels(accounts=(asleep,))["accounts"] == "stop"
    assert "@ines.elsewhere must be signed in again" in line("accounts", accounts=(asleep,)).text
    both = (Account("ines.calder"), asleep)
    assert levels(accounts=both) | {"accounts": "ok", "asleep": "warning"} == levels(accounts=both)
    assert line("accounts", accounts=both).text == "Publishes to @ines.calder"


@pytest.mark.parametrize("platform", ["tiktok", "myspace"])
def test_a_platform_that_the_service_does_not_support_is_said(platform):
    said = line("unsupported", accounts=(Account("ines.clips", platform),))
    assert said.level == "warning"
    assert "not supported by the service yet" in said.text
    assert "@ines.clips" in said.text


def test_what_an_unsupported_platform_refuses_only_warns():
    found = checked(accounts=ON_TIKTOK, caption="x" * 4001)
    assert [check.level for check in found if check.code == "length"] == ["warning"]
    assert stops(found) == []
    mixed = (*pictures(), Item(2, is_video=True, seconds=5))
    assert levels(accounts=ON_TIKTOK, going=mixed)["carousel"] == "warning"


def test_each_platform_of_the_targets_is_checked():
    both = (Account("ines.calder"), *ON_TIKTOK)
    found = [check.text for check in checked(accounts=both, caption="x" * 4500) if check.code == "length"]
    assert found == [
        "Instagram: 4,500 of 2,200 characters, 0 hashtags",
        "TikTok: 4,500 of 4,000 characters, 0 hashtags",
    ]


def test_without_an_account_the_supported_platform_counts():
    assert levels(accounts=(), caption="x" * 2201)["length"] == "stop"


# ---- the limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_value_names_its_page_and_the_month_it_was_read(name):
    values = [value for value in vars(PLATFORMS[name]).values() if isinstance(value, Range | Types)]
    assert len(values) >= 6
    for value in values:
        assert value.source.startswith("https://")
        assert value.read == "2026-11"
        assert value.taken if isinstance(value, Types) else value.low < value.high


@pytest.mark.parametrize(("length", "level"), [(0, "ok"), (2199, "ok"), (2200, "ok"), (2201, "stop")])
def test_the_longest_caption(length, level):
    assert levels(caption="x" * length)["length"] == level


@pytest.mark.parametrize(("tags", "level"), [(5, "ok"), (6, "warning"), (30, "warning"), (31, "stop")])
def test_hashtags_that_are_refused_and_those_announced_to_be(tags, level):
    assert levels(caption=" ".join(f"#t{n}" for n in range(tags)))["length"] == level


def test_tiktok_counts_in_utf_16():
    assert TIKTOK.length("🌅a") == 3
    assert INSTAGRAM.length("🌅a") == 2
    assert TIKTOK.length("\ud800") == 1  # half a character, as a service may send it
    assert (TIKTOK.longest(has_video=True), TIKTOK.longest(has_video=False)) == (2200, 4000)


@pytest.mark.parametrize(("count", "level"), [(10, None), (11, "stop")])
def test_the_longest_carousel(count, level):
    assert levels(going=pictures(count)).get("carousel") == level


@pytest.mark.parametrize(
    ("shape", "level"),
    [
        ((1080, 1350), "ok"),  # 4:5
        ((1080, 1080), "ok"),
        ((1080, 566), "ok"),  # 1.91:1, in whole pixels
        ((1080, 1920), "warning"),
        ((1080, 1440), "warning"),
        ((2000, 1000), "warning"),
    ],
)
def test_the_shape_of_a_picture(shape, level):
    assert levels(going=pictures(shape=shape))["shape"] == level


def test_items_of_the_same_odd_shape_share_a_line():
    going = (*pictures(2, shape=(1080, 1920)), Item(3, width=1080, height=1350), Item(4))
    said = line("shape", going=going)
    assert said.text == "Items 1 and 2 are 9:16; Instagram takes 4:5 to 1.91:1"
    assert (said.cure, said.at) == ("item", "1")


def test_a_reel_may_be_tall():
    assert line("shape", going=video(4.5)).text == "9:16, 4.5 s, as Instagram takes it"


@pytest.mark.parametrize(("seconds", "level"), [(2.9, "stop"), (3, None), (900, None), (900.5, "stop")])
def test_the_length_of_a_video(seconds, level):
    assert levels(going=video(seconds)).get("duration") == level


def test_the_line_of_a_video_that_is_too_short():
    assert line("duration", going=video(1.5)).text == "It is 1.5 s long; Instagram takes 3 s to 15 min"


def test_what_was_not_measured_is_not_judged():
    found = levels(going=(Item(1), Item(2, is_video=True)))
    assert not {"shape", "duration", "carousel"} & set(found)


def test_shapes_and_spans_in_words():
    assert [shape_words(ratio) for ratio in (0.8, 0.5625, 1, 1.91, 0.01, 10, 1080 / 1351)] == [
        *("4:5", "9:16", "1:1", "1.91:1", "0.01:1", "10:1", "4:5")
    ]
    assert [span_words(seconds) for seconds in (4.5, 3, 90, 900)] == ["4.5 s", "3 s", "1.5 min", "15 min"]


def typed(*content_types):
    return tuple(
        Item(number, is_video=content_type.startswith("video"), content_type=content_type)
        for number, content_type in enumerate(content_types, 1)
    )


@pytest.mark.parametrize(
    ("content_types", "level", "words"),
    [
        (["image/jpeg"] * 2, "ok", "JPEG, as Instagram takes it"),
        (["video/mp4"], "ok", "MP4, as Instagram takes it"),
        (["image/jpeg", "video/quicktime"], "ok", "JPEG and MOV, as Instagram takes it"),
        (
            ["image/webp", "image/png"],
            "ok",
            "WebP and PNG, which the service has to turn into JPEG for Instagram",
        ),
        (["video/webm"], "warning", "It is WebM; Instagram takes MP4 and MOV"),
        (["image/jpeg", "video/webm"], "warning", "Item 2 is WebM; Instagram takes MP4 and MOV"),
        (["video/webm"] * 2, "warning", "Items 1 and 2 are WebM; Instagram takes MP4 and MOV"),
    ],
)
def test_the_types_of_the_files(content_types, level, words):
    said = line("type", going=typed(*content_types))
    assert (said.level, said.text) == (level, words)


def test_a_video_of_another_type_leads_to_its_item():
    said = line("type", going=typed("image/jpeg", "video/webm"))
    assert (said.note, said.cure, said.at) == ("It may be refused.", "item", "2")


def test_what_one_platform_takes_another_may_not():
    going = typed("video/webm")
    both = (Account("ines.calder"), *ON_TIKTOK)
    assert [check.text for check in checked(accounts=both, going=going) if check.code == "type"] == [
        "It is WebM; Instagram takes MP4 and MOV"
    ]
    assert "type" not in levels(accounts=ON_TIKTOK, going=going)
    assert "type" not in levels(going=typed("", ""))  # not copied yet


def test_types_in_words():
    assert type_words(["image/avif", "image/avif", "image/x-other"]) == "AVIF and image/x-other"
    assert type_words(["image/jpeg", "image/png", "image/webp"]) == "JPEG, PNG and WebP"


# ---- twins ----------------------------------------------------------------------------------------------


def twin(**facts):
    return Twin(**{"number": 2, "label": "Ines Calder 17", "standing": "published", "post_id": "p", **facts})


def test_near_to_something_published():
    said = line("duplicate", twins=(twin(),))
    assert (said.level, said.text) == ("warning", "Item 2 looks like Ines Calder 17, published")
    assert (said.cure, said.at) == ("post", "p")
    assert line("duplicate", items=1, ready=1, twins=(twin(),)).text.startswith("Looks like Ines Calder 17")


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        ("published", "published on @ines.calder"),
        ("held", "approved and held for @ines.calder"),
        ("composing", "in compose for @ines.calder"),
        ("publishing", "being published for @ines.calder"),
    ],
)
def test_a_second_approval_for_the_same_account(standing, words):
    said = line("twice", twins=(twin(standing=standing, accounts=("ines.calder",)),))
    assert (said.level, said.text) == ("warning", f"Item 2 looks like Ines Calder 17, {words}")


def test_what_is_on_its_way_to_others_is_nothing_to_say():
    assert levels(twins=(twin(standing="held"),))["duplicate"] == "ok"


def test_a_deleted_one_is_named_and_cannot_be_shown():
    said = line("duplicate", twins=(twin(post_id=""),))
    assert (said.note, said.cure) == ("It was deleted since.", "")


def test_of_many_twins_the_nearest_have_a_line():
    found = [check for check in checked(twins=(twin(),) * 5) if check.code == "duplicate"]
    assert [check.text for check in found][3:] == ["And like 2 more"]


# ---- money ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "level", "words"),
    [
        (Money(), "ok", "Approving costs nothing"),
        (Money(balance_cents=4120), "ok", "Approving costs nothing. Balance $41.20"),
        (Money(balance_cents=0), "warning", "Balance is $0.00. Approving costs nothing"),
        (Money(balance_cents=0, reloads=True), "ok", "Approving costs nothing. Balance $0.00"),
        (
            Money(balance_cents=90, waits_for="balance"),
            "warning",
            "Balance is $0.90. Approving costs nothing",
        ),
        (
            Money(balance_cents=90, waits_for="cap"),
            "warning",
            "The monthly cap of the key is reached. Approving costs nothing",
        ),
        (
            Money(balance_cents=90, retry_cents=32, free_cents=-5),
            "warning",
            "Making it again costs $0.32, and $0.00 is left",
        ),
        (Money(90, retry_cents=32, free_cents=32), "ok", "Approving costs nothing. Balance $0.90"),
    ],
)
def test_money_never_stops_an_approval(money, level, words):
    said = line("money", money=money)
    assert (said.level, said.text) == (level, words)


def test_the_fingerprint_changes_with_anything_on_the_screen():
    items = [ItemIdentity("i1", "aaa", ""), ItemIdentity("i2", "bbb", "")]
    first = fingerprint("caption", items, ["a"])
    assert first == fingerprint("caption", list(items), ["a"])
    others = {
        fingerprint("caption.", items, ["a"]),
        fingerprint("caption", items[::-1], ["a"]),
        fingerprint("caption", [items[0]], ["a"]),
        fingerprint("caption", [items[0], items[1]._replace(media="ccc")], ["a"]),
        fingerprint("caption", [items[0], items[1]._replace(voice="v")], ["a"]),
        fingerprint("caption", items, ["a", "b"]),
    }
    assert len(others) == 6
    assert first not in others


def test_the_order_of_targets_does_not_matter():
    assert fingerprint("", [], ["b", "a"]) == fingerprint("", [], ["a", "b"])
