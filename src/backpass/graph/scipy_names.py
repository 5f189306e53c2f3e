"""SciPy's Python functions as user code sees them while a trace runs.

SciPy's ufuncs ask their arguments, as NumPy's do. Its Python functions do not: ``scipy.linalg.expm(t)`` makes an array
of t first. So they are exchanged, like NumPy's creators in ``namespace.py``: where an argument is traced, the rule of
that function is called (``partials/scipy_functions.py``), or it is refused by its name; else SciPy's own function is,
with plain arrays.

>>> import numpy as np, backpass as bp
>>> from scipy.linalg import expm
>>> bp.grad(lambda t: np.trace(expm(t * np.eye(2))))(0.0)
2.0
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from . import messages
from .buffer import depends, plain, watched
from .op import FUNCTIONS
from .origin import state
from .stand_ins import StandInType

MODULES = (
    "scipy.special",
    "scipy.linalg",
    "scipy.integrate",
    "scipy.signal",
    "scipy.signal.windows",
    "scipy.ndimage",
    "scipy.interpolate",
    "scipy.optimize",
    "scipy.stats",
    "scipy.fft",
    "scipy.spatial.distance",
    "scipy.spatial",
    "scipy.sparse",
    "scipy.sparse.linalg",
    "scipy.fftpack",
    "scipy.cluster.vq",
)
_entered: set[str] = set()


def rule_of(function: Any) -> Any:
    """The rule of one of SciPy's functions; None when it has none."""
    found = FUNCTIONS.get(function)
    if found is None:
        FUNCTIONS["late"]()
        found = FUNCTIONS.get(function)
    if found is None and type(function) is MethodType:
        found = FUNCTIONS["distribution"](function)
    return found


def _all_watched(result: Any) -> Any:
    return tuple(map(watched, result)) if type(result) is tuple else watched(result)


