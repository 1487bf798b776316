import dataclasses

from reviewqueue.rules.fingerprint import ItemIdentity, fingerprint
from reviewqueue.rules.preflight import Facts, preflight, stops

GOOD = Facts(
    items=2,
    ready=2,
    failed=0,
    caption="The wall gives back at dusk. #dusk",
    source_caption="Something else entirely was written here. #day",
    source_handle="salt.rooms",
    persona="Ines Calder",
    accounts=("ines.calder",),
)


def levels(**changes):
    return {check.code: check.level for check in preflight(dataclasses.replace(GOOD, **changes))}


def test_a_good_post_has_no_stop():
    assert stops(preflight(GOOD)) == []
    assert set(levels().values()) == {"ok"}


def test_what_stops_and_what_only_warns():
    assert levels(ready=1, failed=1)["items"] == "stop"
    assert levels(ready=1)["items"] == "stop"
    assert levels(items=0, ready=0)["items"] == "stop"
    assert levels(accounts=())["accounts"] == "stop"
    assert levels(caption="x" * 2201)["length"] == "stop"
    assert levels(caption=" ".join(f"#t{n}" for n in range(31)))["length"] == "stop"
    assert levels(refused_files=("it is an SVG",))["media"] == "stop"
    assert levels(caption="Thanks @salt.rooms")["handle"] == "warning"
    copied = "Something else entirely was written here, and more"
    assert levels(caption=copied)["copied"] == "warning"


def test_every_stop_says_what_to_do_or_why():
    for check in stops(
        preflight(dataclasses.replace(GOOD, ready=0, failed=2, accounts=(), caption="x" * 3000))
    ):
        assert check.text


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
