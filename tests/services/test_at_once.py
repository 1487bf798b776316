"""Several people, workers and readers in the same moment: what only one may do, exactly one does."""

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Decision, Hold, Operation, Workspace
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import generating, holds, mirroring, operations, preferences, pricing, reviewing
from reviewqueue.services.access import AlreadyOpen, Stale
from reviewqueue.upstream.reelmirror import types
from tests import factories, scripted
from tests.world import check_counts, from_threads, only_postgresql, token

pytestmark = [only_postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def team(service):
    """Six people who may decide."""
    workspace = scripted.workspace_of(service)
    names = ("Ana Ruiz", "Ben Adler", "Cem Oral", "Dora Mey", "Edda Holm", "Finn Roe")
    return [factories.make_member(workspace, name, "admin") for name in names]


@pytest.fixture
def persona(team):
    return factories.make_persona(team[0].workspace)


def told(post) -> types.GeneratedPost:
    """The post as the service says it."""
    items = tuple(
        types.MediaItem(
            item.upstream_id, "completed", url=item.file.link, media_type="image", position=item.position
        )
        for item in post.items.current().select_related("file")
    )
    return types.GeneratedPost(
        post.upstream_id, "completed", items, review_status=post.review_status, caption=post.caption
    )


def tried(call):
    """What it gave, or the refusal."""
    try:
        return call()
    except NotAllowed as refusal:
        return refusal


def done(outcomes: list) -> list:
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]


def test_of_many_people_one_decides(team, persona):
    post = factories.make_post(persona)

    def decide(number):
        verb = reviewing.approve if number % 2 else reviewing.reject
        return tried(lambda: verb(post, by=team[number], fingerprint=post.fingerprint, token=token()))

    outcomes = from_threads(6, decide)
    [decision] = done(outcomes)
    refusals = [outcome for outcome in outcomes if outcome is not decision]
    assert {type(refusal) for refusal in refusals} == {AlreadyOpen}
    assert all(decision.by_label in str(refusal) for refusal in refusals)
    assert Decision.objects.count() == Operation.objects.count() == Hold.objects.count() == 1
    assert team[0].workspace.tallies.get().decided == 1
    check_counts(persona.workspace)


def test_one_press_that_arrives_many_times_is_one_decision(team, persona):
    post, same = factories.make_post(persona), token()
    outcomes = from_threads(
        6, lambda _: reviewing.approve(post, by=team[0], fingerprint=post.fingerprint, token=same)
    )
    assert len({decision.pk for decision in outcomes}) == 1
    assert Decision.objects.count() == Operation.objects.count() == Hold.objects.count() == 1


def test_two_approvals_at_once_under_a_policy_of_two_are_a_first_and_a_second(team, persona):
    Workspace.objects.update(approvers=2)
    post = factories.make_post(persona)
    outcomes = from_threads(
        2, lambda n: reviewing.approve(post, by=team[n], fingerprint=post.fingerprint, token=token())
    )
    assert sorted(decision.is_first for decision in outcomes) == [False, True]
    assert Operation.objects.count() == 1


def test_of_many_workers_one_sends(service, team, persona):
    post = factories.make_post(persona, item_facts={})
    address = scripted.serve(service, post)
    decision = reviewing.approve(post, by=team[0], fingerprint=post.fingerprint, token=token())
    Operation.objects.update(not_before=now())
    assert sum(from_threads(6, lambda _: operations.send(decision.operation_id))) == 1
    assert service.asked.count(address) == 1
    assert Operation.objects.get().state == "succeeded"
    assert Operation.objects.get().attempts == 1
    check_counts(persona.workspace)


