"""Functions without a rule, and why: the reason stands in the error that a person gets and in the table of coverage."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np

from backpass.graph.op import REFUSALS

from .declare import rule_for
from .fourier import enter_fourier
from .scipy_functions import enter_scipy
from .series import enter_series

BITS = "it works on the bits of whole numbers, which carry no derivative"
DATES = "dates carry no derivative"
TEXT = "it makes text or a file of values; under bp.grad, t.value is the array"
POSITIONS = "it turns positions into positions, which carry no derivative"
MEMORY = "it asks how an array lies in memory, and a traced value has none"

NUMPY = {
    "packbits unpackbits bitwise_count": BITS,
    "is_busday busday_offset busday_count datetime_as_string isnat": DATES,
    "array2string array_repr array_str savetxt save savez savez_compressed": TEXT,
    "unravel_index ravel_multi_index": POSITIONS,
    "bmat": "np.matrix is not traced; use np.block",
    "may_share_memory shares_memory isfortran": MEMORY,
}

_SIX_DIGITS = (
    "SciPy's values are good to six digits alone, so there is nothing to agree with; bp.implicit of ncfdtr finds them, "
    "and has derivatives"
)
_INEXACT = "the slope that SciPy gives beside it is not that of its values, so there is nothing to agree with"
SPECIAL = {
    "ncfdtridfd ncfdtridfn ncfdtrinc": _SIX_DIGITS,
    "obl_rad2 obl_rad2_cv pro_rad2 pro_rad2_cv": _INEXACT,
}

_SOLVER = "a solver: differentiate the equation that it solves, with bp.implicit"
_INTEGRAL = "it chooses its points by the values; scipy.integrate.fixed_quad takes a function of traced values"
_EQUATION = "an adaptive solver: bp.odeint solves the same equation, with derivatives"
_NO_MATRIX = (
    "a sparse matrix holds no traced values; those of a diagonal are d * x, and weights go beside a matrix: A @ (w * x)"
)
_RANKS = "ranks are a step function of the values: their derivative is 0 wherever it exists"
_JUMPS = "its eigenvalues stand in an order that can jump; those of np.linalg.eig, eigh, svd and qr have derivatives"
SCIPY = {
    "scipy.linalg": {
        "schur qz ordqz rsf2csf cdf2rdf cossin": _JUMPS,
        "hessenberg": "np.linalg.eig and qr take the matrix itself",
        "ldl": "which blocks its middle factor has depends on the values; scipy.linalg.lu and cholesky have none",
        "rq": "R and Q turned round are the factors of scipy.linalg.qr(np.flip(a, 0).T)",
        "funm signm": "expm, logm, sqrtm, fractional_matrix_power, cosm and their like are functions of matrices",
        "expm_cond": "it is found by iteration; scipy.linalg.expm_frechet gives the change that it bounds",
        "qr_multiply": "np.matmul with the factor of scipy.linalg.qr is the same",
        "cholesky_banded cho_solve_banded": "scipy.linalg.solveh_banded solves the same equation",
    },
    "scipy.signal": {
        "lsim step impulse dlsim dstep dimpulse": "scipy.signal.lfilter runs discrete systems, bp.odeint others",
        "minimum_phase": "it takes the logarithm of a response that has zeros",
    },
    "scipy.fftpack": {
        "rfft irfft": "scipy.fft.rfft and irfft take the same frequencies as complex numbers",
        "hilbert ihilbert diff tilbert itilbert cs_diff sc_diff ss_diff cc_diff shift": (
            "it is np.fft.ifft(w * np.fft.fft(x)) of its weights w"
        ),
    },
    "scipy.ndimage": {
        "generic_filter generic_filter1d": "scipy.ndimage.vectorized_filter takes functions of traced values",
    },
    "scipy.stats": {
        "rankdata spearmanr kendalltau weightedtau somersd mannwhitneyu wilcoxon kruskal friedmanchisquare ranksums "
        "brunnermunzel mood ansari ks_1samp ks_2samp kstest median_test chatterjeexi": _RANKS,
    },
    "scipy.optimize": {
        "minimize minimize_scalar root root_scalar brentq brenth ridder bisect newton toms748 fsolve fixed_point "
        "least_squares curve_fit fmin fmin_bfgs fmin_cg fmin_l_bfgs_b fminbound brent golden leastsq nnls lsq_linear "
        "linprog differential_evolution basinhopping dual_annealing shgo": _SOLVER,
    },
    "scipy.sparse": {
        "diags diags_array spdiags kron block_diag bmat block_array hstack vstack": _NO_MATRIX,
    },
    "scipy.integrate": {
        "dblquad tplquad nquad quad_vec cubature tanhsinh": _INTEGRAL,
        "solve_ivp odeint solve_bvp": _EQUATION,
    },
}


def _enter(module: ModuleType, table: dict[str, str]) -> None:
    for names, reason in table.items():
        for name in names.split():
            found = getattr(module, name, None)
            if found is not None:
                REFUSALS[found] = reason


_enter(np, NUMPY)


@rule_for("late")
def enter_late() -> None:
    """Enter what is known of modules that `import numpy` leaves out: numpy.fft, and scipy.special once it is there."""
    special = sys.modules.get("scipy.special")
    if special is not None:
        _enter(special, SPECIAL)
    for name, table in SCIPY.items():
        if name in sys.modules:
            _enter(sys.modules[name], table)
    if "numpy.fft" in sys.modules:
        enter_fourier()
    if "numpy.polynomial" in sys.modules:
        enter_series()
    enter_scipy()
