import pytest

from reviewqueue.rules.states import DESK, DESK_TABS, HOLD, OPERATION, REVIEW, NotAllowed


def test_a_move_in_the_table_leads_on():
    assert OPERATION.after("queued", "claim") == "sending"
    assert OPERATION.after("sending", "lose") == "unknown"


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("sending", "cancel"),  # too late: it was sent
        ("unknown", "claim"),  # never sent again blindly
        ("unknown", "cancel"),
        ("absent", "repeat"),
        ("succeeded", "refuse"),
        ("nowhere", "claim"),
    ],
)
def test_a_move_that_is_not_in_the_table_is_refused(state, action):
    with pytest.raises(NotAllowed):
        OPERATION.after(state, action)


def test_nothing_leads_from_unknown_back_to_sending_but_through_a_repeat():
    leads = {action for action, after in OPERATION.moves["unknown"].items() if after == "queued"}
    assert leads == {"repeat"}


def test_every_next_state_is_a_state():
    for table in (OPERATION, HOLD, REVIEW):
        nexts = {after for moves in table.moves.values() for after in moves.values()}
        assert nexts <= set(table.moves)


def test_final_states_have_no_moves():
    assert set(OPERATION.final()) == {"succeeded", "failed", "absent", "cancelled"}


def test_each_place_of_the_desk_is_on_one_tab():
    assert len(DESK) == len(set(DESK)) == sum(len(places) for places in DESK_TABS.values())