def _called(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call of SciPy's function gives while a trace runs."""
    if depends(args) or depends(kwargs):
        rule = rule_of(function)
        if rule is None:
            raise messages.no_rule(function)
        return rule(*args, **kwargs)
    callbacks = _Callbacks()
    try:
        named = {name: callbacks.observed(value) for name, value in kwargs.items()}
        return _all_watched(function(*map(callbacks.observed, args), **named))
    except Exception as error:
        if not callbacks.traced:
            raise
        rule = rule_of(function)
        if rule is not None:
            return rule(*args, **kwargs)
        raise messages.no_rule(function) from error


class _Callbacks:
    """The functions among the arguments of a call, which tell whether one of them gave a traced value.

    Compiled code that calls them turns its own error over that into one that knows nothing of it."""

    def __init__(self) -> None:
        self.traced = False

    def observed(self, argument: Any) -> Any:
        if not isinstance(argument, (FunctionType, MethodType, functools.partial)):
            return plain(argument)

        @functools.wraps(argument)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = argument(*args, **kwargs)
            self.traced = self.traced or depends(result)
            return result

        return call


def exchanged(function: Any) -> Callable[..., Any]:
    """What stands for a function of SciPy while a trace runs."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _called(function, args, kwargs) if state.depth else function(*args, **kwargs)

    return call


# ---- methods
class Methods:
    """Methods of SciPy's classes that are exchanged while a trace runs, wherever an object of them is kept."""

    def __init__(self) -> None:
        self.entries: list[tuple[type, str, Any, Any]] = []
        """A class, the name of a method, SciPy's own and what stands for it."""
        self.placed = 0

    def place(self) -> None:
        for kind, name, _, proxy in self.entries[self.placed :]:
            setattr(kind, name, proxy)
        self.placed = len(self.entries)

    def put_back(self) -> None:
        for kind, name, own, _ in self.entries[: self.placed]:
            setattr(kind, name, own)
        self.placed = 0

    # As a slot of modules.py: placed where code has a name for such a class or object.
    def get(self, name: str) -> bool:
        return self.placed > 0

    def __setitem__(self, name: str, on: bool) -> None:
        (self.place if on else self.put_back)()


# ---- distributions, sparse matrices and polynomials
LAWS = Methods()
DENSITIES = (LAWS, "", False, True)
"""The slot of it; see modules.py."""
_OF_A_LAW = frozenset(
    (
        *("freeze", "pdf", "logpdf", "pmf", "logpmf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf", "stats", "mean"),
        *("var", "std", "median", "interval", "moment", "entropy", "support", "nnlf", "expect", "fit", "rvs"),
    )
)


def _exchanged_method(own: FunctionType) -> Callable[..., Any]:
    @functools.wraps(own)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _called(MethodType(own, self), args, kwargs) if state.depth else own(self, *args, **kwargs)

    return call


def _exchanged_freeze(own: FunctionType) -> Callable[..., Any]:
    """Holds the parameters: an object of SciPy where all are plain."""

    @functools.wraps(own)
    def freeze(self: Any, *args: Any, **kwargs: Any) -> Any:
        if state.depth and (depends(args) or depends(kwargs)):
            return Distribution(self, args, kwargs)
        return own(self, *args, **kwargs)

    return freeze


def _enter_methods(module: ModuleType) -> None:
    """The methods of all distributions of one variable, wherever a distribution is kept."""
    infrastructure = sys.modules[f"{module.__name__}._distn_infrastructure"]
    for kind in (infrastructure.rv_generic, infrastructure.rv_continuous, infrastructure.rv_discrete):
        for name, own in vars(kind).items():
            if name in _OF_A_LAW:
                LAWS.entries.append(
                    (kind, name, own, (_exchanged_freeze if name == "freeze" else _exchanged_method)(own))
                )


_FROZEN = {
    "multivariate_normal": ("mean", "cov", "allow_singular"), "multivariate_t": ("loc", "shape", "df"),
    "dirichlet": ("alpha",),
    "matrix_normal": ("mean", "rowcov", "colcov"), "wishart": ("df", "scale"), "invwishart": ("df", "scale"),
    "multinomial": ("n", "p"), "dirichlet_multinomial": ("alpha", "n"), "vonmises_fisher": ("mu", "kappa"),
}  # fmt: skip
"""Distribution of several variables → the attributes in which a frozen one holds its parameters."""


def _of_frozen(method: Any, own: FunctionType, parameters: tuple[str, ...]) -> Callable[..., Any]:
    @functools.wraps(own)
    def call(self: Any, x: Any) -> Any:
        if not (state.depth and depends(x)):
            return own(self, plain(x))
        return _called(method, (x, *[getattr(self, name) for name in parameters]), {})

    return call


def _enter_frozen(module: ModuleType) -> None:
    """The densities of frozen distributions of several variables, wherever one is kept."""
    for name, parameters in _FROZEN.items():
        law = getattr(module, name)
        kind = getattr(sys.modules[type(law).__module__], f"{name}_frozen")
        for method in ("pdf", "logpdf", "pmf", "logpmf"):
            own = vars(kind).get(method)
            if own is not None:
                LAWS.entries.append((kind, method, own, _of_frozen(getattr(law, method), own, parameters)))


def _product(own: FunctionType, left: bool) -> Callable[..., Any]:
    @functools.wraps(own)
    def call(self: Any, other: Any) -> Any:
        if not (state.depth and depends(other)):
            return own(self, other)
        if not left:
            return FUNCTIONS["sparse product"](self, other)
        return (
            FUNCTIONS["sparse product"](self.T, other.T).T if other.ndim else FUNCTIONS["sparse product"](self, other)
        )

    return call


def _refused_product(own: FunctionType) -> Callable[..., Any]:
    @functools.wraps(own)
    def call(self: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
        if state.depth and depends(other):
            return FUNCTIONS["sparse matrix"](own.__name__)
        return own(self, other, *args, **kwargs)

    return call


def _enter_products() -> None:
    """The methods that every product of a sparse matrix passes through."""
    kinds = [sys.modules["scipy.sparse._base"]._spbase]
    for kind in kinds:
        kinds += [below for below in kind.__subclasses__() if below.__module__.startswith("scipy.sparse.")]
        for name, own in vars(kind).items():
            if name in ("_matmul_dispatch", "_rmatmul_dispatch"):
                LAWS.entries.append((kind, name, own, _product(own, name == "_rmatmul_dispatch")))
            elif name in ("multiply", "_divide") and type(own) is FunctionType:
                LAWS.entries.append((kind, name, own, _refused_product(own)))


def exchange_call(kind: type, stand_in: Callable[[Any, Any], Any]) -> None:
    """Objects of this class, called with a traced argument, do what `stand_in` does with the two."""
    own = kind.__call__

    @functools.wraps(own)
    def call(self: Any, arg: Any) -> Any:
        return stand_in(self, arg) if state.depth and depends(arg) else own(self, arg)

    LAWS.entries.append((kind, "__call__", own, call))


class Distribution:
    """A distribution with traced parameters held, or one of several variables as user code sees it."""

    def __init__(self, own: Any, held: tuple[Any, ...] = (), named: Mapping[str, Any] = MappingProxyType({})):
        self._own, self._held, self._named = own, held, named

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if name.startswith("_") or not callable(found):
            return found
        method = exchanged(found)
        if not (self._held or self._named):
            return method
        return lambda *args, **kwargs: method(*args, *self._held, **{**self._named, **kwargs})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Distribution(self._own, args, kwargs) if state.depth else self._own(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._own)


# ---- interpolants, and transforms that are objects
READERS = Methods()
ANSWERS = (READERS, "", False, True)
"""The slot of it; see modules.py."""
CLASSES: set[Any] = set()
"""These classes, and the modules that have them."""


def place_methods() -> None:
    """Exchange the methods of all classes that were imported, those that came in the middle of a trace, too."""
    LAWS.place()
    READERS.place()


_READ = {
    "scipy.interpolate": {
        "PPoly": ("__call__", "integrate"), "BSpline": ("__call__",), "interp1d": ("__call__",),
        "UnivariateSpline": ("__call__",), "RegularGridInterpolator": ("__call__",),
    },
    "scipy.stats": {"gaussian_kde": ("__call__", "evaluate", "pdf", "logpdf")},
    "scipy.signal": {"ShortTimeFFT": ("stft", "stft_detrend", "spectrogram", "istft"), "CZT": ("__call__",)},
}  # fmt: skip


def _enter_readers(module: ModuleType) -> None:
    for name, methods in _READ[module.__name__].items():
        cls = getattr(module, name)
        CLASSES.update((cls, *cls.__subclasses__()))
        for method in methods:
            owner = next(base for base in cls.__mro__ if method in vars(base))
            own = vars(owner)[method]
            READERS.entries.append((owner, method, own, _answered(cls, method, own)))


def _answered(cls: type, method: str, own: Any) -> Callable[..., Any]:
    @functools.wraps(own)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not state.depth:
            return own(self, *args, **kwargs)
        if depends(args) or depends(kwargs):
            FUNCTIONS["late"]()
            return FUNCTIONS[cls, method](self, *args, **kwargs)
        return own(self, *map(plain, args), **plain(kwargs))  # SciPy calls it, too: its results are not watched

    return call


class _MadeType(StandInType):
    """A class whose instances are made by its rule where an argument is traced."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if state.depth and (depends(args) or depends(kwargs)):
            rule = rule_of(cls.own)
            if rule is None:
                raise messages.no_rule(cls.own)
            return rule(*args, **kwargs)
        return cls.own(*map(plain, args), **plain(kwargs))


def enter(known: Callable[[Any, Any], None], namespace: Callable[[ModuleType], Any]) -> None:
    """Enter the modules of SciPy that were imported since, and their functions, into the table of what is exchanged."""
    for name in ("scipy", *MODULES):
        module = sys.modules.get(name)
        if module is None or name in _entered or not hasattr(module, "__all__"):
            continue
        _entered.add(name)
        made = namespace(module)
        known(module, made)
        for attribute in module.__all__ if name in MODULES else ():
            found = getattr(module, attribute, None)
            made_by_rule = name == "scipy.interpolate" or attribute == "gaussian_kde"
            if isinstance(found, type) and made_by_rule and not issubclass(found, BaseException):
                text = {"own": found, "__module__": name, "__doc__": found.__doc__}
                known(found, _MadeType(found.__name__, (), text))
                CLASSES.update((found, module, sys.modules["scipy"]))
            if not callable(found) or isinstance(found, (type, np.ufunc)) or found is np.sinc:
                continue
            if not hasattr(found, "random_state"):  # as every distribution has, also one that draws nothing
                call = exchanged(found)
                known(found, call)
                known(inspect.unwrap(found), call)  # as SciPy's own modules have it
            elif not hasattr(found, "freeze"):
                known(found, Distribution(found))
        if name == "scipy.stats":
            _enter_methods(module)
            _enter_frozen(module)
        if name in _READ:
            _enter_readers(module)
        elif name == "scipy.sparse":
            _enter_products()
