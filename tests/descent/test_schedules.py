"""Schedules at their boundary steps, and what must hold between them."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.descent import (
    SCHEDULES,
    HyperparameterError,
    constant,
    cosine,
    one_cycle,
    step_decay,
    warmup,
)

EXAMPLES = [
    constant(0.1),
    step_decay(0.1, every=7, factor=0.5),
    cosine(0.1, steps=30, final=0.001),
    warmup(cosine(0.1, steps=30), steps=5),
    warmup(0.1, steps=5),
    one_cycle(0.1, steps=40),
    one_cycle(0.1, steps=40, shape="linear"),
]
names = [repr(schedule) for schedule in EXAMPLES]


def at(schedule, *steps):
    return [float(schedule(step)) for step in steps]


def test_constant():
    assert at(constant(0.1), 0, 1, 10**9) == [0.1, 0.1, 0.1]


def test_step_decay_falls_exactly_on_its_steps():
    schedule = step_decay(1.0, every=3, factor=0.5)
    assert at(schedule, *range(7)) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert at(step_decay(1.0, every=10), 9, 10) == [1.0, 0.1]


def test_cosine_ends():
    schedule = cosine(0.3, steps=10, final=0.1)
    assert at(schedule, 0, 10, 11, 10**6) == [0.3, 0.1, 0.1, 0.1]
    np.testing.assert_allclose(at(schedule, 5), [0.2])
    # Loshchilov & Hutter 2017, eq. 5, term by term
    expected = [0.1 + 0.5 * (0.3 - 0.1) * (1 + math.cos(k / 10 * math.pi)) for k in range(11)]
    np.testing.assert_allclose(at(schedule, *range(11)), expected, rtol=1e-13)


def test_warmup_climbs_in_equal_steps_then_hands_over():
    schedule = warmup(cosine(1.0, steps=4), steps=4)
    np.testing.assert_allclose(at(schedule, *range(5)), [0.2, 0.4, 0.6, 0.8, 1.0])
    assert at(schedule, 5, 8, 9) == at(cosine(1.0, steps=4), 1, 4, 5)
    np.testing.assert_allclose(at(warmup(lambda step: 2.0 + step, steps=1), 0, 1, 2), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_one_cycle_start_peak_and_end(shape):
    schedule = one_cycle(2.0, steps=100, rise=0.25, start_divisor=10, final_divisor=100, shape=shape)
    assert at(schedule, 0, 25, 100, 101) == [0.2, 2.0, 0.002, 0.002]
    np.testing.assert_allclose(at(schedule, 12.5), [1.1])
    rates = at(schedule, *range(101))
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_one_cycle_straight_flanks():
    schedule = one_cycle(1.0, steps=10, rise=0.4, start_divisor=5, final_divisor=2, shape="linear")
    np.testing.assert_allclose(at(schedule, *range(5)), [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(at(schedule, 7, 10), [0.55, 0.1])


@pytest.mark.parametrize("schedule", EXAMPLES, ids=names)
def test_every_kind_of_step_gives_the_same_rate(schedule):
    for step in (0, 4, 5, 6, 39, 40, 41):
        expected = float(schedule(step))
        for same in (float(step), np.int32(step), np.uint8(step), np.float64(step), np.array(step)):
            np.testing.assert_allclose(float(schedule(same)), expected, rtol=1e-15)
        np.testing.assert_allclose(float(schedule(np.float32(step))), expected, rtol=1e-5, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(schedule=st.sampled_from(EXAMPLES), step=st.integers(0, 10**7))
def test_rates_stay_between_zero_and_the_peak(schedule, step):
    assert 0 <= float(schedule(step)) <= 0.1


@settings(max_examples=60, deadline=None)
@given(
    peak=st.floats(1e-6, 10),
    final=st.floats(0, 1e-6),
    steps=st.integers(1, 1000),
    step=st.integers(0, 1100),
)
def test_cosine_never_rises(peak, final, steps, step):
    schedule = cosine(peak, steps, final)
    assert float(schedule(step + 1)) <= float(schedule(step)) * (1 + 1e-12)


@pytest.mark.parametrize("schedule", EXAMPLES, ids=names)
def test_json(schedule):
    stored = json.loads(json.dumps(schedule.to_json()))
    assert stored["name"] == schedule.name
    assert schedule.name in SCHEDULES


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cosine(0.1, steps=0), "steps is 0; it must be a whole number, 1 or above"),
        (lambda: SCHEDULES["cosine"](0.1, steps=2.5), r"steps is 2\.5"),
        (lambda: SCHEDULES["cosine"](0.1, steps=math.inf), "steps is inf"),
        (lambda: cosine(-1, steps=5), "learning_rate is -1"),
        (lambda: step_decay(0.1, every=3, factor=0), "factor is 0"),
        (lambda: one_cycle(0.1, steps=10, rise=1.0), r"rise is 1\.0"),
        (lambda: one_cycle(0.1, steps=10, rise=0), "rise is 0"),
        (lambda: one_cycle(0.1, steps=10, shape="square"), "shape is 'square'; it must be 'cosine' or 'linear'"),  # type: ignore[arg-type]
        (lambda: warmup(0.1, steps=-1), "steps is -1"),
    ],
)
def test_unusable_settings_are_refused(make, message):
    with pytest.raises(HyperparameterError, match=message):
        make()
