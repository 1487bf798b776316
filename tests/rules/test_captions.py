from hypothesis import given
from hypothesis import strategies as st

from reviewqueue.rules.captions import changes, copied_run, first_sentence, hashtags, names

SOURCE = "The steps hold the heat long after the sun has gone. Come down at dusk. #whitewashed"
MADE = "The steps keep the heat long after the sun has gone. I come down in the evening. #slowcoast"


def test_changes_word_by_word():
    told = [(piece.kind, piece.text.strip()) for piece in changes(SOURCE, MADE)]
    assert told[:4] == [
        ("same", "The steps"),
        ("removed", "hold"),
        ("added", "keep"),
        ("same", "the heat long after the sun has gone."),
    ]


def test_the_longest_run_of_shared_words_is_marked():
    assert copied_run(SOURCE, MADE) == ["the", "heat", "long", "after", "the", "sun", "has", "gone."]
    marked = [piece.text.strip() for piece in changes(SOURCE, MADE) if piece.is_copied]
    assert marked == ["the heat long after the sun has gone."]


def test_five_shared_words_are_not_yet_copied():
    assert copied_run("one two three four five nine", "one two three four five ten") == []
    assert len(copied_run("one two three four five six", "zero one TWO three, four five six")) == 6


def test_without_a_source_the_caption_is_one_piece():
    assert [tuple(piece) for piece in changes("", "Hello")] == [("same", "Hello", False, False)]
    assert changes("", "") == []


def test_the_account_of_the_source_is_told_apart_wherever_it_is_named():
    source = "Slow light on the wall by @salt.rooms today"
    made = "Slow light, thanks @salt.rooms! Not @salt.rooms.daily. salt.rooms"
    pieces = changes(source, made, "salt.rooms")
    assert [piece.text.strip() for piece in pieces if piece.is_named] == ["@salt.rooms!", "salt.rooms"]
    assert not [piece for piece in pieces if piece.is_named and piece.kind == "removed"]
    assert [piece.is_named for piece in changes("", "@salt.rooms again", "salt.rooms")] == [True, False]
    assert not [piece for piece in changes(source, made) if piece.is_named]


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=20))
def test_marking_an_account_loses_no_word(source, made, handle):
    kept = "".join(piece.text for piece in changes(source, made, handle) if piece.kind != "removed")
    assert kept.split() == made.split()


@given(st.text(max_size=300), st.text(max_size=300))
def test_the_pieces_give_back_the_generated_caption(source, made):
    kept = "".join(piece.text for piece in changes(source, made) if piece.kind != "removed")
    assert kept.split() == made.split()


def test_a_hostile_caption_costs_no_time_that_matters():
    same_word = "a " * 8000
    assert len(changes(same_word, same_word)) == 1  # too dear to compare: shown as it is
    assert copied_run(same_word, same_word) == []


def test_it_names_the_source_with_or_without_the_at():
    assert names("Seen at @salt.rooms today", "salt.rooms")
    assert names("thanks SALT.ROOMS!", "@salt.rooms")
    assert not names("salt.rooms.daily is another", "salt.rooms")
    assert not names("no salt in these rooms", "salt.rooms")
    assert not names("anything", "")


def test_hashtags_and_first_sentence():
    assert hashtags("#one two #three. a#four &#35;") == ["#one", "#three"]
    assert first_sentence("Noon has no corners. Just edges.") == "Noon has no corners."
    assert first_sentence("x " * 200).endswith("…")
    assert first_sentence("\n\n  Second line first") == "Second line first"
