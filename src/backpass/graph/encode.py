"""Between graphs and JSON: attributes, constants, pytree structures and places. Reading runs no code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .aval import Aval, bundle_aval
from .bundle import BUNDLE_DTYPE
from .errors import BackpassError
from .pytree import LEAF, Tree


class GraphError(BackpassError, ValueError):
    """A graph is ill-formed: a wrong type, an unknown operation, or a damaged file."""


class Opaque(NamedTuple):
    """An argument held fixed that JSON cannot hold (a function, an object), by what it is called."""

    text: str
    __leaf__ = True

    def __repr__(self) -> str:
        return self.text


def whole(value: Any) -> int:
    """A whole number from JSON, and nothing that could merely be turned into one."""
    if type(value) is not int:
        raise GraphError(f"not a whole number: {value!r:.40}")
    return value


def encode(value: Any) -> Any:
    """An attribute as JSON: numbers, strings, None, and tagged tuples, slices, ellipses and arrays."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, slice):
        return {"slice": [encode(value.start), encode(value.stop), encode(value.step)]}
    if isinstance(value, (np.ndarray, np.generic)):
        return {"array": encode_array(value)}
    if hasattr(value, "nodes"):  # the body of a control operation
        return {"graph": value._content()}  # type: ignore[attr-defined]
    raise GraphError(f"an attribute of type {type(value).__name__} cannot be stored: {value!r}")


def decode(value: Any) -> Any:
    """The inverse of `encode`; lists come back as tuples."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if isinstance(value, dict) and len(value) == 1:
        tag, content = next(iter(value.items()))
        if tag == "float" and isinstance(content, str):
            return float.fromhex(content)
        if tag == "ellipsis":
            return Ellipsis
        if tag == "slice" and isinstance(content, list) and len(content) == 3:
            return slice(*[decode(item) for item in content])
        if tag == "array":
            return decode_array(content)
        if tag == "graph":
            from .program import Graph

            return Graph.from_dict(content)
    raise GraphError(f"not an attribute: {value!r:.80}")


def encode_fixed(value: Any) -> Any:
    """An argument held fixed: as an attribute, or by its name or repr."""
    if value is None or isinstance(value, (bool, int, str)):
        return encode(value)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    text = f"{getattr(value, '__module__', '')}.{name}" if isinstance(name, str) else repr(value)
    return {"opaque": text}


def decode_fixed(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(text := value.get("opaque"), str):
        return Opaque(text)
    return decode(value)


def encode_aval(aval: Aval) -> dict[str, Any]:
    if aval.dtype == BUNDLE_DTYPE:
        return {"parts": [encode_aval(part) for part in aval.parts]}
    told = {"shape": list(aval.shape), "dtype": aval.dtype.name}
    return told | {"weak": True} if aval.weak else told


def decode_aval(item: dict[str, Any]) -> Aval:
    if "parts" in item:
        if any("parts" in part for part in item["parts"]):
            raise GraphError("a bundle within a bundle")
        return bundle_aval([decode_aval(part) for part in item["parts"]])
    shape = tuple(map(whole, item["shape"]))
    dtype, weak = _dtype(item["dtype"]), item.get("weak", False)
    if any(n < 0 for n in shape) or len(shape) > 64 or type(weak) is not bool:
        raise GraphError(f"not a type: {dtype} of shape {shape}, weak {weak!r:.20}")
    return Aval(shape, dtype, weak)


_DTYPES = frozenset(np.dtype(code).name for code in "?bhilqBHILQefdgFDG")


def _dtype(name: Any) -> np.dtype:
    if not isinstance(name, str) or name not in _DTYPES:
        raise GraphError(f"not a dtype: {name!r:.40}")
    return np.dtype(name)


def encode_array(value: Any) -> dict[str, Any]:
    # Entries are written in the order of memory, and it is kept: a product of matrices rounds by it.
    order = sorted(range(np.ndim(value)), key=lambda axis: -abs(value.strides[axis])) if np.ndim(value) > 1 else []
    array = np.ascontiguousarray(np.transpose(value, order) if order else value)
    if array.dtype.kind not in "biufc":
        raise GraphError(f"a constant of dtype {array.dtype} cannot be stored")
    kind = (
        "array"
        if isinstance(value, np.ndarray)
        else "scalar"
        if isinstance(value, np.generic)
        else type(value).__name__
    )
    import base64

    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    content = {"dtype": array.dtype.name, "shape": list(np.shape(value)), "data": data, "kind": kind}
    return content | {"order": order} if order != sorted(order) else content


def decode_array(content: Any) -> Any:
    import base64

    try:
        dtype = _dtype(content["dtype"])
        shape = tuple(map(whole, content["shape"]))
        raw = base64.b64decode(content["data"], validate=True)
        kind = content["kind"]
        order = tuple(map(whole, content.get("order", range(len(shape)))))
    except (KeyError, TypeError, ValueError) as error:
        raise GraphError(f"a stored array is damaged: {error}") from error
    if any(n < 0 for n in shape) or sorted(order) != list(range(len(shape))):
        raise GraphError(f"a stored array has dtype {dtype} and shape {shape}")
    size = 1
    for n in shape:
        size *= n
    if size * dtype.itemsize != len(raw):
        raise GraphError(f"a stored array of shape {shape} and dtype {dtype} holds {len(raw)} bytes")
    array = np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape([shape[axis] for axis in order])
    array = np.transpose(array, [order.index(axis) for axis in range(len(shape))])
    if kind in ("int", "float", "bool", "complex") and shape == ():
        return array.item()
    return array[()] if kind == "scalar" else array


def encode_tree(tree: Tree) -> Any:
    """A pytree's structure. Named tuples and dataclasses become tuples and dicts: reading knows no foreign class."""
    if tree == LEAF:
        return "*"
    if tree.kind == "none":
        return None
    children = [encode_tree(child) for child in tree.children]
    if tree.kind is list:
        return ["list", children]
    if isinstance(tree.kind, type) and issubclass(tree.kind, tuple):
        return ["tuple", children]
    return ["dict", children, [str(name) for name in tree.meta]]


def decode_tree(content: Any, depth: int = 0) -> Tree:
    if depth > 64:
        raise GraphError("a stored structure is nested too deeply")
    if content == "*":
        return LEAF
    if content is None:
        return Tree("none", None, ())
    if not (isinstance(content, list) and len(content) in (2, 3) and isinstance(content[1], list)):
        raise GraphError(f"not a structure: {content!r:.80}")
    children = tuple(decode_tree(child, depth + 1) for child in content[1])
    if content[0] == "list":
        return Tree(list, len(children), children)
    if content[0] == "tuple":
        return Tree(tuple, len(children), children)
    names = content[2] if len(content) == 3 else None
    if (
        content[0] == "dict"
        and isinstance(names, list)
        and len(names) == len(children)
        and all(isinstance(n, str) for n in names)
    ):
        return Tree(dict, tuple(names), children)
    raise GraphError(f"not a structure: {content!r:.80}")
