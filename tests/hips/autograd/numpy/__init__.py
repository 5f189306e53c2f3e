"""autograd.numpy is NumPy. Told about traced values is only what NumPy does not ask: lists, ``r_``, ``int64``."""

import functools
import sys
import types

import numpy

from backpass.graph.traced import Traced
from backpass.partials.declare import as_array, holds_traced


def array(x, *args, **kwargs):
    if holds_traced(x):
        made = as_array(x)
        return made.copy() if x.__class__ is Traced else made
    return numpy.array(x, *args, **kwargs)


def listed(function):
    """With a list of traced values as the array that it stands for."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        args = [as_array(a) if isinstance(a, (list, tuple)) and holds_traced(a) else a for a in args]
        return function(*args, **kwargs)

    return wrapped


class int64(numpy.int64):
    def __new__(cls, x):
        return x.astype(numpy.int64) if x.__class__ is Traced else numpy.int64(x)


def make_diagonal(d, offset=0, axis1=0, axis2=1):
    full = numpy.expand_dims(d, -1) * numpy.eye(numpy.shape(d)[-1])
    return numpy.moveaxis(full, (-2, -1), (axis1, axis2))


class _Joined:
    """``np.r_`` and ``np.c_``: NumPy's own places positions, then it is one gather."""

    def __init__(self, joiner):
        self.joiner = joiner

    def __getitem__(self, key):
        parts = key if isinstance(key, tuple) else (key,)
        if not any(p.__class__ is Traced for p in parts):
            return self.joiner[key]
        parts = [self.joiner[p] if isinstance(p, slice) else as_array(p) for p in parts]
        start, places = 0, []
        for part in parts:
            places.append(numpy.arange(start, start + numpy.size(part)).reshape(numpy.shape(part)))
            start += numpy.size(part)
        return numpy.concatenate([numpy.ravel(part) for part in parts])[self.joiner[tuple(places)]]


class _NumPy(types.ModuleType):
    def __getattr__(self, name):
        return getattr(numpy, name)


_linalg = types.ModuleType(f"{__name__}.linalg")
_linalg.__dict__.update({name: getattr(numpy.linalg, name) for name in dir(numpy.linalg) if name[0] != "_"})
_linalg.norm = listed(numpy.linalg.norm)
_module = _NumPy(__name__)
_module.__dict__.update(
    {name: listed(getattr(numpy, name)) for name in ("mean", "std", "var", "append", "sum")},
    array=array,
    int64=int64,
    make_diagonal=make_diagonal,
    r_=_Joined(numpy.r_),
    c_=_Joined(numpy.c_),
    linalg=_linalg,
    fft=numpy.fft,
    random=numpy.random,
    __path__=[],
)
sys.modules[__name__] = _module
for _name in ("linalg", "fft", "random"):
    sys.modules[f"{__name__}.{_name}"] = getattr(_module, _name)
