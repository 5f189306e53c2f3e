"""Backpass: backpropagation that can be read.

The chain rule computes the partial derivative of a loss with respect to every θ of a plain NumPy function; gradient
descent walks θ downhill; and every equation, partial derivative and number of it can be looked at.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .chain.custom import custom_rule
from .chain.derivatives import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .chain.loops import checkpoint, cond, fori_loop, map, scan, switch, while_loop
from .graph import errors
from .graph.program import Graph
from .graph.staging import trace
from .partials.functional import stop_gradient

if TYPE_CHECKING:
    from . import descent, nn
    from .chain.batch import vmap
    from .chain.check import check
    from .data.store import RowStore
    from .equations import contributions, derive, paths
    from .native.compile import compile
    from .partials.coverage import coverage
    from .train.descend import descend
    from .train.fit import Run, fit
    from .train.model import Model, load
    from .train.run_folder import RunFolder

__version__ = "0.1.0"

# Who takes one gradient pays for no training loop: these are imported when they are first asked for.
_LATER = {
    "check": ".chain.check",
    "compile": ".native.compile",
    "contributions": ".equations",
    "coverage": ".partials.coverage",
    "descend": ".train.descend",
    "derive": ".equations",
    "descent": "",
    "fit": ".train.fit",
    "load": ".train.model",
    "Model": ".train.model",
    "nn": "",
    "paths": ".equations",
    "Run": ".train.fit",
    "RowStore": ".data.store",
    "vmap": ".chain.batch",
    "RunFolder": ".train.run_folder",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'backpass' has no attribute {name!r}")
    module = import_module(_LATER[name] or f".{name}", __name__)
    found = getattr(module, name) if _LATER[name] else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "Graph",
    "Model",
    "RowStore",
    "Run",
    "RunFolder",
    "check",
    "checkpoint",
    "compile",
    "cond",
    "contributions",
    "coverage",
    "custom_rule",
    "derive",
    "descend",
    "descent",
    "errors",
    "fit",
    "fori_loop",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "map",
    "nn",
    "paths",
    "scan",
    "stop_gradient",
    "switch",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
