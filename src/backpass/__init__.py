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
    from .chain.curvature import fvp, gnvp
    from .chain.implicit import implicit
    from .chain.nonfinite import debug_nonfinite
    from .chain.ode import odeint
    from .chain.sparse import sparse_hessian, sparse_jacobian, sparsity
    from .chain.taylor import taylor
    from .data.store import RowStore
    from .equations import contributions, derive, paths
    from .estimators import Classifier, Regressor
    from .native.compile import compile
    from .partials.coverage import coverage
    from .train.descend import descend
    from .train.fit import Run, fit
    from .train.model import Model, load
    from .train.run_folder import RunFolder

__version__ = "0.1.0"

# Who takes one gradient pays for no training loop: these are imported when they are first asked for.
_LATER = {
    "Classifier": ".estimators",
    "Regressor": ".estimators",
    "check": ".chain.check",
    "compile": ".native.compile",
    "contributions": ".equations",
    "coverage": ".partials.coverage",
    "descend": ".train.descend",
    "debug_nonfinite": ".chain.nonfinite",
    "derive": ".equations",
    "descent": "",
    "fit": ".train.fit",
    "fvp": ".chain.curvature",
    "gnvp": ".chain.curvature",
    "implicit": ".chain.implicit",
    "load": ".train.model",
    "Model": ".train.model",
    "nn": "",
    "odeint": ".chain.ode",
    "paths": ".equations",
    "Run": ".train.fit",
    "RowStore": ".data.store",
    "sparse_hessian": ".chain.sparse",
    "sparse_jacobian": ".chain.sparse",
    "sparsity": ".chain.sparse",
    "taylor": ".chain.taylor",
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
    "Classifier",
    "Graph",
    "Model",
    "Regressor",
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
    "debug_nonfinite",
    "derive",
    "descend",
    "descent",
    "errors",
    "fit",
    "fori_loop",
    "fvp",
    "gnvp",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "jacobian",
    "jvp",
    "load",
    "map",
    "nn",
    "odeint",
    "paths",
    "scan",
    "sparse_hessian",
    "sparse_jacobian",
    "sparsity",
    "stop_gradient",
    "switch",
    "taylor",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
