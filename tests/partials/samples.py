"""What the registry test feeds each operation: shapes, attributes, values from its domain, and its analytic form.

An elementwise operation needs no row here: its arguments follow from ``op.domain``. Every other one has its cases in
`CASES`. `ANALYTIC` says how to evaluate an operation at complex arguments, where NumPy's own function does not.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.special as sp

import backpass.partials.random  # noqa: F401  (enters random_bits)
from backpass.graph.op import OPS, Kind, Op
from backpass.partials.special import scipy_op

scipy_op(sp.erf)  # SciPy is here: let its names be known


@dataclass(frozen=True)
class Case:
    """Arguments of one call: a shape stands for random entries of the operation's domain, anything else for itself."""

    args: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    numpy: Callable[..., Any] | None = None
    """NumPy's own function of the same arguments, where that is not what the record itself runs."""


def case(*args: Any, numpy: Callable[..., Any] | None = None, **attrs: Any) -> Case:
    shapes = ",".join(str(a).replace(" ", "") if isinstance(a, tuple) else "·" for a in args)
    told = ",".join(f"{k}={v}" for k, v in attrs.items()).replace(" ", "")
    return Case(args, attrs, f"{shapes}{';' if told else ''}{told}", numpy)


def over(*axes: Any) -> list[Case]:
    """Cases of a reduction: all axes, one, several, none, kept, and empty arrays."""
    shapes = [((3,), (0,)), ((2, 3), (0, 1)), ((2, 3), (1,)), ((2, 3, 2), (0, 2)), ((2, 3), ()), ((), ())]
    return [case(s, axis=a, keepdims=k) for s, a in shapes for k in (False, True)] + [*axes]


EMPTY = [case((0,), axis=(0,), keepdims=False), case((2, 0), axis=(0,), keepdims=True)]
WHOLE = np.array([[2, 0, 1], [-1, 1, 1]])
_s = slice

