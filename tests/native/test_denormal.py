"""In a training loop numbers below the least normal one are zero; elsewhere they are as NumPy has them."""

import numpy as np

import backpass as bp
from backpass.native.target import x86
from backpass.train.loop import Loop
from backpass.train.progress import progress_for

SMALL = np.float32(1e-39)


def test_a_compiled_function_keeps_them():
    assert bp.compile(lambda x: x * np.float32(0.5))(np.full(3, SMALL))[0] == SMALL * np.float32(0.5) > 0


def test_the_state_of_the_processor_is_put_back():
    """After training, NumPy in the same thread still has them; and in training they are gone."""

    def objective(theta, state, key, x):
        tiny = np.sum(theta["w"] * SMALL)
        return np.sum(np.square(theta["w"] - x)), {"tiny": tiny}

    x = np.ones((8, 3), np.float32)
    start = {"tiny": np.float32(1)}
    rule = bp.descent.sgd(np.float32(0.0))
    loop = Loop(objective, rule, {"w": np.full(3, 0.5, np.float32)}, start, (x,), 4, 0)
    loop.run_epoch(progress_for(False))
    seen = float(loop.state["tiny"])
    assert np.full(3, SMALL)[0] * np.float32(0.5) > 0
    assert seen == (0.0 if x86() else float(1.5 * SMALL))
