"""NumPy's generators as user code sees them while a trace runs: rows of a traced array are shuffled and chosen.

They ask no argument, so each has a subclass here that shares its bits. The places are drawn as NumPy draws them, from
the same bits, and the rows are taken by them.

>>> import numpy as np, backpass as bp
>>> def f(x):
...     rows = np.random.default_rng(0).permutation(x)
...     return rows[0, 0]
>>> bp.grad(f)(np.arange(6.0).reshape(3, 2))
array([[0., 0.],
       [0., 0.],
       [1., 0.]])
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .buffer import Buffer, filled, plain
from .op import FUNCTIONS
from .stand_ins import StandInType
from .traced import Traced


def _shuffle(generator: Any, own: Any, x: Any, axis: int = 0) -> None:
    if not isinstance(x, Traced):
        own.shuffle(generator, x) if own is np.random.RandomState else own.shuffle(generator, x, axis)
        return
    places = np.arange(x.shape[axis])
    own.shuffle(generator, places)
    x[...] = FUNCTIONS[np.take](x, places, axis=axis)


def _permutation(generator: Any, own: Any, x: Any, axis: int = 0) -> Any:
    if not (isinstance(x, Traced) and x.shape):
        x = plain(x)
        return own.permutation(generator, x, axis) if axis else own.permutation(generator, x)
    return FUNCTIONS[np.take](x, own.permutation(generator, x.shape[axis]), axis=axis)


def _choice(generator: Any, own: Any, a: Any, size: Any, options: dict[str, Any]) -> Any:
    if not (isinstance(a, Traced) and a.shape):
        return own.choice(generator, plain(a), size, **options)
    axis = options.pop("axis", 0)
    return FUNCTIONS[np.take](a, own.choice(generator, a.shape[axis], size, **options), axis=axis)


def _filling(name: str) -> Any:
    """A method that may draw into a buffer."""
    own = getattr(np.random.Generator, name)

    def method(self: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out.__class__ is Buffer:
            return filled(functools.partial(own, self), out, args, kwargs)
        if out.__class__ is not Traced:
            return own(self, *args, out=out, **kwargs)
        out[...] = own(self, *args, **{"size": out.shape, **kwargs})
        return out

    return functools.wraps(own)(method)


class Generator(np.random.Generator, metaclass=StandInType):
    """numpy.random.Generator."""

    own = np.random.Generator

    def shuffle(self, x: Any, axis: int = 0) -> None:
        _shuffle(self, np.random.Generator, x, axis)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        return _permutation(self, np.random.Generator, x, axis)

    def permuted(self, x: Any, *, axis: int | None = None, out: Any = None) -> Any:
        if not (isinstance(x, Traced) or isinstance(out, Traced)):
            return super().permuted(x, axis=axis, out=out)
        shape = np.shape(x)
        if axis is None:
            places = super().permuted(np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape))
            result = FUNCTIONS[np.take](x, places)
        else:
            along = np.arange(shape[axis]).reshape([-1 if k == axis % len(shape) else 1 for k in range(len(shape))])
            places = super().permuted(np.broadcast_to(along, shape).copy(), axis=axis)
            result = FUNCTIONS[np.take_along_axis](x, places, axis=axis)
        if out is None:
            return result
        out[...] = result
        return out

    random = _filling("random")
    standard_normal = _filling("standard_normal")
    standard_exponential = _filling("standard_exponential")
    standard_gamma = _filling("standard_gamma")

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True
    ):
        options = {"replace": replace, "p": p, "axis": axis, "shuffle": shuffle}
        return _choice(self, np.random.Generator, a, size, options)


class _Legacy:
    """What a RandomState and np.random itself have in common."""

    def _drawing(self) -> Any:
        """Whose bits are drawn."""
        return self

    def shuffle(self, x: Any) -> None:
        _shuffle(self._drawing(), np.random.RandomState, x)

    def permutation(self, x: Any) -> Any:
        return _permutation(self._drawing(), np.random.RandomState, x)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        return _choice(self._drawing(), np.random.RandomState, a, size, {"replace": replace, "p": p})


class RandomState(_Legacy, np.random.RandomState, metaclass=StandInType):
    """numpy.random.RandomState."""

    own = np.random.RandomState


class _Global(_Legacy):
    """The functions of np.random itself, which are methods of one hidden generator."""

    def _drawing(self) -> Any:
        return np.random.mtrand._rand  # type: ignore[attr-defined]


def default_rng(seed: Any = None) -> Any:
    """numpy.random.default_rng."""
    made = np.random.default_rng(plain(seed))
    return watching(made) if type(made) is np.random.Generator else made


def watching(generator: np.random.Generator) -> Generator:
    """The same generator, by the same bits."""
    return Generator(generator.bit_generator)


GLOBAL = _Global()

__all__ = ["GLOBAL", "Generator", "RandomState", "default_rng", "watching"]
