"""The checker checked: altered lines are caught, unless they say the same thing."""

from __future__ import annotations

import random
import re

import numpy as np
from models import MODELS

from backpass.equations import derive
from backpass.equations.check_lines import as_columns, gap_of, printed
from backpass.graph.pytree import tree_map

CHOSEN = (
    "tanh_mlp",
    "relu_mlp",
    "attention",
    "layer_norm",
    "logistic_regression",
    "lstm",
    "vae",
    "embedding_factorisation",
)
COUNT = 1000


def altered(text: str, names: list[str], letters: list[str], rng: random.Random) -> str:
    """One change on the right side: an operator, an index, a name, a number, a transpose, a square."""
    left, right = text.split(" = ", 1)
    places = []
    for pattern, others in (
        (r" [+−] ", [" + ", " − "]),
        (r"·", ["/", " + "]),
        (r" ⊙ ", [" + ", " / "]),
        (r" / ", ["·"]),
        (r"ᵀ", [""]),
        (r"²", ["", "^3"]),
        (r"(?<=_)[a-z]+(?![a-z({_])", None),
        (r"\b\d+\b", None),
        ("|".join(map(re.escape, sorted(names, key=len, reverse=True))), names),
    ):
        places += [(m, others) for m in re.finditer(pattern, right)]
    match, others = rng.choice(places)
    old = match[0]
    if others is None:
        if old.isdigit():
            new = str(int(old) + 1)
        else:
            at = rng.randrange(len(old))
            new = old[:at] + rng.choice(letters) + old[at + 1 :]
    else:
        new = rng.choice([o for o in others if o != old] or [""])
    return f"{left} = {right[: match.start()]}{new}{right[match.end() :]}"


def verdict(text, form, names, lengths, line) -> bool:
    """Does the line hold?"""
    try:
        return gap_of(text, form, names, lengths, line) <= 1e-12
    except (ValueError, KeyError, IndexError, TypeError):
        return False


def test_altered_lines_are_caught():
    """A line counts as right when it holds on two draws of numbers; what survives that must hold on a third as well.

    One draw is not enough where a ReLU gives exact zeros: an altered factor of 0 changes nothing.
    """
    rng = random.Random(3)
    numbers = np.random.default_rng(5)

    def other(leaf):
        # Numbers in general position: with a target of zeros and ones, y² for y would be the same.
        array = np.asarray(leaf)
        return numbers.normal(size=array.shape) * 0.5 if array.dtype.kind == "f" else leaf

    lines = []
    for model in CHOSEN:
        f, theta, args = MODELS[model]
        draws = [derive(f)(tree_map(other, theta), *[tree_map(other, a) for a in args]) for _ in range(3)]
        by_form = [{"columns": as_columns(d), "": d.names} for d in draws]
        for line in draws[0].lines:
            for text, form, lengths in printed(draws[0], line):
                names = [by[form if form == "columns" else ""] for by in by_form]
                lines.append((text, form, names, lengths, line))
    caught = same = 0
    while caught + same < COUNT:
        text, form, names, lengths, line = rng.choice(lines)
        new = altered(text, [n for n in names[0] if n in text], list(lengths) or ["i"], rng)
        if new == text:
            continue
        if all(verdict(new, form, by, lengths, line) for by in names[:2]):
            assert verdict(new, form, names[2], lengths, line), (text, new)
            same += 1
        else:
            caught += 1
    assert caught > 0.95 * COUNT
