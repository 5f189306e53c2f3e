"""`Op`: one operation of the graph, declared once, by its mathematical kind.

A record says how to run the operation with NumPy, what type its result has, and its derivative **once**; reverse mode,
forward mode and higher orders follow from the kind (``chain/rules.py``):

=============  =============================================================================================
kind           what the record declares
=============  =============================================================================================
pointwise      ``partials[i](g, out, *args)`` = g · ∂out/∂argᵢ, elementwise and linear in g: the same line serves a
               cotangent (reverse) and a tangent (forward). Broadcasting is undone centrally.
linear         ``adjoints[i](g, out, *args, **attrs)``: the transpose of the map in its i-th argument. Forward mode
               applies the operation itself to the tangent.
reduction      ``partials[0](out, x, **attrs)`` = ∂out/∂x with the shape of x, where each entry of `out` (kept
               dimensions restored) is one function of the entries of x that it reduces.
discrete       nothing: the result is an index, a mask or a whole number, its derivative zero almost everywhere.
custom         ``adjoints`` and, if forward mode should not be derived from them, ``tangent``.
control        nothing: its attributes hold graphs, and its derivative is made of theirs (``chain/control.py``). The
               result is a `Bundle` of several arrays.
=============  =============================================================================================

Rules are written in NumPy, so they run on plain arrays at first order and on traced values when nested.

Complex values: a cotangent g of w is that number for which the loss changes by Re(g dw), so a holomorphic function
passes g · ∂w/∂z on, by the line that serves real numbers. Where a real value meets a complex cotangent or tangent, its
real part is taken (``chain/rules.py``): so one line, g · conj(z)/|z|, is |z|'s in both modes too. Only at the verbs'
border are gradients conjugated, into ∂L/∂x + i ∂L/∂y.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from .aval import Aval


class Kind(StrEnum):
    POINTWISE = "pointwise"
    LINEAR = "linear"
    REDUCTION = "reduction"
    DISCRETE = "discrete"
    CUSTOM = "custom"
    CONTROL = "control"
    SOURCE = "source"


class Window(NamedTuple):
    """How the result of an operation lies in argument 0, for writing through it."""

    restore: Callable[..., None]
    """``restore(x, new, **attrs)`` writes into x what makes its view `new`."""
    place: Callable[..., tuple[int, ...]] | None = None
    """``place(x's shape, the view's shape, entry, **attrs)``: the entry of x that an entry of the view is."""


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Op:
    """One operation. See the module's text for `partials` and `adjoints`."""

    name: str
    kind: Kind
    run: Callable[..., Any]
    """The operation on plain arrays: ``run(*values, **attrs)``."""
    aval: Callable[..., Aval]
    """The type rule: ``aval(*avals, **attrs)``; raises ValueError or TypeError where NumPy would."""
    partials: tuple[Callable[..., Any] | None, ...] = ()
    adjoints: tuple[Callable[..., Any] | None, ...] = ()
    variadic: bool = False
    """One adjoint serves every argument and gets its position as ``i=``."""
    joint: bool = False
    """Linear in all its linear arguments together (concatenate), not in each while the others stand (matmul)."""
    tangent: Callable[..., Any] | None = None
    """Forward mode where the kind does not give it: ``tangent(tangents, out, *args, **attrs)``, None for no tangent."""
    accumulate: Callable[..., None] | None = None
    """Optional: add the adjoint into a buffer in place, ``accumulate(buffer, g, *args, **attrs)`` (argument 0)."""
    risky: bool = False
    """A partial can be infinite or NaN at finite arguments, so a structural zero must annihilate it."""
    tame: Callable[..., bool] | None = None
    """Where `risky` is too careful: ``tame(*constants)``, with None for an argument that is not a constant."""
    steep: float | Callable[..., float] = 1.0
    """Where a partial is infinite and the value is not, it changes by this power of the distance: ½ of √ at 0; 1 where
    partials are finite. Asked as `tame` is."""
    even: bool = False
    """f(−x) = f(x), so the derivative at 0 is a zero that wins over an infinite slope of what is done with f(x); of a
    reduction where it is 0."""
    squared: tuple[Callable[..., Any] | None, ...] = ()
    """The partials of the result's square, where those of the result itself are infinite or a choice. As `partials`;
    of a reduction ``squared[0](g, x)``, with g spread over x."""
    overflows: bool = False
    """Infinite at a finite argument, it is too large for a float, and so is its slope: see ``chain/zeros.py``."""
    selects: bool = False
    """Some entries of an argument do not reach the result: structural zeros are born here."""
    complex_form: Callable[..., Any] | None = None
    """What a call is for complex arguments, where that is another function: sign(z) = z/|z| is no step."""
    structural: bool = False
    """Custom operations: the adjoint (or tangent) at arguments of ones shows which entries reach which."""
    mixes: bool = False
    """Linear, with terms that can cancel: ones do not show which entries reach which, so no zero is structural."""
    window: Window | None = None
    """In NumPy the result shares memory with argument 0, where NumPy's strides allow it."""
    notation: str = ""
    """How an equation writes it: ``{0} + {1}``, ``tanh({0})``; empty means ``name(args)``."""
    domain: Mapping[str, Any] | None = None
    """What tests may sample, see ``tests/partials``."""
    kinks: str = ""
    """Where the derivative is a choice, and which."""
    doc: str = ""
    smooth: tuple[bool, ...] | None = field(init=False)
    """Which arguments have a derivative; None for all of them, however many there are."""
    pair: tuple[bool, bool] = field(init=False)
    """`smooth` of the first and the second argument."""
    notable: bool = field(init=False)
    """It selects, overflows, is steep, or is a root."""
    pulls: tuple[Callable[..., Any] | None, ...] | None = field(init=False)
    """The rules that send a cotangent back by a call alone, ``pulls[i](g, out, *args, **attrs)``; None where
    ``chain/rules.py`` has more to do."""

    def __post_init__(self) -> None:
        smooth = _smooth(self)
        object.__setattr__(self, "smooth", smooth)
        object.__setattr__(self, "pair", (True, True) if smooth is None else (*smooth, False, False)[:2])
        object.__setattr__(self, "notable", self.selects or self.overflows or self.steep != 1.0 or bool(self.squared))
        calls = self.accumulate is None and not self.variadic
        pulls = {Kind.POINTWISE: self.partials, Kind.LINEAR: self.adjoints}.get(self.kind) if calls else None
        object.__setattr__(self, "pulls", pulls)

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        """Run on plain arrays; record when an argument is traced."""
        for arg in args:
            bind = WATCHED.get(arg.__class__)
            if bind is not None:
                return bind(self, args, attrs)
        return self.run(*args, **attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.name,)


