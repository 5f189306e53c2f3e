"""The table of coverage names every function there is, tells the truth about each, and stands in the documents."""

from inspect import signature
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import scipy
import scipy.special

import backpass as bp
from backpass.graph.errors import NoRuleError
from backpass.graph.op import FUNCTIONS, REFUSALS, UFUNCS
from backpass.partials.special import _OUTPUTS

from .references import close, differences, identical
from .sampled import sampled, several_results
from .samples import TOLERANCE

TABLE = bp.coverage()
SEVERAL = several_results()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"


def test_every_function_is_named() -> None:
    assert [row.name for row in TABLE if row.status == "not named"] == []
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_no_function_has_both_a_rule_and_a_refusal() -> None:
    assert [f for f in REFUSALS if f in FUNCTIONS or f in UFUNCS] == []


def test_every_refusal_says_why() -> None:
    assert [row.name for row in TABLE if row.status in ("refused", "takes no traced value") and not row.note] == []


def test_what_takes_no_traced_value_does_not_ask_its_arguments() -> None:
    """A function that dispatches on its arguments needs a rule or a refusal; ``like=`` is no argument in that sense."""
    names = [row.name for row in TABLE if row.status == "takes no traced value"]
    functions = [attrgetter(name.partition(".")[2])(np) for name in names if not name.endswith("row_stack")]
    asked = [f.__name__ for f in functions if type(f) is type(np.sum) and "like" not in signature(f).parameters]
    assert asked == []


@pytest.mark.parametrize(
    "call", [np.busday_count, np.packbits, np.unravel_index, scipy.special.obl_rad2], ids=lambda f: f.__name__
)
def test_the_error_gives_the_reason(call) -> None:
    args = (1,) if call is np.packbits else (4 if call is scipy.special.obl_rad2 else 2,)
    x = np.array([1.0, 2.0])
    with pytest.raises(NoRuleError) as caught:
        bp.grad(lambda t: np.sum(call(*(t,) * args[0])))(x)
    full = f"numpy.{call.__name__}"
    reasons = {row.name.rpartition(".")[2]: row.note for row in TABLE if row.status == "refused"}
    assert reasons[call.__name__] in str(caught.value), full
    assert "test_coverage.py" in str(caught.value)


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    if (
        f"NumPy {'.'.join(np.__version__.split('.')[:2])} and SciPy {'.'.join(scipy.__version__.split('.')[:2])}"
        not in written
    ):
        pytest.skip("the page was written with other releases of NumPy and SciPy")
    assert written == TABLE.markdown(sampled(TABLE)), (
        "write it again: python -m tests.partials.sampled > docs/coverage.md"
    )


def test_every_rule_has_a_sample() -> None:
    assert TABLE.untested(sampled(TABLE)) == []
    assert "numpy.sin" in TABLE.untested({"numpy.cos"})


@pytest.mark.parametrize("name", SEVERAL)
def test_functions_with_several_results(name: str) -> None:
    function, args = getattr(scipy.special, name), SEVERAL[name]
    last = len(args) - 1  # those before are orders and parameters, which some of them hold fixed

    def f(x):
        return function(*args[:last], x)

    wanted = f(args[last])
    for found, own in zip(bp.vjp(f, args[last])[0], wanted, strict=True):
        identical(found, own, name)

    def loss(x):
        return sum(np.sum(np.sin(np.real(part)) * (k + 1.0)) for k, part in enumerate(f(x)))

    x = np.asarray(args[last], float)
    gradient = bp.grad(loss)(x)
    tolerance = max([1e-6, *[TOLERANCE.get(part, 0.0) for part in _OUTPUTS[name]]])
    close(gradient, differences(loss, (x,), 0), tolerance, name)
    close(bp.jvp(loss, (x,), (np.ones_like(x),))[1], np.sum(gradient), 1e-11, "forward mode")


def test_it_prints() -> None:
    text = str(TABLE)
    assert "numpy.linalg.svd" in text
    assert text.splitlines()[-1].startswith(str(TABLE.counts()["rule"]))
