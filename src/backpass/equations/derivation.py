"""`derive`: the equations of a function and of its gradient, from the graph that it was traced to."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from .build import Builder
from .check import TOLERANCE, Checked
from .check_lines import check_lines
from .evaluate import evaluate
from .expand import Expansion
from .expr import IMAGINARY, contains, num, substitute
from .fold import Folded, fold, fold_over_theta, loop_letter
from .group import groups
from .latex import aligned, broken, document
from .layout import Layout, Row, Token
from .line import Line
from .local import Local, locals_of
from .present import as_data, page
from .select import layers
from .sheet import Symbol
from .text import WIDTH, plain, wrapped
from .unit import finite_difference, shown, unit_layout, unit_value
from .unroll import length_of
from .update import Update
from .why import why
from .write_index import Letters, name_of, number

FORMS = ("matrix", "index", "columns")


class Derivation:
    """The derivation of a loss: forward equations, the backward recursion, the gradient of every θ.

    Print it, look at it in a notebook, or ask it: `text`, `latex`, `html`, `to_dict`, `line`, `unit`, `panes`, `why`,
    `check`. Examples stand as rows, as in the code, or as columns: ``text("columns")``.
    """

    def __init__(self, builder: Builder, leaves: list[Any], update: Update | None = None):
        self.sheet = builder.sheet
        self.graph = builder.graph
        self.forward: list[Line] = list(builder.forward)
        self.backward: list[Line] = list(builder.backward)
        self.step = update
        self.update: list[Line] = [] if update is None else update.lines
        """What an optimiser does with the gradients, in the order in which it does it."""
        self.assumptions = sorted(self.sheet.assumptions)
        """What the lines hold under, where they hold under something: no ties, no zero divisor."""
        self._builder = builder
        self.cotangents: dict[int, Any] = builder.cotangents
        """∂L/∂ of the lines of the graph, by autodiff."""
        self._leaves = leaves
        self.worn = builder.worn()
        """Was the budget for algebra used up, so that later lines are not as short as they could be?"""
        symbols = self.sheet.symbols
        self.layered = any(s.role == "theta" and s.label is not None for s in symbols)
        imaginary = contains(IMAGINARY, [line.expr for line in self.lines if line.expr is not None])
        self.letters = Letters(self.sheet, {s.base for s in symbols} | {"L"}, imaginary)
        examples = self._examples()
        if examples is not None:
            self.letters.prefer(examples, "n")
            self.letters.examples = examples
        for s in symbols:
            if s.role in ("data", "value"):
                for axis, n in zip(self.sheet.axes.classes(s.key), s.shape, strict=True):
                    if n != 1 and len(self.letters.preferred) < len(self.letters.pool):
                        self.letters.prefer(axis)

    def _examples(self) -> int | None:
        """The class of axes that runs over examples: the first axis of data that a pre-activation runs over as well."""
        axes = self.sheet.axes
        data = [s for s in self.sheet.symbols if s.role == "data" and any(n != 1 for n in s.shape)]
        pre = [self.sheet.at[k] for k in self._builder.roles.pre if k in self.sheet.at]
        wanted = {c for s in pre for c in axes.classes(s.key) if axes.length[c] != 1}
        rows = [axes.classes(s.key)[0] for s in data if s.shape[0] != 1]
        others = [c for s in data for c in axes.classes(s.key) if axes.length[c] != 1]
        return next((c for c in [*rows, *others] if c in wanted), rows[0] if rows else None)

    # ---- lines
    @property
    def lines(self) -> list[Line]:
        return self.forward + self.backward + self.update

    @property
    def names(self) -> dict[str, Any]:
        """Every name that an equation uses, with its value."""
        out: dict[str, Any] = {}
        for s in self.sheet.symbols:
            if s.role in ("after", "repeat"):
                continue
            out[self.name(s)] = s.value
            if s.loops is not None:
                out.setdefault(s.loops, s.value)
        return out

    def name(self, symbol: Symbol) -> str:
        return plain(name_of(symbol, self.sheet.symbols))

    def key(self, line: Line) -> str:
        """A name that `line` finds this line by."""
        return self.name(line.symbol) + (" ←" if line.kind == "update" and line.arrow == "←" else "")

    def line(self, name: str) -> Line:
        """The equation of a name; of a θ its gradient, of ``W1 ←`` its update.

        ``∂L/∂W1`` may be written ``dL/dW1``, δ⁽¹⁾ ``delta(1)``.

        Raises:
            NameError: there is no equation of that name; the message lists those there are.
        """
        wanted = _normal(name)
        updates = wanted.endswith("←")
        for line in self.update if updates else self.forward + self.backward:
            if wanted.rstrip("←") == _normal(self.name(line.symbol)):
                return line
        for line in self.backward:
            of = None if line.of is None else _normal(self.name(line.of))
            if of is not None and wanted in (of, f"∂L/∂{of}"):
                return line
        for line in self.update:
            if wanted == _normal(self.name(line.symbol)):
                return line
        for line in self.backward:
            if line.kind == "gradient" and line.of is not None and wanted in self._paths_of(line.of):
                return line
        known = ", ".join(self.name(line.symbol) for line in self.lines[:40])
        raise NameError(f"there is no equation of {name!r}; there are {known}")

    def _paths_of(self, theta: Symbol) -> set[str]:
        """What else a θ may be called: by its path in the code, dense_1.W, and W1 for W⁽¹⁾."""
        label = self.graph.nodes[theta.position or 0].label or ""
        short = set() if theta.label is None else {f"{theta.base}{theta.label}"}
        return {label, label.partition(".")[2], *short} - {""}

    def layer(self, name: str | int) -> list[Line]:
        """The lines of a layer: its label (``2``), the function it stands in, or a part of θ's path (``dense_1``).

        Raises:
            NameError: there is no such layer; the message lists those there are.
        """
        found = layers(self)
        if str(name) not in found:
            known = f"there are {', '.join(found)}" if found else "its lines are in no repeated layer and no function"
            raise NameError(f"there is no layer {name!r}; {known}")
        return found[str(name)]

    def layout(self, line: Line, form: str = "matrix") -> Layout:
        """The line as a tree; in index form where it has no matrix form, and the other way round."""
        if form not in FORMS:
            raise ValueError(f"form is {form!r}; it is one of {', '.join(map(repr, FORMS))}")
        other = "matrix" if form == "index" else "index"
        found = line.layout(form, self.sheet, self.letters) or line.layout(other, self.sheet, self.letters)
        assert found is not None
        return Row((found[0], Token(f" {line.arrow} "), found[1]))

    def text_of(self, line: Line, form: str = "matrix") -> str:
        return plain(self.layout(line, form))

    # ---- what stands beside the equations
    @cached_property
    def partials(self) -> list[Local]:
        """The local partials: one for each way in which a forward line reads a symbol between θ and the loss."""
        lines = [line for line in self.forward if line.expr is not None and line.position is not None]
        return [p for line in lines for p in locals_of(self._builder, line)]

    @cached_property
    def groups(self) -> dict[int, tuple[str, ...]]:
        """Number of a line's symbol → the functions or layers of the user that the line stands in, outermost first."""
        return groups(self.sheet, self.forward + self.backward, self._builder.code)

    def expanded(self, name: str = "L", level: int | None = None, form: str = "matrix") -> str:
        """An equation with definitions put in: level 0 is ``L = F(θ; data)``, the last is down to θ and the data.

        What would be longer than a page is not written out; how long it would be is said instead.
        """
        return Expansion(self, self.line(name)).text(level, form)

    def levels(self, name: str = "L", form: str = "matrix") -> list[str]:
        """`expanded` at every level."""
        found = Expansion(self, self.line(name))
        return [found.text(k, form) for k in range(len(found.levels) + 1)]

    # ---- the whole
    def sections(self, form: str = "matrix", folded: bool = True) -> list[tuple[str, list[Folded]]]:
        """("forward", "backward" and "update", their lines), alike lines of repeated layers folded."""
        parts = [("forward", self.forward), ("backward", self.backward), ("update", self.update)]
        rows = [[(line, self.layout(line, form)) for line in part] for _, part in parts]
        letter = loop_letter(rows[0] + rows[1], self.layered)
        out = []
        for (title, lines), part in zip(parts, rows, strict=True):
            found = [Folded(x, [line]) for line, x in part]
            if folded:
                found = fold(part, letter)
                if title == "update" and self.step is not None:
                    found = fold_over_theta(part, self.step, letter)
            if lines or title != "update":
                out.append((title, found))
        return out

    def local_rows(self, folded: bool = True) -> list[Folded]:
        """The local partials, alike ones of repeated layers folded."""
        rows: list[tuple[Line, Layout]] = []
        for p in self.partials:
            left, right, _ = p.layout(self.sheet, self.letters)
            rows.append((p.line, Row((left, Token(" = "), right))))
        return fold(rows, loop_letter(rows, self.layered)) if folded else [Folded(x, [line]) for line, x in rows]

    def headed(self, rows: list[Folded]) -> Iterator[tuple[str, Folded]]:
        """Rows with a heading where another function or layer begins, when there are several."""
        found = [self.groups.get(row.lines[0].symbol.number) for row in rows]
        several = len({g for g in found if g}) > 1
        last: tuple[str, ...] = ()
        for row, group in zip(rows, found, strict=True):
            group = last if group is None else group  # a gradient belongs to the lines above it
            yield (" · ".join(group) or self.graph.name) if several and group != last else "", row
            last = group

    def text(
        self,
        form: str = "matrix",
        *,
        folded: bool = True,
        partials: bool = False,
        width: int = WIDTH,
        limit: int | None = 400,
    ) -> str:
        """The equations as Unicode text, wrapped at operators to `width` columns; at most `limit` lines a section.

        `form` is "matrix" (examples as rows, as in the code), "columns" (each example a column: z = W1ᵀ x + b1) or
        "index", whose indices stand in the order of the code's axes. `partials` adds the local partials.
        """
        preset = "columns (indices stand as in the code)" if form == "columns" else "rows"
        out = [f"{self.graph.name}: examples as {preset}"]
        out += [f"  {self.name(s)} is {s.loops}" for s in self.sheet.symbols if s.loops is not None]
        out += [f"  {self.name(s)} is a constant of the code, {_sort(s.value)}" for s in self._constants()]
        for title, rows in self.sections(form, folded) if self.lines else ():
            if title == "backward" and partials:
                out.append("local partials")
                out += self._rows(self.local_rows(folded), width, limit)
            out += [title] if title != "update" else textwrap.wrap(self.update_title(), width, subsequent_indent="  ")
            out += self._rows(rows, width, limit)
        if not self.lines:
            out += self._summary()
        if self.worn:
            out.append("the algebra of later lines is left as the chain rule gives it: the lines are many and unlike")
        if self.assumptions:
            out.append("holds where " + "; ".join(self.assumptions))
        return "\n".join(out)

    def _rows(self, rows: list[Folded], width: int, limit: int | None) -> list[str]:
        out: list[str] = []
        for heading, row in self.headed(rows[:limit]):
            if heading:
                out.append(f" {heading}")
            remark = f"      {row.range}" if row.range else ""
            out += wrapped("  " + plain(row.layout) + remark, width=width)
        if limit is not None and len(rows) > limit:
            out.append(f"  … {len(rows) - limit} more lines: text(limit=None) prints them")
        return out

    def _constants(self) -> list[Symbol]:
        """Arrays that stand in the code and have no name there."""
        read = {n for line in self.forward + self.backward for n in line.reads}
        return [s for s in self.sheet.symbols if s.role == "constant" and s.number in read and s.shape != ()]

    def update_title(self) -> str:
        """``update (sgd: η = 0.01)``"""
        assert self.step is not None
        numbers = [f"{name} = {number(value)}" for name, value in self.step.legend]
        return f"update ({self.step.name}" + (": " + ", ".join(numbers) if numbers else "") + ")"

    def _summary(self) -> list[str]:
        """What a graph is made of that is too long to be derived line by line."""
        counts = Counter(node.op.name for node in self.graph.nodes if node.inputs)
        rows = [f"{length_of(self.graph):,} operations: too many to derive line by line. They are"]
        rows += [f"  {n:>9,}  {name}" for name, n in counts.most_common(12)]
        return [*rows, *([f"  and {len(counts) - 12} other kinds"] if len(counts) > 12 else [])]

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<derivation of {self.graph.name}: {len(self.forward)} forward and {len(self.backward)} backward lines>"

    def latex(self, form: str = "matrix", *, folded: bool = True) -> str:
        """LaTeX source: one aligned block each for forward, backward and update (needs amsmath)."""
        blocks = []
        for _, rows in self.sections(form, folded):
            lines = []
            for row in rows:
                assert isinstance(row.layout, Row)
                lines.append((broken(row.layout), row.range))
            blocks.append(aligned(lines))
        return "\n\n".join(blocks)

    def document(self, form: str = "matrix", *, folded: bool = True) -> str:
        """A LaTeX document of its own, ready to be compiled."""
        titles = [title.capitalize() for title, _ in self.sections(form, folded)]
        if self.step is not None:
            titles[-1] = self.update_title().capitalize()
        return document(self.graph.name, list(zip(titles, self.latex(form, folded=folded).split("\n\n"), strict=True)))

    def _repr_latex_(self) -> str:
        return "\n\n".join(f"$$\n{block}\n$$" for block in self.latex().split("\n\n"))

    def html(self, form: str = "matrix", *, folded: bool = True) -> str:
        """HTML with MathML, which browsers draw by themselves; each line opens to its index form, shape and source."""
        return page(self, form, folded)

    def _repr_html_(self) -> str:
        return self.html()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, ready for ``json.dumps``."""
        return as_data(self)

    # ---- one line
    def unit(self, name: str, *at: int) -> str:
        """One entry of a line with its Σ written out: ``unit("W1", 2, 0)`` for ∂L/∂W1 at row 2, column 0."""
        left, right, _ = unit_layout(self.sheet, self.letters, *self._at(name, at))
        return f"{plain(left)} {self.line(name).arrow} {plain(right)}"

    def numbers(self, name: str, *at: int) -> str:
        """The same with the numbers put in, beside autodiff and, for a θ, finite differences."""
        line, place = self._at(name, at)
        left, right, _ = unit_layout(self.sheet, self.letters, line, place, numbers=True)
        assert line.expr is not None
        free = [i for i in line.indices if i.kind == "v"]
        value = evaluate(self.sheet, substitute(line.expr, dict(zip(free, map(num, place), strict=True))))[()]
        text = f"{plain(left)} {line.arrow} {plain(right)} = {shown(value)}"
        if line.kind in ("backward", "gradient"):
            text += f" · autodiff {shown(unit_value(line, place))}"
        if line.kind == "gradient" and line.of is not None and line.of.position is not None:
            difference = finite_difference(self.graph, self._leaves, line.of.position, place)
            text += f" · finite difference {shown(difference)}"
        return text

    def panes(self, name: str, *at: int) -> str:
        """The four panes of a line: matrix, index, one unit, the numbers."""
        line, place = self._at(name, at)
        rows = [("matrix", line.text("matrix", self.sheet, self.letters)), ("index", self.text_of(line, "index"))]
        rows += [("unit", self.unit(name, *place)), ("numbers", self.numbers(name, *place))]
        out = []
        for title, text in rows:
            text = text if text is not None else "no matrix form: see the index form"
            out += wrapped(f"{title:<8} {text}", indent=11)
        return "\n".join(out)

    def why(self, name: str) -> str:
        """Why a factor stands transposed in this line: the index swap and the shapes."""
        return why(self.sheet, self.letters, self.line(name))

    def _at(self, name: str, at: tuple[int, ...]) -> tuple[Line, tuple[int, ...]]:
        line = self.line(name)
        lengths = [n for n in line.shape if n != 1]
        if line.expr is None:
            raise ValueError(f"{self.text_of(line)} is a call on whole arrays: it has no unit to write out")
        place = at if at or not lengths else (0,) * len(lengths)
        if len(place) != len(lengths) or any(not 0 <= i < n for i, n in zip(place, lengths, strict=False)):
            raise IndexError(f"{self.name(line.symbol)} has shape {tuple(lengths)}; the entry {at} is not in it")
        return line, place

    # ---- the test
    def check(self, tolerance: float = TOLERANCE) -> Checked:
        """Read every printed line back, in every form it has and from its LaTeX, and compare it with autodiff."""
        return check_lines(self, tolerance)


def _sort(value: Any) -> str:
    """What an array of constants is: its number where it has but one, and its shape."""
    array = np.asarray(value)
    shape = " × ".join(map(str, array.shape))
    same = array.size and np.all(array == array.flat[0])
    return f"{number(array.flat[0].item())} throughout ({shape})" if same else shape


def _normal(name: str) -> str:
    name = name.replace("dL/d", "∂L/∂").replace("delta", "δ")
    return name.translate(str.maketrans("⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹", "()0123456789")).replace(" ", "")


def derive(
    function: Callable[..., Any], *, optimizer: Any = None, state: Any = None, step: int = 0
) -> Callable[..., Derivation]:
    """The equations of a scalar function and of its gradient with respect to its first argument.

    Args:
        function: plain NumPy code that returns one number; θ is its first argument, any pytree.
        optimizer: also print the update: an optimiser of `bp.descent`, its name, or a function
            ``update(theta, gradient, state, step)`` that returns the new θ and state.
        state: what the optimiser remembers, by default ``optimizer.init(theta)``.
        step: the number of the step, counted from 0.

    Returns:
        A function of the same arguments that returns a `Derivation`. The values of the arguments are the numbers that
        its panes show and its check uses.

    Raises:
        ShapeError: the result is not a scalar. TracingError: the code reads a value (``if x > 0``).

    >>> import numpy as np, backpass as bp
    >>> from backpass.equations import derive
    >>> def loss(theta, x, t):
    ...     a = np.tanh(x @ theta["W1"] + theta["b1"])
    ...     return np.mean((a @ theta["W2"] - t) ** 2)
    >>> theta = {"W1": np.ones((3, 4)), "b1": np.ones(4), "W2": np.ones((4, 2))}
    >>> d = derive(loss)(theta, np.ones((5, 3)), np.zeros((5, 2)))
    >>> print(d)
    loss: examples as rows
    forward
      z⁽¹⁾ = x W1 + b1
      a = tanh(z⁽¹⁾)
      z⁽²⁾ = a W2
      L = (Σ_nj (z⁽²⁾_nj − t_nj)²)/(J·N)
    backward
      δ⁽²⁾ = 2·(z⁽²⁾ − t) / (J·N)
      ∂L/∂W2 = aᵀ δ⁽²⁾
      δ⁽¹⁾ = (δ⁽²⁾ W2ᵀ) ⊙ (1 − a²)
      ∂L/∂W1 = xᵀ δ⁽¹⁾
      ∂L/∂b1 = Σ_n δ⁽¹⁾
    >>> bool(d.check())
    True
    """

    def derived(theta: Any, *args: Any) -> Derivation:
        builder = Builder(function, theta, args)
        update = None if optimizer is None else Update(builder, optimizer, theta, state, step)
        return Derivation(builder, builder.leaves, update)

    return derived


__all__ = ["Derivation", "derive"]
