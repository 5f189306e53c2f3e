"""The line search on Moré & Thuente's functions, on random ones, and where φ is of no help."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backpass.descent import HyperparameterError, strong_wolfe


def is_strong_wolfe(phi, found, c1=1e-4, c2=0.9):
    value, slope, _ = phi(0.0)
    trial = found.trial
    assert found.wolfe
    assert found.bounded
    assert (trial.value, trial.slope) == phi(trial.length)[:2]
    assert trial.value <= value + c1 * trial.length * slope
    assert abs(trial.slope) <= c2 * abs(slope)
    return True


def rational(a, beta=2.0):
    return -a / (a * a + beta), (a * a - beta) / (a * a + beta) ** 2, None


def quintic(a, beta=0.004):
    t = a + beta
    return t**5 - 2 * t**4, 5 * t**4 - 8 * t**3, None


def oscillating(a, count=39, beta=0.01):
    if a <= 1 - beta:
        base, slope = 1 - a, -1.0
    elif a >= 1 + beta:
        base, slope = a - 1, 1.0
    else:
        base, slope = (a - 1) ** 2 / (2 * beta) + beta / 2, (a - 1) / beta
    w = count * math.pi / 2
    return base + 2 * (1 - beta) / (count * math.pi) * math.sin(w * a), slope + (1 - beta) * math.cos(w * a), None


def yanai(b1, b2):
    def phi(a):
        g1, g2 = math.sqrt(1 + b1 * b1) - b1, math.sqrt(1 + b2 * b2) - b2
        up, down = math.hypot(1 - a, b2), math.hypot(a, b1)
        return g1 * up + g2 * down, g1 * (a - 1) / up + g2 * a / down, None

    return phi


MORE_THUENTE = {  # Moré & Thuente, Line search algorithms with guaranteed sufficient decrease, 1994: c1 and c2 as there
    "rational": (rational, 1e-3, 0.1),
    "quintic": (quintic, 0.1, 0.1001),
    "oscillating": (oscillating, 0.1, 0.1001),
    "yanai-1": (yanai(0.001, 0.001), 1e-3, 1.1e-3),
    "yanai-2": (yanai(0.01, 0.001), 1e-3, 1.1e-3),
    "yanai-3": (yanai(0.001, 0.01), 1e-3, 1.1e-3),
}


@pytest.mark.parametrize("first", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize("name", MORE_THUENTE)
def test_more_and_thuente(name, first):
    phi, c1, c2 = MORE_THUENTE[name]
    value, slope, _ = phi(0.0)
    found = strong_wolfe(phi, value, slope, first=first, c1=c1, c2=c2)
    assert is_strong_wolfe(phi, found, c1, c2)
    assert found.evaluations <= 25


@settings(max_examples=200, deadline=None)
@given(
    centre=st.floats(0.1, 20),
    bend=st.floats(0.01, 10),
    wave=st.floats(0, 5),
    pace=st.floats(0.1, 5),
    first=st.floats(1e-3, 1e2),
    c2=st.sampled_from([0.1, 0.5, 0.9]),
)
def test_wavy_bowls(centre, bend, wave, pace, first, c2):
    def phi(a):
        value = bend * (a - centre) ** 2 + wave * math.sin(pace * a)
        return value, 2 * bend * (a - centre) + wave * pace * math.cos(pace * a), None

    value, slope, _ = phi(0.0)
    assume(slope < -1e-3)
    assert is_strong_wolfe(phi, strong_wolfe(phi, value, slope, first=first, c2=c2), c2=c2)


def test_the_minimum_of_a_cubic_is_the_first_guess():
    """Once bracketed, a cubic is interpolated exactly."""
    found = strong_wolfe(lambda a: (a**3 - 3 * a, 3 * a**2 - 3, None), 0.0, -3.0, first=1.7, c2=1e-3)
    assert found.trial is not None
    assert found.evaluations == 2
    assert found.trial.length == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_unusable_trial_is_too_far(bad):
    def barrier(a):  # -log(1 - a) - 3a has its minimum at 2/3 and does not exist beyond 1
        return (-math.log(1 - a) - 3 * a, 1 / (1 - a) - 3, None) if a < 1 else (bad, bad, None)

    for first in (1.0, 1e6):
        assert is_strong_wolfe(barrier, strong_wolfe(barrier, 0.0, -2.0, first=first))

    def slope_only(a):
        return a * a - a, 2 * a - 1 if a < 1 else bad, None

    assert is_strong_wolfe(slope_only, strong_wolfe(slope_only, 0.0, -1.0, first=3.0))


def test_nothing_usable_or_nothing_lower():
    for phi in (
        lambda a: (math.nan, math.nan, None),
        lambda a: (1.0, -1.0, None),  # flat, whatever its slope claims
        lambda a: (1.0 + a, -1.0, None),  # rises against its slope
    ):
        found = strong_wolfe(phi, 1.0, -1.0)
        assert found.trial is None
        assert not found.wolfe
        assert found.evaluations <= 40


def test_without_end_the_farthest_trial_is_returned():
    found = strong_wolfe(lambda a: (-a, -1.0, None), 0.0, -1.0)
    assert found.trial is not None
    assert found.trial.length >= 1e6
    assert not found.wolfe
    assert not found.bounded
    assert found.evaluations == 40


def test_within_the_noise_slopes_decide():
    """Near a minimum in float32 the losses are equal, or even rise by a rounding; the slopes still show the way."""

    def phi(a):
        return float(np.float32(1e4 + (a - 1) ** 2 * 1e-5)), 2e-5 * (a - 1), None

    noise = 4 * float(np.finfo(np.float32).eps) * 1e4
    found = strong_wolfe(phi, phi(0.0)[0], -2e-5, first=3.0, c2=0.1, noise=noise)
    assert found.wolfe
    assert found.trial is not None
    assert abs(found.trial.length - 1) <= 0.1
    assert strong_wolfe(phi, phi(0.0)[0], -2e-5, first=3.0, c2=0.1).trial is None


def test_it_hands_back_the_point():
    found = strong_wolfe(lambda a: ((a - 1) ** 2, 2 * (a - 1), f"at {a}"), 1.0, -2.0)
    assert found.trial is not None
    assert found.trial.point == "at 1.0"


@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan])
def test_an_uphill_direction_is_refused(slope):
    with pytest.raises(HyperparameterError, match="needs a direction that leads downhill"):
        strong_wolfe(lambda a: (a, a, None), 0.0, slope)
    with pytest.raises(HyperparameterError, match="do not satisfy 0 < c1 < c2 < 1"):
        strong_wolfe(lambda a: (a, a, None), 0.0, -1.0, c1=0.5, c2=0.1)
