import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loop import join

from harness.swarm.callers import CallerNumbers, LocalNumbers, RemoteNumbers


def test_the_lowest_free_number_comes_next():
    numbers = CallerNumbers(["User"])

    assert numbers.take("a", "User", 3) == [1, 2, 3]
    assert numbers.take("b", "User", 2) == [4, 5]
    numbers.give_back("a", [2])
    assert numbers.take("b", "User", 2) == [2, 6]


def test_a_lost_workers_numbers_are_handed_out_again():
    numbers = CallerNumbers(["User"])
    numbers.take("a", "User", 2)
    numbers.take("b", "User", 2)

    numbers.lose("a")

    assert numbers.take("b", "User", 3) == [1, 2, 5]


def test_nobody_gives_back_what_another_holds():
    numbers = CallerNumbers(["User"])
    numbers.take("a", "User")

    numbers.give_back("b", [1])

    assert numbers.take("b", "User") == [2]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=30))
def test_a_crowd_has_the_same_numbers_on_any_workers(owners):
    numbers = CallerNumbers(["User"])

    taken = [numbers.take(owner, "User")[0] for owner in owners]

    assert taken == list(range(1, len(owners) + 1))


@given(st.lists(st.tuples(st.sampled_from(["take", "free", "lose"]), st.sampled_from("ab"))))
def test_no_number_is_held_twice(steps):
    numbers, held = CallerNumbers(["User"]), {"a": set(), "b": set()}
    for step, owner in steps:
        if step == "take":
            (number,) = numbers.take(owner, "User")
            assert number not in held["a"] | held["b"]
            held[owner].add(number)
        elif step == "lose":
            numbers.lose(owner)
            held[owner].clear()
        elif held[owner]:
            numbers.give_back(owner, [held[owner].pop()])


@given(st.permutations("AAABBC"))
def test_each_class_has_the_same_numbers_in_whatever_order_they_ask(kinds):
    numbers = CallerNumbers(["B", "C", "A"])
    taken = {"A": set(), "B": set(), "C": set()}

    for kind in kinds:
        taken[kind].update(numbers.take("worker", kind))

    assert taken == {"A": {1, 4, 7}, "B": {2, 5}, "C": {3}}


def test_a_number_given_back_goes_to_a_user_of_the_same_class():
    numbers = CallerNumbers(["A", "B"])
    numbers.take("a", "A", 2), numbers.take("a", "B", 2)

    numbers.lose("a")

    assert (numbers.take("b", "B"), numbers.take("b", "A")) == ([2], [1])


def test_in_one_process_numbers_come_at_once():
    numbers = LocalNumbers(["User"])

    assert [numbers.take("User"), numbers.take("User")] == [1, 2]
    numbers.give_back(1)
    assert numbers.take("User") == 1


class Master:
    """Hands out numbers when told to."""

    def __init__(self):
        self.asked, self.returned = [], []
        self.numbers = RemoteNumbers(self.asked.append, self.returned.extend)


@pytest.fixture
def master():
    return Master()


def test_users_that_begin_together_ask_in_one_message(master):
    users = [gevent.spawn(master.numbers.take, "User") for _ in range(3)]
    gevent.idle()
    master.numbers.arrived({"User": [4, 5, 6]})
    join(users, 5)

    assert master.asked == [{"User": 3}]
    assert [user.value for user in users] == [4, 5, 6]


def test_the_number_of_a_user_stopped_while_it_waited_goes_back(master):
    stopped, waiting = (
        gevent.spawn(master.numbers.take, "User"),
        gevent.spawn(master.numbers.take, "User"),
    )
    gevent.idle()
    stopped.kill()
    master.numbers.arrived({"User": [7, 8]})
    waiting.join(5)

    assert waiting.value == 7
    assert master.returned == [8]


def test_the_number_that_arrives_as_its_user_is_stopped_goes_back(master):
    user = gevent.spawn(master.numbers.take, "User")
    gevent.idle()
    user.kill(block=False)
    master.numbers.arrived({"User": [7]})
    user.join(5)

    assert master.returned == [7]


def test_a_worker_that_was_taken_for_dead_holds_none_of_its_numbers(master):
    user = gevent.spawn(master.numbers.take, "User")
    gevent.idle()
    master.numbers.arrived({"User": [7]})
    user.join(5)
    assert master.numbers.holds(7)

    assert master.numbers.revoked()  # somebody calls under it

    assert not master.numbers.holds(7)
    assert not master.numbers.revoked()
