"""The budgets against the limits as the shops count them, on a clock that only sleeping moves."""

from __future__ import annotations

from collections import deque

import pytest

from syncd.http import Reply
from syncd.sources._budgets import LeakyBucket, SlidingWindow


class Time:
    def __init__(self):
        self.now = 1_000.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


class Bucket:
    """Shopify's own bucket: full, it refuses."""

    def __init__(self, time, size=40):
        self.time, self.size, self.level, self.at, self.refused = time, size, 0.0, time.now, 0

    def call(self):
        self.level = max(0.0, self.level - (self.time.now - self.at) * self.size / 20)
        self.at = self.time.now
        if self.level + 1 > self.size:
            self.refused += 1
            return Reply(429, {"retry-after": "2.0"}, b"")
        self.level += 1
        return Reply(200, {LeakyBucket.HEADER: f"{-int(-self.level // 1)}/{self.size}"}, b"")


@pytest.mark.parametrize("size", [40, 80, 400, 800])
def test_a_leaky_bucket_is_used_to_the_brim_and_never_over(size):
    time = Time()
    ours, theirs = LeakyBucket(time.clock, time.sleep), Bucket(time, size)
    began, calls = time.now, 0
    while time.now < began + 600:
        ours.acquire()
        ours.learn(theirs.call())
        calls += 1
        time.now += 0.001
    assert theirs.refused == 0
    assert calls >= 0.95 * (size + 600 * size / 20)


def test_another_worker_of_the_same_app_is_given_way():
    time = Time()
    ours, theirs = LeakyBucket(time.clock, time.sleep), Bucket(time)
    for _ in range(300):
        ours.acquire()
        ours.learn(theirs.call())
        theirs.level += 0.5
        time.now += 0.25
    assert theirs.refused == 0


def test_calls_on_their_way_are_counted_before_they_are_answered():
    time = Time()
    ours = LeakyBucket(time.clock, time.sleep)
    for _ in range(38):
        ours.acquire()
    assert time.now == 1_000.0
    ours.acquire()
    assert time.now == 1_000.5


def test_a_server_without_the_header_has_no_limit():
    time = Time()
    ours = LeakyBucket(time.clock, time.sleep)
    for _ in range(500):
        ours.acquire()
        ours.learn(Reply(200, {}, b""))
    assert time.now == 1_000.0


@pytest.mark.parametrize("make", [LeakyBucket, lambda clock, sleep: SlidingWindow(600, 60.0, clock, sleep)])
def test_after_a_refusal_everybody_waits_as_long_as_told(make):
    time = Time()
    budget = make(time.clock, time.sleep)
    budget.learn(Reply(429, {"retry-after": "7.5"}, b""))
    budget.acquire()
    assert time.now == 1_007.5


def test_a_sliding_window_is_used_to_the_brim_and_never_over():
    time = Time()
    ours, made = SlidingWindow(600, 62.0, time.clock, time.sleep), deque(maxlen=601)
    calls = 0
    while time.now < 1_000 + 620:
        ours.acquire()
        made.append(time.now)
        calls += 1
        if len(made) == 601:
            assert made[-1] - made[0] >= 62.0
        time.now += 0.01
    assert calls >= 0.95 * 10 * 620
