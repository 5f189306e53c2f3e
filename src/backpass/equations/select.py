"""The lines of one layer: by its label, by the name of a function or layer of the user's, or by a part of θ's path."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .derivation import Derivation
    from .line import Line


def layers(derivation: Derivation) -> dict[str, list[Line]]:
    """Name of a layer → its lines, in order: ``1``, ``2``, … for labels, ``attention``, ``dense_1``."""
    sheet = derivation.sheet
    out: dict[str, list[Line]] = {}
    made: dict[int, set[str]] = {}
    for line in derivation.lines:
        own = line.symbol if line.of is None else line.of
        names = set(derivation.groups.get(line.symbol.number, ()))
        if own.label is not None:
            names.add(str(own.label))
        if line.kind == "forward":
            for n in line.reads:
                names |= _places(derivation, n)
            made[line.symbol.number] = names
        elif line.kind == "gradient":
            names |= _places(derivation, own.number)
        elif line.kind == "backward":
            names |= made.get(own.number, set())
        elif derivation.step is not None:
            owner = derivation.step.owner.get(line.symbol.number)
            names |= set() if owner is None else _places(derivation, owner)
            label = None if owner is None else sheet.symbols[owner].label
            names |= set() if label is None else {str(label)}
        for name in names:
            out.setdefault(name, []).append(line)
    return {name: out[name] for name in sorted(out, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))}


def _places(derivation: Derivation, n: int) -> set[str]:
    """dense_1 of the θ that the code calls theta.dense_1.W."""
    symbol = derivation.sheet.symbols[n]
    if symbol.role != "theta" or symbol.position is None:
        return set()
    path = (derivation.graph.nodes[symbol.position].label or "").split(".")
    return {part for part in path[1:-1] if not part.isdigit()}


__all__ = ["layers"]
