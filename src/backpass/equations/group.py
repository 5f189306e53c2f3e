"""Which function or layer of the user a line belongs to: the calls between the loss and the place of its operation."""

from __future__ import annotations

import os
from collections import defaultdict
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .line import Line
    from .sheet import Sheet

Call = tuple[str, int]
"""The name of a function, and which call of it in the source."""
_PASSES_ON = frozenset(("Sequential.apply", "Module.apply", "Model.apply"))
_ROOM = os.sep + os.path.join("backpass", "nn") + os.sep


def calls_of(node: Any, outer: CodeType | None) -> tuple[Call, ...]:
    """The calls that led from the function `outer` to a node, outermost first."""
    found: list[Call] = []
    at = node.origin
    while at is not None and at.code is not None:
        if at.code is outer:
            return tuple(reversed(found))
        qualified = at.code.co_qualname
        name = qualified.rsplit("<locals>.", 1)[-1]
        if _ROOM in at.code.co_filename and "." in name:
            name = "" if name in _PASSES_ON else name.split(".")[0]  # Dense.apply: the layer is called Dense
        if name and not name.startswith(("<", "_")):
            found.append((name.rsplit(".", 1)[-1], id(at.parent)))
        at = at.parent
    return () if outer is not None else tuple(reversed(found[:-1]))


def groups(sheet: Sheet, lines: list[Line], outer: CodeType | None) -> dict[int, tuple[str, ...]]:
    """Line's symbol → names of the functions it stands in. A function of one line, such as a sigmoid, is no group."""
    paths: dict[int, tuple[Call, ...]] = {}
    members: dict[tuple[Call, ...], set[str]] = defaultdict(set)
    for line in lines:
        if line.position is None or line.position >= len(sheet.graph.nodes):
            continue
        path = calls_of(sheet.graph.nodes[line.position], outer)
        if line.kind == "gradient":
            continue
        paths[line.symbol.number] = path
        for k in range(1, len(path) + 1) if line.kind == "forward" else ():
            members[path[:k]].add(line.symbol.base)
    out: dict[int, tuple[str, ...]] = {}
    for number, path in paths.items():
        kept = [call[0] for k, call in enumerate(path, 1) if len(members[path[:k]]) > 1]
        out[number] = tuple(dict.fromkeys(kept))
    return out


__all__ = ["groups"]