def _smooth(op: Op) -> tuple[bool, ...] | None:
    if op.kind is Kind.DISCRETE or op.kind is Kind.SOURCE:
        return ()
    if op.variadic or op.kind is Kind.CONTROL:
        return None
    rules = op.adjoints if op.kind in (Kind.LINEAR, Kind.CUSTOM) else op.partials
    return tuple(rule is not None for rule in rules) if any(rules) else ()


OPS: dict[str, Op] = {}
"""Every operation, by name. A graph read from a file is built from these and nothing else."""

UFUNCS: dict[Any, Any] = {}
"""NumPy or SciPy ufunc → Op."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy function → the function that does the same on traced values, with the same signature."""

HANDLES: set[type] = set()
"""Classes of handles that depend on no argument: see buffer.py."""

WATCHED: dict[type, Callable[..., Any]] = {}
"""Class of handles → what records an operation on one: see traced.py."""

OUT: dict[Any, int] = {}
"""NumPy function → which of its arguments, counted from 0, is `out` when it is given by place."""

WRITERS: set[Any] = set()
"""NumPy functions that write into their first argument."""

PACKED: set[Any] = set()
"""NumPy functions whose result is a new array in C order, where the rule here leaves it in another one."""

REFUSALS: dict[Any, str] = {}
"""NumPy or SciPy function → why it has no rule."""


def declare(op: Op) -> Op:
    """Enter an operation into the registry; a name is given once."""
    if op.name in OPS:
        raise ValueError(f"operation {op.name!r} is declared twice")
    OPS[op.name] = op
    return op


def find(name: str) -> Op | None:
    """The operation of this name, of any family; None when there is none."""
    if name not in OPS:
        FUNCTIONS["families"]()
    return OPS.get(name)
