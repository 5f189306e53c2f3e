"""Columns that give the target away: good scores from them are worth nothing on rows whose target is not known yet."""

from __future__ import annotations

import numpy as np

from backpass.data.table import Column, Table

STRAIGHT = 0.99999
"""A number column whose correlation with a number target is beyond this (either sign) is the target in other units."""


def giveaways(table: Table, target: str, ignore: tuple[str, ...] = ()) -> list[str]:
    """A sentence for each column that is the target under another name (a code beside each class, other units).

    A column of classes gives the target away when each of its values goes with one target value and the other way
    round; a column of numbers when it lies on a straight line with the target. Columns named in `ignore` are not
    looked at.

    >>> code, species = [0, 1, 0, 2, 1] * 4, ["a", "b", "a", "c", "b"] * 4
    >>> giveaways(Table.from_arrays({"code": code, "species": species}), "species")[0].split(":")[0]
    "column 'code' gives the target away"
    """
    known = table.where_known(target)
    truth, hidden = known[target], set(ignore)
    found = []
    for column in known.columns:
        if column.name == target or column.name in hidden or column.kind == "image" or column.missing.any():
            continue
        if _same_classes(column, truth):
            why = f"each of its values goes with one '{target}' only"
        elif _straight_line(column, truth):
            why = f"it lies on a straight line with '{target}'"
        else:
            continue
        found.append(
            f"column '{column.name}' gives the target away: {why}; exclude it unless it will be known for new rows too"
        )
    return found


def _same_classes(column: Column, truth: Column) -> bool:
    """Whether the two are one classification under two sets of names; classes must repeat for that to mean anything."""
    if column.kind == "time":
        return False
    classes, target = np.unique(truth.values, return_inverse=True)
    if len(classes) < 3 or len(classes) > len(truth) / 4:
        return False
    values, codes = np.unique(column.values, return_inverse=True)
    return len(values) == len(classes) == len(np.unique(codes * len(classes) + target))


def _straight_line(column: Column, truth: Column) -> bool:
    if truth.kind != "number" or column.kind != "number" or len(truth) < 10:
        return False
    step = 1 + len(truth) // 10_000  # some thousand rows tell a straight line
    x, y = column.values[::step].astype(np.float64), truth.values[::step].astype(np.float64)
    if not np.isfinite(x).all():
        return False
    with np.errstate(all="ignore"):
        x, y = x - x.mean(), y - y.mean()
        correlation = (x @ y) / np.sqrt((x @ x) * (y @ y))
    return bool(abs(correlation) > STRAIGHT)