CASES: dict[str, list[Case]] = {
    "alias": [case((2, 3))],
    "real": [case((2, 3)), case(()), case((0, 2))],
    "imag": [case((2, 3)), case(()), case((0, 2))],
    "stop_gradient": [case((2, 3))],
    "where": [
        case(np.array([True, False, True]), (3,), (3,)),
        case(np.array([[True], [False]]), (3,), ()),
        case(np.array(True), (), (2, 1)),
        case(np.zeros(0, bool), (0,), (1,)),
    ],
    "sum": [*over(*EMPTY), case((0, 2), axis=(0,), keepdims=False), case((2, 0), axis=(1,), keepdims=False)],
    "prod": [*over(*EMPTY), case((2, 0), axis=(1,), keepdims=False), case((4, 2), axis=(0,), keepdims=False)],
    "max": over(case((2, 0), axis=(0,), keepdims=True)),
    "min": over(case((2, 0), axis=(0,), keepdims=True)),
    "any": over(*EMPTY),
    "all": over(*EMPTY),
    "norm": over(*EMPTY),
    "logsumexp": over(case((2, 0), axis=(0,), keepdims=True)),
    "argmax": [case((4,), axis=0, keepdims=False), case((2, 3), axis=1, keepdims=True)],
    "argmin": [case((4,), axis=0, keepdims=False), case((2, 3), axis=1, keepdims=True)],
    "lead": [case((4,), axis=0, largest=True), case((2, 3), axis=1, largest=False), case((0, 2), axis=0, largest=True)],
    "argsort": [
        case((2, 3), axis=1, kind="quicksort"),
        case((3,), axis=0, kind="stable"),
        case((0,), axis=0, kind="stable"),
    ],
    "searchsorted": [case(np.arange(3.0), (2, 2), side="left"), case(np.arange(3.0), (), side="right")],
    "interp_piece": [
        case(np.arange(3.0), (2, 2)),
        case(np.array([0.0, 2.0, 1.0, 1.0, 3.0, 2.5]), (2, 3)),
        case(np.arange(3.0), (0,)),
    ],
    "random_bits": [case(np.array([7, 1], np.uint32), shape=(2, 3)), case(np.array([7, 1], np.uint32), shape=(0,))],
    "cumsum": [
        case((4,), axis=0),
        case((2, 3), axis=1),
        case((2, 3), axis=0),
        case((0, 2), axis=0),
        case((1,), axis=0),
    ],
    "cumprod": [
        case((4,), axis=0),
        case((2, 3), axis=1),
        case((2, 3), axis=0),
        case((0, 2), axis=0),
        case((1,), axis=0),
    ],
    "recurrence": [case((4,), (4,), axis=0), case((2, 3), (2, 3), axis=1), case((0, 2), (0, 2), axis=0)],
    "reshape": [case((2, 3), shape=(3, 2)), case((), shape=(1, 1)), case((2, 0), shape=(0,)), case((6,), shape=(1, 6))],
    "transpose": [
        case((2, 3), axes=(1, 0)),
        case((2, 3, 2), axes=(2, 0, 1)),
        case((0, 2), axes=(1, 0)),
        case((), axes=()),
    ],
    "broadcast_to": [
        case((3,), shape=(2, 3)),
        case((2, 1), shape=(2, 3)),
        case((), shape=(2, 2)),
        case((1, 3, 1), shape=(2, 2, 3, 2)),
        case((1,), shape=(0,)),
        case((2, 1), shape=(2, 0)),
    ],
    "cast": [
        case((2, 3), dtype="float64"),
        case((2,), dtype="float32"),
        case((), dtype="float64"),
        case((0, 2), dtype="float32"),
    ],
    "cast_discrete": [case((2, 3), dtype="int64"), case((), dtype="bool"), case((0, 2), dtype="int32")],
    "ldexp": [case((2, 3), np.array([1, -2, 0])), case((), 3), case((0,), np.array([1]))],
    "correlate": [case((4,), (2,)), case((2,), (4,)), case((1,), (1,))],
    "convolve_nd": [
        case((4,), (2,), mode="full"),
        case((2,), (4,), mode="full"),
        case((5,), (3,), mode="valid"),
        case((3, 4), (2, 2), mode="full"),
        case((4, 3), (3, 2), mode="valid"),
        case((2, 3, 2), (1, 3, 2), mode="valid"),
    ],
    "lfilter": [case((3,), (2,), (5,)), case((1,), (3,), (2, 4)), case((2,), (1,), (3,)), case((4,), (4,), (2,))],
    "upfirdn": [
        case((3,), (4,), up=1, down=1),
        case((4,), (2, 3), up=2, down=3),
        case((2,), (5,), up=1, down=4),
        case((5,), (1,), up=3, down=2),
    ],
    **{name: [case((4, 3), type=t, axis=t % 2) for t in (1, 2, 3, 4)] for name in ("dct", "dst")},
    "spline_filter": [case((5, 3), order=3, axis=0, mode=m) for m in (3, 5)] + [case((3, 4), order=4, axis=1, mode=3)],
    "rank_filter": [
        case((4, 3), np.ones((2, 2), bool), rank=1),
        case((5,), np.array([True, False, True]), rank=0),
    ],
    "vecdot": [case((3,), (3,)), case((2, 3), (3,)), case((2, 1, 3), (2, 3)), case((0, 3), (3,)), case((2, 0), (2, 0))],
    "var": [
        case((3,), axis=(0,), keepdims=False, ddof=0),
        case((2, 3), axis=(0, 1), keepdims=True, ddof=1),
        case((2, 3, 2), axis=(0, 2), keepdims=False, ddof=0.5),
        case((2, 3), axis=(), keepdims=False, ddof=0),
        case((2, 0), axis=(0,), keepdims=True, ddof=0),
    ],
    "trace": [case((3, 3)), case((2, 3)), case((2, 3, 2)), case((0, 3)), case((2, 0, 0))],
    "linspace": [
        case((), (), num=4, endpoint=True),
        case((2,), (), num=3, endpoint=False),
        case((2, 1), (3,), num=3, endpoint=True),
        case((), (), num=1, endpoint=True),
        case((), (), num=0, endpoint=True),
        case((0, 2), (2,), num=2, endpoint=True),
    ],
    "cross": [case((3,), (3,)), case((2, 3), (3,)), case((2, 1, 3), (4, 3)), case((0, 3), (3,))],
    "round": [case((2, 3), decimals=1), case((), decimals=0), case((0,), decimals=2)],
    "concatenate": [
        case((2,), (3,), axis=0),
        case((2, 1), (2, 2), (2, 0), axis=1),
        case((0, 2), (1, 2), axis=0),
        case((2,), np.arange(2), axis=0),
    ],
    "slice": [
        case((4,), key=(_s(None, None, -2),)),
        case((2, 3), key=(1,)),
        case((2, 3), key=(Ellipsis, None, _s(1, None))),
        case((2, 3), key=(0, -1)),
        case((2, 3), key=()),
        case((3, 2), key=(_s(5, 1),)),
        case((0, 2), key=(_s(None), 0)),
    ],
    "unslice": [
        case((2,), shape=(4,), key=(_s(None, None, -2),)),
        case((3,), shape=(2, 3), key=(1,)),
        case((), shape=(2, 3), key=(0, -1)),
        case((0, 2), shape=(3, 2), key=(_s(5, 1),)),
    ],
    "gather": [
        case((3,), np.array([2, 0, 0, -1]), key=("index",)),
        case((3, 2), WHOLE, key=("index",)),
        case((3, 3), np.array([0, 2]), np.array([[1], [1]]), key=("index", "index")),
        case((3, 2, 3), np.array([0, 2]), np.array([1, 1]), key=("index", _s(None), "index")),
        case((2, 3), np.array([[1, 1]]), key=(0, "index")),
        case((2, 3), np.zeros((0,), np.intp), key=(_s(None), "index")),
        case((0, 2), np.zeros((0,), np.intp), key=("index",)),
        case((2, 3), np.array(1), key=("index", None, _s(None, None, -1))),
    ],
    "scatter_add": [
        case((4,), np.array([2, 0, 0, -1]), shape=(3,), key=("index",)),
        case((2, 3, 2), WHOLE, shape=(3, 2), key=("index",)),
        case((2, 2), np.array([0, 2]), shape=(2, 3), key=(_s(None), "index")),
        case((0,), np.zeros((0,), np.intp), shape=(3,), key=("index",)),
        case((70, 2), np.arange(70) % 3, shape=(3, 2), key=("index",)),
    ],
    "setitem": [
        case((4,), (), keys=((1,),)),
        case((4,), (), (), (), keys=((3,), (0,), (-2,))),
        case((2, 3), (3,), (3,), keys=((1,), (0,))),
        case((2, 3), (), keys=((slice(None), slice(None, None, 2)),)),
        case((2, 3), (2, 1), keys=((Ellipsis,),)),
        case((2, 3), (1, 2), keys=((None, 0, slice(1, None)),)),
        case((), (), keys=((),)),
        case((0, 2), (2,), keys=((slice(None),),)),
    ],
    "put": [
        case((4,), (3,), np.array([2, 0, -1]), key=("index",)),
        case((4,), (4,), np.array([2, 0, 2, -2]), key=("index",)),
        case((3, 2), (), WHOLE, key=("index",)),
        case((3, 3), (2, 1), np.array([0, 2]), np.array([[1], [0]]), key=("index", "index")),
        case((2, 3), (2, 2), np.array([0, 2]), key=(_s(None), "index")),
        case((3,), (0,), np.zeros((0,), np.intp), key=("index",)),
    ],
    "add_at": [
        case((4,), (4,), np.array([2, 0, 2, -2]), key=("index",)),
        case((2, 3), (2, 2), np.array([1, 1]), key=(_s(None), "index")),
        case((2, 3), (), WHOLE[0] % 2, key=("index",)),
        case((2, 3), (2, 1), key=(_s(None), _s(1, None))),
    ],
    "written_last": [
        case(np.array([2, 0, 2, -1]), shape=(3,), key=("index",)),
        case(np.array([0, 0]), shape=(2, 3), key=(_s(None), "index")),
    ],
    "matmul": [
        case((2, 3), (3, 2)),
        case((3,), (3,)),
        case((3,), (3, 2)),
        case((2, 3), (3,)),
        case((2, 2, 3), (3, 2)),
        case((2, 2, 3), (3,)),
        case((3,), (2, 3, 2)),
        case((2, 3), (2, 3, 1)),
        case((2, 1, 1, 3), (3, 3, 2)),
        case((1, 2, 3), (2, 3, 2)),
        case((0, 3), (3, 2)),
        case((2, 0), (0, 3)),
        case((0,), (0,)),
        case((0, 2, 3), (3, 2)),
        case((1, 3), (3, 1)),
    ],
    "einsum": [
        case((2, 3), (3, 2), subscripts="ij,jk->ik"),
        case((2, 3), subscripts="ij->ji"),
        case((2, 3), subscripts="ij->"),
        case((2, 3), subscripts="ij->j"),
        case((3, 3), subscripts="ii->i"),
        case((3, 3), subscripts="ii->"),
        case((2, 2, 2), subscripts="iii->i"),
        case((2, 3, 2), subscripts="iji->j"),
        case((3,), (2,), subscripts="i,j->ij"),
        case((2,), (2, 3), (3,), subscripts="i,ij,j->"),
        case((2, 3), (2, 3), subscripts="ij,ij->i"),
        case((2, 3), (2,), subscripts="ij,k->i"),
        case((2, 2, 3), (2, 3, 2), subscripts="bij,bjk->bik"),
        case((), (2,), subscripts=",i->i"),
        case((2, 1), (2, 3), subscripts="ij,ij->j"),
        case((0, 3), (3, 2), subscripts="ij,jk->ik"),
        case((2, 0), (0, 2), subscripts="ij,jk->ik"),
    ],
    "solve": [
        case((3, 3), (3, 2)),
        case((2, 3, 3), (3, 1)),
        case((3, 3), (2, 3, 1)),
        case((0, 0), (0, 2)),
        case((1, 1), (1, 1)),
    ],
    "inv": [case((3, 3)), case((2, 2, 2)), case((0, 2, 2)), case((1, 1))],
    "det": [case((3, 3)), case((2, 2, 2)), case((0, 2, 2)), case((1, 1))],
    "cofactors": [case((3, 3)), case((2, 2, 2)), case((0, 2, 2)), case((1, 1))],
    "logabsdet": [case((3, 3)), case((2, 2, 2)), case((0, 2, 2)), case((1, 1))],
    "signdet": [case((3, 3)), case((2, 2, 2))],
    "betainc": [case((3,), (3,), (3,)), case((2, 1), (), (3,)), case((0,), (1,), ())],
    "betaincinv": [case((3,), (3,), (3,)), case((2, 1), (), (3,)), case((0,), (1,), ())],
    **{
        f"{name}_derivative": [case(1, 0, (3,), (3,)), case(1, 1, (2, 1), (3,)), case(2, 0, (0,), ())]
        for name in ("gammainc", "stdtr")
    },
    "betaprime_derivative": [
        case(1, 0, 0, (3,), (3,), (3,)),
        case(1, 1, 1, (2, 1), (), (3,)),
        case(0, 2, 0, (0,), (), ()),
    ],
    "cholesky": [case((3, 3)), case((2, 2, 2)), case((0, 2, 2)), case((1, 1))],
    "eigh": [case(s, uplo=u) for s in ((3, 3), (2, 2, 2), (0, 2, 2), (1, 1), (0, 0)) for u in "LU"],
    "eigvalsh": [case(s, uplo=u) for s in ((3, 3), (2, 2, 2), (0, 2, 2), (1, 1), (0, 0)) for u in "LU"],
    "svd": [
        *[case(s, full_matrices=False) for s in ((3, 3), (3, 2), (2, 3), (2, 3, 2), (1, 1), (0, 2, 2), (0, 2), (2, 0))],
        case((2, 1), full_matrices=True),  # one column more: no space to turn in, so differences can tell
        case((1, 2), full_matrices=True),
    ],
    "svdvals": [case((3, 3)), case((3, 2)), case((2, 2, 3)), case((1, 1)), case((0, 2, 2)), case((0, 2))],
    "pinv": [case(s, rcond=1e-15) for s in ((3, 3), (3, 2), (2, 3), (2, 2, 3), (1, 1), (0, 2, 2), (2, 0))],
    "lstsq": [case(a, b, rcond=1e-15) for a, b in (((3, 3), (3, 1)), ((4, 2), (4, 2)), ((2, 3), (2, 2)))],
    "expm": [case((3, 3)), case((2, 2, 2))],
    "solve_triangular": [
        case((3, 3), (3, 2), lower=True, unit=False),
        case((3, 3), (3, 1), lower=False, unit=True),
        case((2, 3, 3), (2, 3, 2), lower=False, unit=False),
    ],
    "solve_banded": [
        case((3, 3), (3, 2), lower=1, upper=1),
        case((2, 4), (4, 1), lower=0, upper=1),
        case((2, 4), (4, 2), lower=1, upper=0),
        case((1, 2), (2, 1), lower=0, upper=0),
        case((4, 4), (4, 1), lower=0, upper=3),
    ],
    "solve_sylvester": [case((3, 3), (2, 2), (3, 2)), case((2, 2), (2, 2), (2, 2))],
    "solve_are": [case((3, 3), (3, 3), (3, 3), (3, 3), discrete=d) for d in (False, True)],
    "sqrtm": [case((3, 3))],
    "logm": [case((3, 3))],
    "eig": [case(s) for s in ((3, 3), (2, 2, 2), (0, 2, 2), (1, 1))],
    "eigvals": [case(s) for s in ((3, 3), (2, 2, 2), (0, 2, 2), (1, 1))],
    "phasedet": [case(s) for s in ((3, 3), (2, 2, 2), (0, 2, 2), (1, 1), (0, 0))],
    **{
        name: [
            case((4,), n=4, axis=0, norm="backward"),
            case((5,), n=5, axis=0, norm="ortho"),
            case((2, 3), n=6, axis=1, norm="forward"),
            case((5, 2), n=4, axis=0, norm="backward"),
            case((0, 2), n=3, axis=1, norm="backward"),
            case((3,), n=1, axis=0, norm="forward"),
        ]
        for name in ("fft", "ifft", "rfft", "irfft")
    },
    "qr": [case(s) for s in ((3, 3), (3, 2), (2, 3), (2, 3, 2), (2, 2, 4), (1, 1), (0, 2, 2))],
}

