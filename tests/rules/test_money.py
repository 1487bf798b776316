import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewqueue.rules import money
from reviewqueue.rules.money import Prices, dollars, parse_dollars


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "$0.00"), (5, "$0.05"), (-32, "−$0.32"), (123456, "$1,234.56"), (None, "–")],
)
def test_cents_as_text(cents, text):
    assert dollars(cents) == text


@given(st.integers(0, 99_999_99))
def test_what_is_printed_can_be_typed(cents):
    assert parse_dollars(dollars(cents)) == cents


@pytest.mark.parametrize("text", ["", "five", "-3", "1.234", "1e3", "$", "5.5.5", "٣"])
def test_nonsense_is_not_an_amount(text):
    with pytest.raises(ValueError):
        parse_dollars(text)


@pytest.mark.parametrize(("text", "cents"), [("1,250", 125000), ("$1,234.56", 123456), ("1250", 125000)])
def test_a_comma_stands_between_thousands(text, cents):
    assert parse_dollars(text) == cents


@pytest.mark.parametrize(
    "text", ["1,5", "2,50", "0,05", "5,00", "12,34", ",5", "1,2345", "1,,000", "1.000,00"]
)
def test_a_comma_before_cents_is_not_taken_for_a_hundred_times_as_much(text):
    with pytest.raises(ValueError):
        parse_dollars(text)


def test_the_contracts_prices():
    prices = Prices()
    image = money.generation(prices, [("image", None)], discount=False)
    assert (image.high_cents, image.text()) == (32, "$0.32")
    cheaper = money.generation(prices, [("image", None)], discount=True)
    assert (cheaper.high_cents, cheaper.full_cents) == (26, 32)
    assert money.generation(prices, [("video", 30.0)], discount=False).high_cents == 450
    assert money.generation(prices, [("video", 10.0)], discount=True).high_cents == 120
    assert money.voice(prices, 30.0).text() == "about $0.15"
    assert money.sync(prices, 2).text() == "about $0.18"


def test_three_images_come_to_ninety_six_cents():
    assert money.generation(Prices(), [("image", None)] * 3, discount=False).high_cents == 96


def test_an_unknown_length_is_an_unknown_price_and_never_free():
    unknown = money.generation(Prices(), [("image", None), ("video", None)], discount=False)
    assert not unknown.known
    assert unknown.text() == "cost shown after fetching"
    assert (money.NOTHING + unknown).text() == "cost shown after fetching"
    assert not money.generation(Prices(), [], discount=False).known


def test_a_link_costs_a_range():
    assert money.clone(Prices(), discount=False).text() == "$0.32–3.20"


def test_estimates_add_up_with_their_full_price():
    one = money.generation(Prices(), [("image", None)], discount=True)
    both = one + one
    assert (both.high_cents, both.full_cents, both.exact) == (52, 64, True)


@given(st.lists(st.sampled_from([("image", None), ("video", 3.2), ("video", 59.9)]), min_size=1, max_size=10))
def test_the_discount_never_costs_more(items):
    full = money.generation(Prices(), items, discount=False)
    cheap = money.generation(Prices(), items, discount=True)
    assert cheap.high_cents <= full.high_cents == (cheap.full_cents or full.high_cents)