def test_undo_and_sending_at_once_never_both_happen(service, team, persona):
    for _ in range(4):
        post = factories.make_post(persona)
        address = scripted.serve(service, post)
        decision = reviewing.approve(post, by=team[0], fingerprint=post.fingerprint, token=token())
        Operation.objects.filter(state="queued").update(not_before=now())
        calls = (
            lambda d=decision: operations.send(d.operation_id),
            lambda d=decision: tried(lambda: holds.undo(d.hold, by=team[0])),
        )
        _, undone = from_threads(2, lambda number, calls=calls: calls[number]())
        operation = Operation.objects.get(pk=decision.operation_id)
        decision.refresh_from_db()
        if isinstance(undone, holds.TooLate):
            assert (operation.state, decision.stands, service.asked.count(address)) == ("succeeded", True, 1)
        else:
            assert (operation.state, decision.stands, service.asked.count(address)) == ("cancelled", False, 0)
    check_counts(persona.workspace)


def test_one_press_of_generate_is_one_post(team, persona):
    origin = factories.make_source_post(persona.workspace, factories.make_source(persona))
    same = token()
    outcomes = from_threads(6, lambda _: generating.generate(origin, persona, by=team[0], token=same))
    assert len({operation.pk for operation in outcomes}) == 1
    assert persona.workspace.posts.count() == Operation.objects.count() == 1


def test_one_source_asked_for_by_many_is_made_once(team, persona):
    origin = factories.make_source_post(persona.workspace, factories.make_source(persona))
    outcomes = from_threads(
        6, lambda n: tried(lambda: generating.generate(origin, persona, by=team[n], token=token()))
    )
    assert len(done(outcomes)) == 1
    assert persona.workspace.posts.count() == Operation.objects.count() == 1
    check_counts(persona.workspace)


def test_a_balance_for_two_is_not_spent_by_six(team, persona):
    Workspace.objects.update(balance_cents=70, auto_reload=False)  # an image is 32
    source = factories.make_source(persona)
    origins = [factories.make_source_post(persona.workspace, source) for _ in range(6)]
    outcomes = from_threads(
        6, lambda n: tried(lambda: generating.generate(origins[n], persona, by=team[n], token=token()))
    )
    assert len(done(outcomes)) == 2
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert {type(refusal) for refusal in refusals} == {pricing.TooExpensive}
    assert pricing.reserved_cents(persona.workspace) == 64


def test_deciding_reading_and_taking_back_go_on_side_by_side(team, persona):
    """Nobody waits for anybody in a circle, and no count is lost."""
    other = factories.make_persona(persona.workspace, "Kilo North", accounts=("kilo",))
    posts = [factories.make_post(owner) for owner in (persona, other) for _ in range(6)]
    pages = {owner: [told(post) for post in posts if post.persona == owner] for owner in (persona, other)}

    def work(number):
        by = team[number]
        for place in range(len(posts)):
            post = posts[(place + number * 5) % len(posts)]
            if number < 2:
                mirroring.generated_posts(post.persona, pages[post.persona])
            elif number == 2:
                seen = {one.pk: one.fingerprint for one in posts}
                outcomes = reviewing.decide_many(
                    posts[::3], reviewing.REJECT, by=by, seen=seen, token=token()
                )
                holds_of = {outcome.decision.hold for outcome in outcomes if outcome.decision}
                for hold in holds_of:
                    tried(lambda hold=hold: holds.undo(hold, by=by))
            else:
                decision = tried(
                    lambda post=post: reviewing.approve(
                        post, by=by, fingerprint=post.fingerprint, token=token()
                    )
                )
                assert not isinstance(decision, Stale)
                if isinstance(decision, Decision):
                    holds.undo(decision.hold, by=by)

    from_threads(6, work)
    assert not Decision.objects.filter(stands=True).exists()
    assert {post.desk for post in persona.workspace.posts.all()} == {"ready"}
    assert sum(tally.decided for tally in persona.workspace.tallies.all()) == 0
    check_counts(persona.workspace)


def test_of_two_who_save_the_reasons_at_once_one_list_stays(team):
    """Each would take away the rows that it saw, and leave those of the other."""
    lists = [[f"{member.user.name} {number}" for number in range(5)] for member in team]
    from_threads(6, lambda number: preferences.set_reasons(lists[number], by=team[number]))
    assert list(team[0].workspace.reasons.values_list("text", flat=True)) in lists
