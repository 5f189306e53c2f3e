"""Distribution functions by their parameters: against mpmath, at the ends, and between the laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from backpass.graph.errors import NoRuleError
from backpass.graph.op import OPS
from backpass.partials.special import _BLOCK

from .references import close, differences, identical

TABLE: list[tuple[str, tuple[int, ...], tuple[float, ...], float]] = [
    ("gammainc", (1, 0), (0.001, 1e-05), -10.818398299086339),
    ("gammainc", (1, 0), (0.001, 2.0), -0.049053345839364881),
    ("gammainc", (1, 0), (0.3, 1e-12), -0.0076861561068976344),
    ("gammainc", (1, 0), (2.5, 0.1), -0.0030252729366812101),
    ("gammainc", (1, 0), (2.5, 3.0), -0.22754855127826082),
    ("gammainc", (1, 0), (2.5, 60.0), -1.0696234590510459e-23),
    ("gammainc", (1, 0), (300.0, 250.0), -0.00023004318207195982),
    ("gammainc", (1, 0), (300.0, 310.0), -0.019253838374701429),
    ("gammainc", (1, 0), (3000.0, 3400.0), -1.5491498160168517e-13),
    ("gammainc", (2, 0), (0.001, 1e-05), 116.70010711471054),
    ("gammainc", (2, 0), (0.001, 2.0), -0.15289776820824403),
    ("gammainc", (2, 0), (0.3, 1e-12), 0.2107584535112306),
    ("gammainc", (2, 0), (2.5, 0.1), 0.010039697343806127),
    ("gammainc", (2, 0), (2.5, 3.0), -0.03980498725025574),
    ("gammainc", (2, 0), (2.5, 60.0), -3.4914442837273994e-23),
    ("gammainc", (2, 0), (300.0, 250.0), 4.1953692935619437e-5),
    ("gammainc", (2, 0), (300.0, 310.0), -0.00063148755665187136),
    ("gammainc", (2, 0), (3000.0, 3400.0), -1.9390183039552253e-14),
    ("gammainc", (3, 0), (0.001, 1e-05), -1238.4812740712222),
    ("gammainc", (3, 0), (0.001, 2.0), -0.12519585731984587),
    ("gammainc", (3, 0), (0.3, 1e-12), -5.7700413395538514),
    ("gammainc", (3, 0), (2.5, 0.1), -0.03221281448950535),
    ("gammainc", (3, 0), (2.5, 3.0), 0.085292702382894065),
    ("gammainc", (3, 0), (2.5, 60.0), -1.0924516500806203e-22),
    ("gammainc", (3, 0), (300.0, 250.0), -6.8842428251135255e-6),
    ("gammainc", (3, 0), (300.0, 310.0), 4.3486227880161249e-5),
    ("gammainc", (3, 0), (3000.0, 3400.0), -2.3753635335200953e-15),
    ("gammainc", (1, 1), (2.5, 3.0), 0.076959106927176746),
    ("gammainc", (2, 2), (2.5, 3.0), 0.083803055620855977),
    ("betaprime", (1, 0, 0), (0.001, 0.3, 1e-08), -20.884936223753298),
    ("betaprime", (1, 0, 0), (0.5, 0.5, 1000000000000000.0), -2.7908441176022912e-8),
    ("betaprime", (1, 0, 0), (2.5, 0.3, 4.0), -0.075649954693430965),
    ("betaprime", (1, 0, 0), (2.5, 7.5, 0.001), -1.0554279083752706e-5),
    ("betaprime", (1, 0, 0), (2.5, 7.5, 3.0), -0.00053140528849766601),
    ("betaprime", (1, 0, 0), (0.5, 100000.0, 1e-05), -0.38983928304956376),
    ("betaprime", (1, 0, 0), (400.0, 300.0, 1.2), -0.0051411123040304612),
    ("betaprime", (1, 0, 0), (80.0, 500.0, 0.3), -4.3641971988684983e-9),
    ("betaprime", (0, 1, 0), (0.001, 0.3, 1e-08), 0.011950087812392703),
    ("betaprime", (0, 1, 0), (0.5, 0.5, 1000000000000000.0), 7.0767868971113046e-7),
    ("betaprime", (0, 1, 0), (2.5, 0.3, 4.0), 0.63389837594648154),
    ("betaprime", (0, 1, 0), (2.5, 7.5, 0.001), 5.5748054767253676e-7),
    ("betaprime", (0, 1, 0), (2.5, 7.5, 3.0), 0.00049907274146622749),
    ("betaprime", (0, 1, 0), (0.5, 100000.0, 1e-05), 2.075550459159839e-6),
    ("betaprime", (0, 1, 0), (400.0, 300.0, 1.2), 0.0065036829181464751),
    ("betaprime", (0, 1, 0), (80.0, 500.0, 0.3), 9.6445045739169648e-10),
    ("betaprime", (1, 1, 0), (0.001, 0.3, 1e-08), 11.658527293906743),
    ("betaprime", (1, 1, 0), (0.5, 0.5, 1000000000000000.0), 9.4793568281193235e-7),
    ("betaprime", (1, 1, 0), (2.5, 0.3, 4.0), -0.19118545141555754),
    ("betaprime", (1, 1, 0), (2.5, 7.5, 0.001), -3.0189446853506784e-6),
    ("betaprime", (1, 1, 0), (2.5, 7.5, 3.0), 0.00060797721241451206),
    ("betaprime", (1, 1, 0), (0.5, 100000.0, 1e-05), 4.0753330029378989e-6),
    ("betaprime", (1, 1, 0), (400.0, 300.0, 1.2), -0.00030375947125777751),
    ("betaprime", (1, 1, 0), (80.0, 500.0, 0.3), 5.007607010643201e-10),
    ("betaprime", (1, 1, 1), (2.5, 7.5, 3.0), -0.00090959067725937939),
    ("betaprime", (0, 1, 2), (2.5, 7.5, 3.0), 0.0013826103479059883),
    ("stdtr", (1, 0), (0.01, 2.0), 1.5334329640103222),
    ("stdtr", (1, 0), (1.3, -0.5), -0.022266468490560622),
    ("stdtr", (1, 0), (1.3, 1000000.0), 7.3899001209952187e-8),
    ("stdtr", (1, 0), (12.0, 3.0), 0.00045579463972127527),
    ("stdtr", (1, 0), (1000.0, 1.0), 1.2092485445989789e-7),
    ("stdtr", (1, 0), (1000.0, -6.0), -4.4943474811066034e-13),
    ("stdtr", (2, 0), (0.01, 2.0), -29.301639075609277),
    ("stdtr", (2, 0), (1.3, -0.5), 0.027037956215747264),
    ("stdtr", (2, 0), (1.3, 1000000.0), -9.9644229772200868e-7),
    ("stdtr", (2, 0), (12.0, 3.0), -9.1850334463818139e-5),
    ("stdtr", (2, 0), (1000.0, 1.0), -2.4178918600629356e-10),
    ("stdtr", (2, 0), (1000.0, -6.0), 1.0248687946870816e-15),
    ("stdtr", (1, 1), (0.01, 2.0), 0.23269143339882657),
    ("stdtr", (1, 1), (1.3, -0.5), 0.048513257297630415),
    ("stdtr", (1, 1), (1.3, 1000000.0), -9.0572532707904648e-14),
    ("stdtr", (1, 1), (12.0, 3.0), -0.00047235427415565794),
    ("stdtr", (1, 1), (1000.0, 1.0), 1.2088458645380602e-7),
    ("stdtr", (1, 1), (1000.0, -6.0), -2.3865921415259261e-12),
    ("noncentral_gamma", (1, 0, 0), (0.5, 0.3, 0.01), -0.38797114246356853),
    ("noncentral_gamma", (1, 0, 0), (2.0, 10.0, 3.0), -0.0056312309970965098),
    ("noncentral_gamma", (1, 0, 0), (2.0, 10.0, 60.0), -1.5587645455135493e-10),
    ("noncentral_gamma", (1, 0, 0), (5.0, 100.0, 220.0), -9.4703967845821301e-12),
    ("noncentral_gamma", (2, 0, 0), (0.5, 0.3, 0.01), 1.7256691222719097),
    ("noncentral_gamma", (2, 0, 0), (2.0, 10.0, 3.0), 0.0042306741626411881),
    ("noncentral_gamma", (2, 0, 0), (2.0, 10.0, 60.0), -1.3505411840271712e-10),
    ("noncentral_gamma", (2, 0, 0), (5.0, 100.0, 220.0), -3.5906113472966634e-12),
    ("noncentral_gamma", (1, 0, 1), (0.5, 0.3, 0.01), -11.046648363287741),
    ("noncentral_gamma", (1, 0, 1), (2.0, 10.0, 3.0), -0.0057464598478175723),
    ("noncentral_gamma", (1, 0, 1), (2.0, 10.0, 60.0), 9.1010763804370133e-11),
    ("noncentral_gamma", (1, 0, 1), (5.0, 100.0, 220.0), 2.9993259132547708e-12),
    ("noncentral_beta", (1, 0, 0, 0), (0.5, 2.0, 0.3, 0.01), -0.43793051533719745),
    ("noncentral_beta", (1, 0, 0, 0), (2.0, 5.0, 10.0, 3.0), -0.051269305980719868),
    ("noncentral_beta", (1, 0, 0, 0), (2.0, 5.0, 10.0, 100.0), -1.7360842822483782e-7),
    ("noncentral_beta", (0, 1, 0, 0), (0.5, 2.0, 0.3, 0.01), 0.030903024444029748),
    ("noncentral_beta", (0, 1, 0, 0), (2.0, 5.0, 10.0, 3.0), 0.13893449654140562),
    ("noncentral_beta", (0, 1, 0, 0), (2.0, 5.0, 10.0, 100.0), 1.9797305138985722e-6),
    ("noncentral_beta", (0, 1, 0, 1), (0.5, 2.0, 0.3, 0.01), 1.5198157507727252),
    ("noncentral_beta", (0, 1, 0, 1), (2.0, 5.0, 10.0, 3.0), -0.013383281821244182),
    ("noncentral_beta", (0, 1, 0, 1), (2.0, 5.0, 10.0, 100.0), -8.9883229992244759e-8),
    ("nctdtr", (1, 0, 0), (2.3, 0.5, 0.7), 0.011980593129232987),
    ("nctdtr", (1, 0, 0), (0.4, 1.0, 20.0), 0.6130151181551257),
    ("nctdtr", (1, 0, 0), (10.0, 3.0, 8.0), 0.0016037581995052033),
    ("nctdtr", (1, 0, 0), (50.0, -1.0, 1.0), 1.6217079524759268e-5),
    ("nctdtr", (1, 0, 0), (10.0, 3.0, 0.1), 1.0263749113356234e-6),
    ("nctdtr", (1, 0, 1), (2.3, 0.5, 0.7), 0.02245900068758306),
    ("nctdtr", (1, 0, 1), (0.4, 1.0, 20.0), -0.0018141830710243141),
    ("nctdtr", (1, 0, 1), (10.0, 3.0, 8.0), -0.0010338062128359247),
    ("nctdtr", (1, 0, 1), (50.0, -1.0, 1.0), 4.59333037540129e-7),
    ("nctdtr", (1, 0, 1), (10.0, 3.0, 0.1), 9.2083645141740418e-6),
]
"""An operation without its `_derivative`, orders, arguments and value: ``mpmath.diff`` (mpmath 1.4.1, 80 digits) of its
``gammainc`` and ``betainc``, ``regularized=True``, and of Poisson mixtures of these."""


@pytest.mark.parametrize(("name", "orders", "args", "wanted"), TABLE)
def test_against_mpmath(name: str, orders: tuple[int, ...], args: tuple[float, ...], wanted: float) -> None:
    np.testing.assert_allclose(OPS[f"{name}_derivative"](*orders, *args), wanted, rtol=1e-10)


SHAPE = st.floats(-6, 9).map(np.exp)


@settings(max_examples=60, deadline=None)
@given(SHAPE, SHAPE, st.floats(-20, 20).map(np.exp))
def test_the_beta_law_turned_round(a: float, b: float, r: float) -> None:
    of = OPS["betaprime_derivative"]
    close(of(1, 0, 0, a, b, r), -of(0, 1, 0, b, a, 1 / r), 1e-9)
    assert of(1, 0, 0, a, b, r) <= 0


@settings(max_examples=60, deadline=None)
@given(SHAPE, st.floats(0.001, 0.999), st.integers(1, 3))
def test_the_gamma_law_by_one_more(a: float, p: float, n: int) -> None:
    """P(a, x) − P(a + 1, x) = p(a + 1, x), the density (DLMF 8.8.5), differentiated n times in a."""
    x = sp.gammaincinv(a, p)
    of = OPS["gammainc_derivative"]
    terms = [of(n, 0, a, x), of(n, 0, a + 1, x), of(n, 1, a + 1, x)]
    assert abs(terms[0] - terms[1] - terms[2]) <= 1e-10 * max(map(abs, terms))


def test_where_there_is_nothing_to_add_up() -> None:
    of = OPS["gammainc_derivative"]
    np.testing.assert_array_equal(of(1, 0, 2.0, np.array([0.0, np.inf, np.nan, -1.0])), [0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(of(1, 0, np.array([0.0, -1.0, np.nan]), 2.0), [np.nan] * 3)
    np.testing.assert_array_equal(OPS["betaprime_derivative"](1, 0, 0, 2.0, 3.0, np.array([0.0, np.inf])), [0, 0])
    np.testing.assert_array_equal(OPS["stdtr_derivative"](1, 0, 2.0, np.array([0.0, np.inf, -np.inf])), [0, 0, 0])


def test_many_entries_are_each_as_alone() -> None:
    a = np.linspace(0.3, 40.0, _BLOCK + 3)
    found = OPS["gammainc_derivative"](1, 0, a, 7.0)
    for k in (0, _BLOCK - 1, _BLOCK, _BLOCK + 2):
        close(found[k], OPS["gammainc_derivative"](1, 0, a[k], 7.0), 1e-14)
    identical(OPS["gammainc_derivative"](1, 0, np.float32(2), np.float32(1)).dtype, np.dtype(np.float32))


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (sp.gammainc, (np.float64(2.3), np.float64(1.7))),
        (sp.betainc, (np.float64(2.3), np.float64(1.2), np.float64(0.4))),
        (sp.stdtr, (np.float64(2.3), np.float64(-1.7))),
        (sp.fdtr, (np.float64(2.3), np.float64(4.1), np.float64(1.7))),
        (lambda n: sp.bdtrik(0.6, n, 0.3), (np.float64(5.3),)),
        (lambda n: sp.nbdtrik(0.6, n, 0.3), (np.float64(5.3),)),
        (lambda k: sp.bdtrin(k, 0.6, 0.3), (np.float64(2.2),)),
        (lambda k: sp.nbdtrin(k, 0.6, 0.3), (np.float64(2.2),)),
        (lambda m: sp.pdtrik(0.6, m), (np.float64(2.2),)),
        (lambda v: sp.nctdtrit(v, 0.4, 0.7), (np.float64(4.3),)),
        (lambda v: sp.nctdtrinc(v, 0.4, 0.7), (np.float64(4.3),)),
        (lambda c, t: sp.nctdtridf(0.88, c, t), (np.float64(0.5), np.float64(2.0))),
    ],
)
def test_three_orders(f: Any, at: tuple[Any, ...]) -> None:
    for k in range(len(at)):
        below = f
        for order in (1, 2, 3):
            slope = bp.grad(below, argnums=k)
            close(slope(*at), differences(below, at, k, step=1e-3), 1e-7, f"order {order}, argument {k}")
            below = slope


def test_the_count_is_0_where_none_is_as_small() -> None:
    for f in (lambda p: sp.bdtrik(p, 5.0, 0.4), lambda p: sp.nbdtrik(p, 5.0, 0.4), lambda p: sp.pdtrik(p, 5.0)):
        assert (f(1e-3), bp.grad(f)(1e-3), bp.grad(bp.grad(f))(1e-3)) == (0, 0, 0)
    assert bp.grad(lambda m: sp.pdtrik(1e-3, m))(5.0) == 0


def test_counts_are_refused() -> None:
    with pytest.raises(NoRuleError, match="in a count"):
        bp.grad(lambda k: sp.pdtr(k, 1.3))(2.0)


def test_student_of_many_degrees_is_right_or_nan() -> None:
    """∂T/∂v = t (t² + 1) φ(t)/4v² + O(v⁻³) at c = 0 (Fisher 1925)."""
    v, t = np.array([1e6, 1e7, 1e8, 1e10]), 0.7
    found = OPS["nctdtr_derivative"](1, 0, 0, v, 0.0, t)
    wanted = t * (t * t + 1) * np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi) / (4 * v * v)
    np.testing.assert_allclose(found[:2], wanted[:2], rtol=2e-6)
    assert np.all(np.isnan(found[2:]) | (np.abs(found[2:] / wanted[2:] - 1) < 1e-6))


def test_sums_of_too_many_terms_are_nan() -> None:
    large = np.array([2.0, 1e9, np.nan])
    for found in (
        OPS["noncentral_gamma_derivative"](1, 0, 0, 2.0, large, 1 + large),
        OPS["noncentral_beta_derivative"](1, 0, 0, 0, 2.0, 2.5, large, 1 + large),
        OPS["nctdtr_derivative"](1, 0, 0, 5.0, large, large),
    ):
        np.testing.assert_array_equal(np.isnan(found), [False, True, True])
    assert np.isnan(bp.grad(lambda k: sp.chndtr(1e8, k, 1e8))(5.0))
    assert np.isnan(bp.grad(lambda m: sp.ncfdtr(m, 5.0, 1e8, 1e7))(5.0))