DEGREES = np.array([0, 1, 4])
REAL_DEGREE = "chebyt chebyu chebyc chebys sh_chebyt sh_chebyu legendre sh_legendre laguerre".split()  # noqa: SIM905
CASES |= {f"eval_{name}": [case(DEGREES, (3,)), case((2, 1), (3,))] for name in REAL_DEGREE}
CASES |= {
    f"eval_{name}": [case(DEGREES, (3,)), case(np.array([[2], [3]]), (3,))] for name in ("hermite", "hermitenorm")
}
BESSEL = ("jv", "yv", "iv", "ive", "kv", "kve", "hankel1", "hankel2", "hankel1e", "hankel2e")
HYPER = (("hyp0f1", 2), ("hyp1f1", 3), ("hyperu", 3), ("hyp2f1", 4))
ORDERS = {2: [(1, 0), (1, 1)], 3: [(1, 0, 0), (0, 1, 1)], 4: [(1, 0, 0, 0), (0, 1, 1, 0)]}
HELD_OF = {
    **{f"mathieu_{kind}": (0.7,) for kind in ("cem", "sem", "modcem1", "modcem2", "modsem1", "modsem2")},
    **{f"{shape}_{kind}": (1.3,) for shape in ("pro", "obl") for kind in ("ang1", "rad1")},
    **{f"pro_{kind}_cv": (1.3, 6.713257432559762) for kind in ("ang1", "rad1")},
    **{f"obl_{kind}_cv": (1.3, 5.264546970108359) for kind in ("ang1", "rad1")},
}
"""Wave functions → what they are held at besides their orders: q or c, and the characteristic value."""
WAVES = tuple(HELD_OF)
CASES |= {
    "eval_gegenbauer": [case(DEGREES, (3,), (3,))],
    "eval_genlaguerre": [case(DEGREES, (3,), (3,))],
    "eval_jacobi": [case(DEGREES, (3,), (), (3,))],
    "eval_sh_jacobi": [case(DEGREES, (3,), (), (3,))],
    **{
        f"eval_{name}_derivative": [case(0, 1, 0, DEGREES, (3,), (3,)), case(1, 0, 1, (2, 1), (), (3,))]
        for name in ("gegenbauer", "genlaguerre")
    },
    "eval_jacobi_derivative": [
        case(0, 1, 0, 0, DEGREES, (3,), (), (3,)),
        case(1, 0, 1, 0, (2, 1), (), (), (3,)),
    ],
    "wright_bessel_derivative": [case(1, 0, 0, (2, 1), (), (3,)), case(0, 1, 1, (), (), ())],
    "lpmv_by_degree": [case(1, np.array([0.0, 1.0, 2.0]), (3,), (3,)), case(2, -1.0, (), ())],
    "lpmv": [case(np.array([0.0, 1.0, 2.0]), np.array([1.5, 2.0, 3.0]), (3,))],
    "kn": [case(DEGREES, (3,))],
    "lambertw": [case((4,), 0, 1e-8), case((3,), -1, 1e-8)],
    "nctdtridf": [case((3,), 0.5, 0.7)],
    "nctdtrit": [case(2.3, (), (3,))],
    "nctdtrinc": [case(2.3, (), (3,))],
    "noncentral_gamma_derivative": [
        case(1, 0, 0, (2, 1), (), (3,)),
        case(1, 1, 1, (), (), ()),
        case(2, 0, 0, (0,), (), ()),
    ],
    "noncentral_beta_derivative": [
        case(1, 0, 0, 0, (2, 1), (), (), (3,)),
        case(0, 1, 1, 1, (), (), (), ()),
        case(0, 2, 0, 0, (0,), (), (), ()),
    ],
    "nctdtr_derivative": [case(1, 0, 0, (2, 1), (), (3,)), case(1, 1, 1, (), (), ()), case(2, 0, 0, (0,), (), ())],
    **{f"mathieu_{kind}": [case(np.array([1.0, 2.0, 5.0]), (3,)), case(3.0, ())] for kind in "ab"},
    **{f"mathieu_{kind}_by_q": [case(1, np.array([1.0, 2.0, 5.0]), (3,)), case(2, 3.0, ())] for kind in "ab"},
    **{f"{kind}_cv": [case(1.0, np.array([1.0, 2.0, 3.0]), (3,)), case(0.0, 2.0, ())] for kind in ("pro", "obl")},
    **{
        f"mathieu_{kind}_derivative": [case(1, 0, np.array([1.0, 2.0, 5.0]), (3,), (3,)), case(1, 1, 3.0, (), ())]
        for kind in ("cem", "sem")
    },
    "spheroidal_by_gamma2": [case(1, 1.0, np.array([1.0, 2.0, 3.0]), (3,)), case(2, 0.0, 2.0, ())],
    "smirnov": [case(np.array([[2], [7]]), (3,))],
    "smirnovi": [case(np.array([[1], [4]]), (3,))],
    "smirnov_by_d": [case(1, np.array([[2], [7]]), (3,)), case(2, 5, ())],
    **{
        f"{name}_{part}": [case(*((1.0, 2.0)[: 1 if "mathieu" in name else 2]), *HELD_OF[name], (3,))]
        for name in WAVES
        for part in ("value", "slope")
    },
    "yn": [case(DEGREES, (3,))],
    **{
        f"{name}_by_order": [case(1, (2, 1), (3,)), case(2, (), ())]
        for name in (*BESSEL, "struve", "modstruve", "pbdv", "pbvv")
    },
    **{
        f"{name}_derivative": [case(*orders, *[(2, 1), *[()] * (k - 2), (3,)]) for orders in ORDERS[k]]
        for name, k in HYPER
    },
    "zeta_by_s": [case(1, (2, 1), (3,)), case(2, (), ())],
    "zetac_by_s": [case(1, (4,)), case(2, ())],
    "expn": [case(DEGREES, (3,))],
    "binom": [case(np.array([2.4, 3.6]), (2,)), case((2,), np.array([0.3, 0.2]))],
    "besselpoly": [case((3,), 1.3, 0.5), case((0, 2), 2.0, 1.5)],
    **{name: [case(np.array([1.0, 2.0]), np.array([4, 5]), (2,))] for name in ("bdtr", "bdtrc", "bdtri")},
    **{name: [case(np.array([1, 2]), np.array([4, 5]), (2,))] for name in ("nbdtr", "nbdtrc", "nbdtri")},
    **{name: [case(np.array([1.0, 2.0]), (2,))] for name in ("pdtr", "pdtrc")},
    "pdtri": [case(np.array([1, 2]), (2,))],
    **{name: [case((3,), 5.3, (2, 1))] for name in ("bdtrik", "nbdtrik")},
    **{name: [case(2.2, (3,), (2, 1))] for name in ("bdtrin", "nbdtrin")},
    "pdtrik": [case((3,), 1.7)],
}
UNARY = [case((3,)), case(()), case((2, 3)), case((0,)), case((2, 0))]
BINARY = [
    case((3,), (3,)),
    case((), ()),
    case((2, 1), (3,)),
    case((), (3,)),
    case((2, 3), (3,)),
    case((1,), (2, 1, 2)),
    case((0,), (1,)),
    case((2, 0), (1, 1)),
]


