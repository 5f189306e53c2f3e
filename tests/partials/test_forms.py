"""Reductions in every calling form that NumPy takes: NumPy's value, and the slope along a random direction."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import backpass as bp

RNG = np.random.default_rng(0)
X = RNG.permutation(np.linspace(0.3, 2.1, 24)).reshape(2, 3, 4)
NAN = np.where(np.arange(24).reshape(2, 3, 4) % 5 == 1, np.nan, X)
MASK = np.arange(24).reshape(2, 3, 4) % 3 != 1
AXES = (None, 0, -1, (0, 1), (2, 0))
SEVERAL = {"axis": AXES, "keepdims": (False, True)}
WHERE = {"where": (True, MASK, MASK[0])}
FORMS: dict[str, dict[str, tuple[Any, ...]]] = {
    **{
        name: {**SEVERAL, **WHERE, "initial": (None, 1.5), "dtype": (None, np.float32, complex)}
        for name in ("sum", "prod")
    },
    **{name: {**SEVERAL, **WHERE, "initial": (1.5,)} for name in ("max", "min")},
    **{name: {**SEVERAL, "initial": (None,)} for name in ("amax", "amin")},
    "mean": {**SEVERAL, **WHERE, "dtype": (None, np.float32)},
    **{name: {**SEVERAL, **WHERE, "ddof": (0, 1), "dtype": (None,)} for name in ("var", "std")},
    **dict.fromkeys(("ptp", "median"), SEVERAL),
    **{name: {**SEVERAL, "q": (0.3, [0.2, 0.9])} for name in ("quantile",)},
    **{name: {**SEVERAL, "q": (30, [20, 90])} for name in ("percentile",)},
    **{name: {**SEVERAL, **WHERE, "initial": (None, 1.5)} for name in ("nansum", "nanprod")},
    **{name: {**SEVERAL, "where": (MASK,), "initial": (1.5,)} for name in ("nanmax", "nanmin")},
    **{name: {**SEVERAL, **WHERE} for name in ("nanmean",)},
    **{name: {**SEVERAL, **WHERE, "ddof": (0, 1)} for name in ("nanvar", "nanstd")},
    **dict.fromkeys(("nanmedian",), SEVERAL),
    **{
        name: {"axis": (None, 0, -2), "dtype": (None, np.float32)}
        for name in ("cumsum", "cumprod", "nancumsum", "nancumprod")
    },
    "average": {"axis": (None, 1, (0, 2)), "keepdims": (False, True), "weights": (None, X + 1)},
    "count_nonzero": SEVERAL,
    **{name: {**SEVERAL, **WHERE} for name in ("any", "all")},
    **{
        name: {"axis": (None, 0, -1), "keepdims": (False, True)}
        for name in ("argmax", "argmin", "nanargmax", "nanargmin")
    },
    "linalg.norm": {"axis": (None, 0, (0, 1)), "keepdims": (False, True)},
    "linalg.vector_norm": {"axis": (None, 0, (0, 1)), "keepdims": (False, True), "ord": (1, 2, 3, np.inf)},
}
STEPS = ("count_nonzero", "any", "all", "argmax", "argmin", "nanargmax", "nanargmin")


def forms() -> Iterator[Any]:
    for name, options in FORMS.items():
        for values in itertools.product(*options.values()):
            chosen = {
                key: value for key, value in zip(options, values, strict=True) if value is not None or key == "axis"
            }
            if chosen.get("where") is not True or name not in ("any",):
                yield name, chosen


CASES = list(forms())


def called(name: str) -> Any:
    function = np
    for part in name.split("."):
        function = getattr(function, part)
    return function


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of empty and of all-NaN slices
@pytest.mark.parametrize("name", FORMS)
def test_every_form(name: str) -> None:
    function = called(name)
    x = NAN if name.startswith("nan") else X
    d = np.random.default_rng(1).standard_normal(x.shape)
    for _, options in [case for case in CASES if case[0] == name]:
        call = lambda x, o=options: function(x, **o)  # noqa: E731
        try:
            with np.errstate(all="ignore"):
                wanted = call(x)
        except (ValueError, TypeError):
            with pytest.raises((ValueError, TypeError)):
                bp.vjp(call, x)
            continue
        found, pullback = bp.vjp(call, x)
        assert np.shape(found) == np.shape(wanted), options
        assert np.asarray(found).dtype == np.asarray(wanted).dtype, options
        single = np.asarray(wanted).dtype in (np.float32, np.complex64)
        np.testing.assert_allclose(found, wanted, rtol=1e-5 if single else 1e-13, err_msg=str(options))
        if name in STEPS or single:
            continue
        h = 1e-6
        slope = (np.asarray(call(x + h * d), complex) - call(x - h * d)) / (2 * h)
        tolerance = 2e-7
        w = np.random.default_rng(2).uniform(0.5, 1.5, np.shape(wanted))
        slope = float(np.real(np.nansum(w * slope)))
        pushed = bp.jvp(call, (x,), (np.where(np.isnan(x), 0.0, d),))[1]
        assert abs(np.real(np.nansum(w * pushed)) - slope) <= tolerance * max(abs(slope), 1.0), options
        back = pullback(np.asarray(w, np.asarray(wanted).dtype))[0]
        assert back.shape == x.shape
        assert abs(np.nansum(back * d) - slope) <= tolerance * max(abs(slope), 1.0), options
