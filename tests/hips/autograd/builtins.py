"""Containers: Backpass takes Python's own, so autograd's are these."""

import builtins

import numpy as np

from backpass.graph.traced import Traced

dict = builtins.dict
list = builtins.list
tuple = builtins.tuple


def isinstance(x, kind):
    if x.__class__ is Traced:
        x = x.value
        if builtins.isinstance(x, np.ndarray) and kind is float:
            return False
    return builtins.isinstance(x, kind)


type = builtins.type