def cases_of(op: Op) -> list[Case]:
    """The cases of an operation; empty when it has none, which the suite reports."""
    if op.name in CASES:
        return CASES[op.name]
    if op.domain is None or op.kind not in (Kind.POINTWISE, Kind.DISCRETE):
        return []
    if in_special_files(op):
        return FEW[len(op.partials)]
    return UNARY if len(op.partials) == 1 else BINARY


FEW = {
    1: [case((3,)), case((0, 2))],
    2: [case((2, 1), (3,)), case((), ())],
    3: [case((2, 1), (), (3,)), case((), (), ())],
    4: [case((2, 1), (), (), (3,))],
}


def in_special_files(op: Op) -> bool:
    """Declared in one of the later files of scipy.special, which are many functions of one form: fewer shapes do."""
    later = any(getattr(rule, "__module__", "").startswith("backpass.partials.special_") for rule in op.partials)
    return (later or op.name.endswith("_derivative")) and op.name not in OLD_FORMS


OLD_FORMS = ("betainc", "betaincinv")


# ---- values
def arguments(op: Op, chosen: Case) -> tuple[Any, ...]:
    """Concrete float64 arguments for a case, from the operation's domain, the same in every run."""
    rng = np.random.default_rng(zlib.crc32(f"{op.name} {chosen.label}".encode()))
    sizes = [int(np.prod(arg)) for arg in chosen.args if isinstance(arg, tuple)]
    # Spread evenly over all arguments, then shuffled: no two entries are near each other, so kinks are kept away from.
    places = rng.permutation((np.arange(sum(sizes)) + rng.uniform(0.25, 0.75, sum(sizes))) / max(sum(sizes), 1))
    parts = iter(np.split(places, np.cumsum(sizes)[:-1]))
    return tuple(_drawn(op, arg, next(parts), rng) if isinstance(arg, tuple) else arg for arg in chosen.args)


