"""Whom the market waits for, and for how long."""

import pytest

from tbot_bot.venue.followers import PATIENCE_NS, Followers


class Wall:
    now = 1

    def __call__(self):
        return self.now


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def followers(wall):
    return Followers(wall)


def test_nobody_is_waited_for_who_never_asked(followers):
    assert not followers.are_behind(5)


def test_one_who_has_not_asked_on_is_waited_for(followers):
    followers.note("bot", 3)
    assert not followers.are_behind(3)
    assert followers.are_behind(4)
    followers.note("bot", 4)
    assert not followers.are_behind(4)


def test_the_slowest_counts(followers):
    followers.note("bot", 9)
    followers.note("other", 3)
    assert followers.are_behind(9)
    followers.forget("other")
    assert not followers.are_behind(9)


def test_one_who_hangs_is_given_up_until_it_asks_again(followers, wall):
    followers.note("bot", 3)
    wall.now += 10 * PATIENCE_NS  # it was waiting for something to happen
    assert followers.are_behind(4)
    wall.now += PATIENCE_NS - 1
    assert followers.are_behind(5)
    wall.now += 1
    assert not followers.are_behind(5)
    followers.note("bot", 4)
    assert followers.are_behind(5)


def test_each_step_gets_the_whole_patience(followers, wall):
    for number in range(3):
        followers.note("bot", number)
        assert followers.are_behind(number + 1)
        wall.now += PATIENCE_NS - 1
        assert followers.are_behind(number + 1)


def test_one_who_left_is_forgotten_twice(followers):
    followers.note("bot", 1)
    followers.forget("bot")
    followers.forget("bot")
    assert not followers.are_behind(2)
