"""`flatten`: a pytree as one vector."""

import numpy as np

from backpass.graph.pytree import flatten as tree_flatten


def flatten(value):
    leaves, tree = tree_flatten(value)
    if not leaves:
        return np.zeros(0), lambda _: value
    shapes = [np.shape(leaf) for leaf in leaves]
    vector = np.concatenate([np.reshape(leaf, (-1,)) for leaf in leaves])

    def unflatten(vector):
        parts, start = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            parts.append(np.reshape(vector[start : start + size], shape) if shape else vector[start])
            start += size
        return tree.unflatten(parts)

    return vector, unflatten


def const_graph(*args, **kwargs):
    raise NotImplementedError("the graph of a call with constants: bp.compile's business, with other rules")