def _drawn(op: Op, shape: tuple[int, ...], places: np.ndarray, rng: np.random.Generator) -> Any:
    """Places between 0 and 1 as entries of the operation's domain."""
    domain = dict(op.domain or {})
    low, high = domain.get("low", -3.0), domain.get("high", 3.0)
    x = low + (high - low) * places
    if domain.get("dtype", "").startswith("int"):
        return np.rint(x).astype(np.int64).reshape(shape)[()]
    if domain.get("signs"):
        x = x * rng.permutation(np.where(np.arange(x.size) % 2, -1.0, 1.0))
    x = x.reshape(shape)
    if domain.get("matrix") == "symmetric":
        return 0.5 * (x + np.swapaxes(x, -1, -2)) + np.diag(np.arange(1.0, shape[-1] + 1))
    if domain.get("matrix") == "separated":
        return x + np.eye(*shape[-2:]) * np.arange(1.0, shape[-1] + 1)
    if domain.get("matrix") and shape[-1:] == shape[-2:-1]:
        n = shape[-1]
        x = (
            np.matmul(x, np.swapaxes(x, -1, -2)) + 2 * np.eye(n)
            if domain["matrix"] == "positive definite"
            else x + 3 * np.eye(n)
        )
    return x[()]


def smooth_in(op: Op, chosen: Case) -> tuple[int, ...]:
    """Positions of the arguments to differentiate: floating ones that the record does not hold fixed."""
    held = (op.domain or {}).get("hold", ())
    return tuple(k for k, arg in enumerate(chosen.args) if isinstance(arg, tuple) and k not in held)


