import re

from reviewqueue.rules.vocabulary import EVENTS


def test_sentences_are_plain_words():
    for name, word in EVENTS.items():
        assert word.label, name
        assert word.sentence[0].isupper() or word.sentence[0] == "{", name
        assert not re.search(r"!|\bplease\b|\boops\b|successfully", word.sentence, re.IGNORECASE), name
