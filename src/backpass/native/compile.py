"""`compile`: a function as machine code, made once for each signature of shapes and dtypes.

Values are the interpreter's, to rounding: a sum may be taken in another order, and a product rounds once with the
addition that follows it. NaN, infinities, signed zeros and whole numbers behave as NumPy has them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backpass.graph.interpreter import apart, run
from backpass.graph.origin import state
from backpass.graph.program import Graph
from backpass.graph.pytree import flatten
from backpass.graph.staging import Compiled as Staged
from backpass.graph.staging import is_dynamic
from backpass.graph.traced import Traced

from . import MISS, OFF, available, switched_off

if TYPE_CHECKING:
    from .direct import Direct
    from .program import Program

WAYS = 4
"""Signatures whose short ways are tried: the last batch of an epoch is smaller than the others."""


class Compiled(Staged):
    """A compiled function. `graph`, `kernels`, `llvm` and `asm` show what became of it for some arguments."""

    def __init__(self, function: Callable[..., Any], donate: tuple[int, ...] = ()):
        super().__init__(function)
        self.donate = donate
        self._programs: dict[int, Program | str] = {}
        """Of each graph its machine code, or why it has none."""
        self._short: dict[int, Direct | None] = {}
        """Of each graph the short way into its machine code, if there is one."""
        self._ways: tuple[Direct, ...] = ()
        """The short ways that were taken last, the last one first."""
        self._lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and not state.watching:
            ways = self._ways
            for way in ways:
                result = way(args)
                if result is not MISS:
                    if way is not ways[0]:
                        self._goes(way)
                    return result
        return self._long_way(args, kwargs)

    def _goes(self, way: Direct) -> None:
        """Try this short way first the next time, and the last ones before it then."""
        self._ways = (way, *[other for other in self._ways if other is not way][: WAYS - 1])

    def _long_way(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs:
            args = self._positional(args, kwargs)
        leaves, tree = flatten(args)
        if any(type(leaf) is Traced for leaf in leaves):
            return self.function(*args)  # inside another trace: be part of it
        graph = self._graph(leaves, tree)
        given = [leaf for leaf in leaves if is_dynamic(leaf)]
        # Machine code keeps no value to look at: under debug_nonfinite the interpreter runs the same graph.
        program = "" if state.watching else self._program(graph, args)
        if isinstance(program, str):
            return graph.out_tree.unflatten(apart(run(graph, given), given))
        result = graph.out_tree.unflatten(program.run(given))
        way = self._short_way(program, graph, leaves)
        if way is not None:
            self._goes(way)
        return result

    def _short_way(self, program: Program, graph: Graph, leaves: list[Any]) -> Direct | None:
        """How the next call with such arguments may go, if it can be shorter."""
        from .direct import direct_for

        key = id(graph)
        if key not in self._short:
            self._short[key] = direct_for(program, graph, leaves)
        return self._short[key]

    def _program(self, graph: Graph, args: tuple[Any, ...]) -> Program | str:
        """The machine code of a graph; where the interpreter runs it, why."""
        key = id(graph)
        if key in self._programs:
            return self._programs[key]
        with self._lock:
            if key not in self._programs:
                self._programs[key] = self._made(graph, args)
        return self._programs[key]

    def _made(self, graph: Graph, args: tuple[Any, ...]) -> Program | str:
        if not available():
            return f"{OFF} is 0" if switched_off() else "llvmlite is not installed"
        from .prepare import NotNative
        from .program import Program

        try:
            return Program(graph, donated=self._donated(graph, args))
        except NotNative as error:
            return str(error)

    def _donated(self, graph: Graph, args: tuple[Any, ...]) -> dict[int, int]:
        """Result → the donated array of the same type whose memory it takes; each is taken once, in order."""
        free = []
        leaf = 0
        for k, arg in enumerate(args):
            for value in flatten(arg)[0]:
                if is_dynamic(value):
                    if k in self.donate:
                        free.append(leaf)
                    leaf += 1
        taken = {}
        for number, output in enumerate(graph.outputs):
            node = graph.nodes[output]
            for place in free:
                source = graph.nodes[graph.inputs[place]]
                if (source.shape, source.dtype) == (node.shape, node.dtype) and node.shape:
                    taken[number] = place
                    free.remove(place)
                    break
        return taken

    # ---- what became of it
    def _compiled(self, args: tuple[Any, ...]) -> Program:
        program = self._program(self.graph(*args), args)
        if isinstance(program, str):
            raise RuntimeError(f"there is no machine code here, so the interpreter runs it: {program}")
        return program

    def kernels(self, *args: Any) -> str:
        """The kernels in order, one a line: what each computes, over which domain; interpreter islands are named."""
        program = self._compiled(args)
        return program.code.describe(program.graph)

    def llvm(self, *args: Any) -> str:
        """The optimised LLVM assembly."""
        return self._compiled(args).code.llvm()

    def asm(self, *args: Any) -> str:
        """The processor's assembly."""
        return self._compiled(args).code.asm()


def compile(function: Callable[..., Any], *, donate: int | tuple[int, ...] = ()) -> Compiled:
    """Trace `function` once for each signature of shapes and dtypes, and run it as machine code from then on.

    Python ints, strings and bools among the arguments are part of the signature. Values may not decide what is run.

    Args:
        function: plain NumPy code on pytrees of arrays, also one made by `bp.grad` and its kin.
        donate: positions of arguments whose arrays may be overwritten: results of the same shape and dtype then lie in
            their memory, and those arrays must not be used afterwards.

    What has no machine code (``np.linalg.solve``, say) runs on NumPy in the middle of it; ``compiled.kernels(*args)``
    names it. A function of complex numbers or float16 runs on the interpreter as a whole. No warnings are given for
    divisions by zero and the like.

    >>> import numpy as np, backpass as bp
    >>> fast = bp.compile(bp.value_and_grad(lambda x: np.sum(x ** 2)))
    >>> fast(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    return Compiled(function, (donate,) if isinstance(donate, int) else tuple(donate))


__all__ = ["Compiled", "compile"]