# ---- analytic forms
def _real_sign(x: Any) -> Any:
    return np.sign(np.real(x))


def _cholesky(a: Any) -> Any:
    """Cholesky–Banachiewicz from the lower triangle, without conjugation, so that it is analytic."""
    low = np.zeros_like(a)
    for i in range(a.shape[-1]):
        for j in range(i + 1):
            rest = a[..., i, j] - np.sum(low[..., i, :j] * low[..., j, :j], axis=-1)
            low[..., i, j] = np.sqrt(rest) if i == j else rest / low[..., j, j]
    return low


def _picked(better: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: np.where(better(np.real(a), np.real(b)), a, b)


def _extreme(position: Callable[..., Any]) -> Callable[..., Any]:
    def analytic(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        rest = tuple(i for i in range(np.ndim(x)) if i not in axis)
        size = int(np.prod([np.shape(x)[i] for i in axis]))
        flat = np.transpose(x, rest + axis).reshape([np.shape(x)[i] for i in rest] + [size])
        best = np.take_along_axis(flat, position(np.real(flat), axis=-1)[..., None], -1)[..., 0]
        return np.reshape(best, [1 if i in axis else n for i, n in enumerate(np.shape(x))]) if keepdims else best

    return analytic


def _log_sum_exp(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


NUMPY_DOES = """
add subtract multiply divide negative positive power square reciprocal float_power exp exp2 expm1 log log2 log10
log1p sqrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh sinc where alias sum prod norm
cumsum cumprod recurrence reshape transpose broadcast_to concatenate slice unslice gather scatter_add matmul einsum
cross trace solve inv det erf erfc erfcx ndtr log_ndtr loggamma gamma rgamma psi xlogy xlog1py exp1 expi
dawsn spence length strong_product linspace var
""".split()  # noqa: SIM905  (a list of names reads better as one)
"""What the record runs is analytic and takes complex arguments as it is."""

LOSES_A_TINY_IMAGINARY_PART = (
    "j0",
    "j1",
    "y0",
    "y1",
    "i0",
    "i1",
    "i0e",
    "i1e",
    "expi",
    "k0",
    "k1",
    "k0e",
    "k1e",
)
"""SciPy's complex Bessel functions and Ei drop or round x + 1e-30i: their reference is Cauchy's integral."""

ANALYTIC: dict[str, Callable[..., Any]] = {
    **{name: OPS[name].run for name in NUMPY_DOES},
    "setitem": lambda x, *values, keys: OPS["setitem"].run(x + 0j, *values, keys=keys),
    "put": lambda x, v, *indices, key: OPS["put"].run(x + 0j, v, *indices, key=key),
    "add_at": lambda x, v, *indices, key: OPS["add_at"].run(x + 0j, v, *indices, key=key),
    "ldexp": lambda x, n: x * 2.0**n,
    "fraction": lambda x: x,  # less a constant
    **{name: OPS[name].run for name in ("convolve_nd", "lfilter", "upfirdn", "dct", "dst")},
    "correlate": lambda a, v: np.correlate(a, np.conj(v), "full"),
    "vecdot": lambda a, b: np.sum(a * b, axis=-1),
    "cast": lambda x, dtype: x,  # the identity but for its rounding
    "absolute": lambda x: x * _real_sign(x),
    "hypot": lambda a, b: np.sqrt(a * a + b * b),
    "arctan2": lambda a, b: np.arctan(a / b),  # less a constant
    "remainder": lambda a, b: a - b * np.floor(np.real(a) / np.real(b)),
    "fmod": lambda a, b: a - b * np.trunc(np.real(a) / np.real(b)),
    "copysign": lambda a, b: a * _real_sign(a) * _real_sign(b),
    "cbrt": lambda x: _real_sign(x) * np.exp(np.log(x * _real_sign(x)) / 3),
    "logaddexp": lambda a, b: np.log(np.exp(a) + np.exp(b)),
    "logaddexp2": lambda a, b: np.log2(2.0**a + 2.0**b),
    "deg2rad": lambda x: x * np.pi / 180,
    "rad2deg": lambda x: x * 180 / np.pi,
    "maximum": _picked(np.greater),
    "minimum": _picked(np.less),
    "fmax": _picked(np.greater),
    "fmin": _picked(np.less),
    "max": _extreme(np.argmax),
    "min": _extreme(np.argmin),
    "logsumexp": _log_sum_exp,
    "cofactors": lambda a: np.linalg.det(a)[..., None, None] * np.linalg.inv(a).swapaxes(-1, -2),
    "logabsdet": lambda a: np.log(np.linalg.det(a)),
    "cholesky": _cholesky,
    "expit": lambda x: 1 / (1 + np.exp(-x)),
    "log_expit": lambda x: -np.log1p(np.exp(-x)),
    "logit": lambda p: np.log(p / (1 - p)),
    "gammaln": sp.loggamma,
    "betaln": lambda a, b: sp.loggamma(a) + sp.loggamma(b) - sp.loggamma(a + b),
    "beta": lambda a, b: np.exp(sp.loggamma(a) + sp.loggamma(b) - sp.loggamma(a + b)),
    "entr": lambda x: -x * np.log(x),
    "rel_entr": lambda x, y: x * np.log(x / y),
    "kl_div": lambda x, y: x * np.log(x / y) - x + y,
    "j0": lambda x: sp.jv(0, x),
    "j1": lambda x: sp.jv(1, x),
    "y0": lambda x: sp.yv(0, x),
    "y1": lambda x: sp.yv(1, x),
    "i0": lambda x: sp.iv(0, x),
    "i1": lambda x: sp.iv(1, x),
    "i0e": lambda x: np.exp(-x * _real_sign(x)) * sp.iv(0, x),
    "i1e": lambda x: np.exp(-x * _real_sign(x)) * sp.iv(1, x),
    "cosm1": lambda x: -2 * np.sin(x / 2) ** 2,
    "exprel": lambda x: sp.expm1(x) / x,
    "k0": lambda x: sp.kv(0, x),
    "k1": lambda x: sp.kv(1, x),
    "k0e": lambda x: sp.kve(0, x),
    "k1e": lambda x: sp.kve(1, x),
    "boxcox": lambda x, p: (np.exp(p * np.log(x)) - 1) / p,
    "boxcox1p": lambda x, p: (np.exp(p * np.log(1 + x)) - 1) / p,
    "inv_boxcox": lambda y, p: np.exp(np.log(1 + p * y) / p),
    "inv_boxcox1p": lambda y, p: np.exp(np.log(1 + p * y) / p),  # less a constant
    "powm1": lambda x, y: np.exp(y * np.log(x)),  # less a constant
    "poch": lambda z, m: np.exp(sp.loggamma(z + m) - sp.loggamma(z)),
    "pseudo_huber": lambda d, r: d * d * (np.sqrt(1 + (r / d) ** 2) - 1),
    "huber": lambda d, r: np.where(np.abs(np.real(r)) <= np.real(d), r * r / 2, d * (r * _real_sign(r) - d / 2)),
    "erfi": lambda x: -1j * sp.erf(1j * x),
    "exp10": lambda x: np.exp(x * np.log(10)),
}

TOLERANCE = {
    **dict.fromkeys(["itairy_ai", "itairy_bi", "itairy_ai_minus", "itairy_bi_minus"], 3e-3),
    "fdtri": 1e-6,
}
"""Where SciPy's own values are not good to 1e-12, differences of them are not good to 1e-8."""

LATER = [
    op.name for op in OPS.values() if in_special_files(op) and op.name not in ANALYTIC and op.kind is Kind.POINTWISE
]
NOT_ANALYTIC = {
    "nextafter": "NumPy has no complex version: differences",
    **dict.fromkeys(
        ["conjugate", "real", "imag", "phasedet"], "not analytic: differences, and complex_numbers in test_registry.py"
    ),
    **dict.fromkeys(["fft", "ifft", "eig", "eigvals", "lambertw"], "the result is complex: differences"),
    **dict.fromkeys(
        ["expm", "solve_triangular", "solve_banded", "solve_sylvester", "solve_are", "sqrtm", "logm"],
        "LAPACK rounds a tiny imaginary part away",
    ),
    "spline_filter": "SciPy takes real numbers alone: differences",
    "rfft": "NumPy takes real numbers alone: differences",
    "irfft": "it reads real parts apart: differences",
    "eigh": "LAPACK's complex version is of Hermitian matrices, not analytic in the entries: differences",
    "eigvalsh": "LAPACK's complex version is of Hermitian matrices, not analytic in the entries: differences",
    "svd": "singular values of complex matrices are not analytic in the entries: differences",
    "svdvals": "singular values of complex matrices are not analytic in the entries: differences",
    "pinv": "of complex matrices it conjugates: differences",
    "lstsq": "of complex matrices it conjugates: differences",
    "qr": "of complex matrices it conjugates: differences",
    "erfinv": "SciPy has no complex version: differences",
    "ndtri": "SciPy has no complex version: differences",
    "zeta": "SciPy has no complex version: differences",
    "ive": "|x| in the scale is not analytic: differences",
    **dict.fromkeys(["jv", "yv", "iv", "kv", "kve"], "SciPy takes no complex order: differences"),
    **dict.fromkeys(
        """betainc betaincinv gammaincinv gammainccinv chdtr chdtrc stdtr stdtrit erfcinv ellipk ellipkm1
        ellipe""".split(),  # noqa: SIM905
        "SciPy has no complex version: differences",
    ),
    **dict.fromkeys(LATER, "differences, and complex_numbers where SciPy takes complex arguments"),
    "gammainc": "SciPy has no complex version: differences",
    "gammaincc": "SciPy has no complex version: differences",
}
"""Operations with a derivative that are checked by differences instead, and why."""
