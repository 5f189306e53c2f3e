"""``scipy.integrate.quad``: its points are found on plain numbers, and the same sum is taken again of traced ones.

QUADPACK halves the interval until each part is exact enough, and adds Gauss and Kronrod's rule of each: 21 points; of
an infinite range 15, of f at a + (1 − t)/t. Where its value is another than that sum, since it was extrapolated towards
a singular end or a jump, there is no sum to differentiate, and it is refused. What is differentiated is the sum: where
the slope of the integrand jumps, its derivative is less exact than its value, and a jump of the value that moves adds
nothing to it. Source: Piessens and others (1983), "QUADPACK".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.graph import messages
from backpass.graph.traced import Traced, with_value

from .declare import as_array, is_staged, value_of
from .scipy_functions import _rule

# Of 21 and of 15 points: the positive abscissae, and the weights of these, the last of them at 0.
_ABSCISSAE = {
    21: (0.995657163025808080735527280689003, 0.973906528517171720077964012084452, 0.930157491355708226001207180059508,
         0.865063366688984510732096688423493, 0.780817726586416897063717578345042, 0.679409568299024406234327365114874,
         0.562757134668604683339000099272694, 0.433395394129247190799265943165784, 0.294392862701460198131126603103866,
         0.14887433898163121088482600112972, 0.0),
    15: (0.991455371120812639206854697526329, 0.949107912342758524526189684047851, 0.864864423359769072789712788640926,
         0.741531185599394439863864773280788, 0.58608723546769113029414469045684, 0.405845151377397166906606412076961,
         0.207784955007898467600689403773245, 0.0),
}  # fmt: skip
_WEIGHTS = {
    21: (0.011694638867371874278064396062192, 0.03255816230796472747881897245939, 0.05475589657435199603138130024458,
         0.07503967481091995276704314091619, 0.093125454583697605535065465083366, 0.109387158802297641899210590325805,
         0.123491976262065851077958109585166, 0.134709217311473325928054001771707, 0.142775938577060080797094273138717,
         0.147739104901338491374841515972068, 0.149445554002916905664936468389821),
    15: (0.022935322010529224963732008058970, 0.063092092629978553290700663189204, 0.104790010322250183839876322541518,
         0.140653259715525918745189590510238, 0.16900472663926790282829543367943, 0.190350578064785409913256402421014,
         0.204432940075298892414161999234649, 0.209482141084727828012999174891714),
}  # fmt: skip


@_rule("integrate")
def quad(func, a, b, args=(), full_output=0, epsabs=1.49e-8, epsrel=1.49e-8, limit=50, **options):
    """∫ func from a to b, also by the ends and by what `func` reads; the value is SciPy's."""
    import scipy.integrate

    args = args if isinstance(args, tuple) else (args,)
    if any(options.get(name) is not None for name in ("points", "weight")) or options.get("complex_func"):
        raise messages.option_refused("scipy.integrate.quad", "points, weight, complex_func", "Leave them out.")
    if any(map(is_staged, (a, b, *args))):
        raise messages.no_rule(scipy.integrate.quad)
    if value_of(b) < value_of(a):  # SciPy goes from the left to the right, too
        result, *rest = quad(func, b, a, args, full_output, epsabs, epsrel, limit)
        return (-result, *rest)
    start, stop = float(value_of(a)), float(value_of(b))

    def plain(x: float) -> float:
        y = func(x, *args)
        if is_staged(y):
            raise messages.no_rule(scipy.integrate.quad)
        return float(np.reshape(value_of(y), ()))

    value, error, found, *said = scipy.integrate.quad(
        plain, start, stop, full_output=1, epsabs=epsabs, epsrel=epsrel, limit=limit
    )
    parts = [(found["alist"][k], found["blist"][k]) for k in range(found["last"])]
    result = _sum(lambda x: func(x, *args), a, b, start, stop, parts)
    if type(result) is Traced:
        if not abs(result.node.value - value) <= 1e-9 * abs(value) + 1e-13:
            raise messages.stand_in_refused(
                "scipy.integrate.quad of a function that it extrapolates, to a singular end or where it jumps",
                "substitute a variable in which the function is smooth, or add the integrals from jump to jump",
            )
        result = with_value(result, value)
    return (result, error, found, *said) if full_output else (result, error)


def _sum(func: Any, a: Any, b: Any, start: float, stop: float, parts: list[tuple[float, float]]) -> Any:
    if start == stop:
        return 0.0 * (b - a)
    infinite = np.isinf(start) or np.isinf(stop)
    count = 15 if infinite else 21
    terms: list[Any] = []
    for low, high in parts:
        half = 0.5 * (high - low)
        for node, weight in zip(_ABSCISSAE[count], _WEIGHTS[count], strict=True):
            for side in (-node, node) if node else (0.0,):
                place, share = 0.5 * (low + high) + half * side, half * weight
                if infinite:
                    terms.append(_infinite(func, a, b, start, stop, place) * (share / place**2))
                else:
                    terms.append(_finite(func, a, b, start, stop, place) * share)
    return np.sum(np.stack([as_array(term) for term in terms]))


def _finite(func: Any, a: Any, b: Any, start: float, stop: float, place: float) -> Any:
    if not (isinstance(a, Traced) or isinstance(b, Traced)):
        return func(place)
    along = (place - start) / (stop - start)  # the places move with the ends
    return func(a + along * (b - a)) * ((b - a) / (stop - start))


def _infinite(func: Any, a: Any, b: Any, start: float, stop: float, t: float) -> Any:
    distance = (1.0 - t) / t
    if np.isinf(start) and np.isinf(stop):
        return func(distance) + func(-distance)
    return func(a + distance) if np.isinf(stop) else func(b - distance)


__all__ = ["quad"]
