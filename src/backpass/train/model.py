"""`Model`: a trained network, what it was trained for, how its inputs were prepared. It predicts, saves and loads."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.data.frames import is_frame, table_from
from backpass.data.preprocess import Preprocessor
from backpass.data.table import Table
from backpass.data.target import Target
from backpass.graph.errors import BackpassError, DataError, ModelFileError, ShapeError
from backpass.graph.program import Graph
from backpass.graph.pytree import flatten
from backpass.nn.module import from_config
from backpass.nn.named import NotDescribableError

from .blas import suited_threads
from .model_file import read_model, write_model

GIVES = ("probabilities", "scores", "probability", "score", "values")
"""What an output may be: a probability or a score for each class; a probability (above 0.5) or a score (above 0) of the
second of two classes; or the numbers themselves."""

CHUNK = 256
"""Rows that the stored graph takes at a time; the last chunk is filled up."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained network.

    `graph` is ``(theta, state, x) → prediction`` for `CHUNK` rows: probabilities for classes, values for numbers.
    `network` holds the layers where they are built-in ones. `classes` are the labels, in the order of the
    probabilities. `preprocessor` and `target` are there when it was trained on a table. `gives` is what the output
    means: one of `GIVES`.
    """

    graph: Graph
    theta: Any
    state: Any
    task: str
    classes: tuple[Any, ...] = ()
    network: Any = None
    preprocessor: Preprocessor | None = None
    target: Target | None = None
    info: dict[str, Any] = field(default_factory=dict)
    gives: str = "values"

    # ---- prediction
    def outputs(self, x: Any) -> np.ndarray:
        """What the network gives for x, an array (N, ...) or a table: probabilities (N, C), a probability (N,), ..."""
        x = self._inputs(x)
        wanted = self.graph.nodes[self.graph.inputs[-1]]
        if x.ndim == 0 or x.shape[1:] != wanted.shape[1:]:
            rows = ", ".join(["N", *map(str, wanted.shape[1:])]) + ("," if len(wanted.shape) == 1 else "")
            raise ShapeError(
                f"the model takes x of shape ({rows}), a row per example, and got shape {x.shape}"
                + ("; for a single row write x[None]" if x.shape == wanted.shape[1:] else "")
            )
        if x.dtype.kind not in ("iub" if wanted.dtype.kind in "iu" else "fiub"):
            what = "whole numbers" if wanted.dtype.kind in "iu" else "numbers"
            raise DataError(f"the model takes {what} ({wanted.dtype}), got {x.dtype}")
        x = x.astype(wanted.dtype)
        parts = []
        with suited_threads(self.graph), np.errstate(all="ignore"):
            for start in range(0, max(len(x), 1), CHUNK):
                rows = x[start : start + CHUNK]
                full = rows
                if len(rows) < CHUNK:
                    full = np.zeros(wanted.shape, wanted.dtype)
                    full[: len(rows)] = rows
                parts.append(self._run(full)[: len(rows)])
        return np.concatenate(parts)

    def _run(self, rows: np.ndarray) -> np.ndarray:
        """The graph's output for a whole chunk. A graph from a file may be of right types and still make no sense."""
        try:
            out = np.asarray(self.graph(self.theta, self.state, rows))
        except BackpassError:
            raise
        except Exception as error:
            raise ModelFileError(f"this model cannot predict, its graph is damaged: {error!r}") from error
        if out.shape[:1] != (CHUNK,):
            raise ModelFileError(f"this model cannot predict, its graph is damaged: it gives shape {out.shape}")
        return out

    def predict(self, x: Any) -> np.ndarray:
        """Labels for classes, values for numbers; x is an array, or a table where the model was trained on one."""
        return self.decided(self.outputs(x))

    def decided(self, out: np.ndarray) -> np.ndarray:
        """What `outputs` stand for: the label of the likelier class, or values in the target's own scale."""
        if self.gives == "values":
            return self.target.decode(out) if self.target is not None else out
        if self.gives in ("probabilities", "scores"):
            index = out.argmax(axis=-1)
        else:
            index = (out > (0.5 if self.gives == "probability" else 0.0)).astype(np.int64)
        return np.array(self.classes, dtype=object if self.target else None)[index]

    def predict_file(
        self,
        file: str | os.PathLike[str],
        output: str | os.PathLike[str],
        *,
        probabilities: bool = False,
        fill_missing_columns: bool = False,
        notices: list[str] | None = None,
    ) -> int:
        """Predict each row of a file, also of one larger than memory, into a CSV or Parquet file; the number of rows.

        See `backpass.train.predictions.predict_file`.
        """
        from .predictions import predict_file

        return predict_file(
            self,
            file,
            output,
            probabilities=probabilities,
            fill_missing_columns=fill_missing_columns,
            notices=notices,
        )

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each class, (N, C), in the order of `classes`. DataError for a model that gives none."""
        self.require_probabilities()
        out = self.outputs(x)
        return out if self.gives == "probabilities" else np.stack([1 - out, out], axis=-1)

    def _inputs(self, x: Any) -> np.ndarray:
        if self.preprocessor is not None and is_frame(x):
            return self.preprocessor.transform(table_from(x, self.preprocessor.readings))
        if isinstance(x, Table):
            raise DataError("this model was trained on arrays, not on a table: pass an array")
        return np.asarray(x)

    def require_table(self, instead: str, name: str = "the model") -> tuple[Preprocessor, Target]:
        """What makes inputs of a table, and what is predicted; a DataError with what to do instead where none is."""
        if self.preprocessor is None:
            raise DataError(f"{name} was trained on arrays, not on a table: {instead}")
        if self.target is None:
            raise DataError(f"{name} predicts several numbers a row, not one column: {instead}")
        return self.preprocessor, self.target

    def require_probabilities(self) -> None:
        """DataError for a model that gives no probabilities of classes."""
        if self.gives not in ("probabilities", "probability"):
            what = "numbers" if self.gives == "values" else "scores, as of a hinge loss"
            raise DataError(f"this model gives {what}, no class probabilities: use predict(x) or outputs(x)")

    # ---- files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, atomically. Raises OSError where the place cannot be written."""
        try:
            layers = self.network.config() if hasattr(self.network, "config") else None
        except NotDescribableError:
            layers = None  # layers of one's own: the graph alone can predict
        content = {
            "task": self.task,
            "gives": self.gives,
            "classes": [_plain(c) for c in self.classes],
            "graph": _without_places(self.graph.to_dict()),
            "layers": layers,
            "preprocessor": None if self.preprocessor is None else self.preprocessor.to_json(),
            "target": None if self.target is None else self.target.to_json(),
            "info": self.info,
        }
        write_model(path, {**_named("theta", self.theta), **_named("state", self.state)}, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model file. Runs no code of it. Raises ModelFileError for a foreign, damaged or newer file."""
        tensors, content = read_model(path)
        try:
            graph = Graph.from_dict(content["graph"])
            theta, state = _collected(graph, tensors)
            network = None if content["layers"] is None else from_config(content["layers"])
            preprocessor = None if content["preprocessor"] is None else Preprocessor.from_json(content["preprocessor"])
            target = None if content["target"] is None else Target.from_json(content["target"])
            task, info, classes = content["task"], content["info"], tuple(content["classes"])
            gives = content["gives"]
            if task not in ("classification", "regression") or gives not in GIVES or not isinstance(info, dict):
                raise ModelFileError("it does not say what it predicts")
        except KeyError as error:
            raise ModelFileError(f"{os.fspath(path)} is damaged: its content has no {error}") from error
        except (TypeError, ValueError, BackpassError) as error:
            raise ModelFileError(f"{os.fspath(path)} is damaged: {error}") from error
        return cls(graph, theta, state, task, classes, network, preprocessor, target, info, gives)

    def __str__(self) -> str:
        leaves, tree = flatten(self.theta)
        rows = [
            f"  {path:<24} {leaf.dtype.name}{list(leaf.shape)}" for path, leaf in zip(tree.paths, leaves, strict=True)
        ]
        return "\n".join([self.summary(), *rows])

    def __repr__(self) -> str:
        return f"<Model: {self.summary()}>"

    def summary(self) -> str:
        """One line: the task, what is predicted, and how many numbers θ has."""
        total = sum(leaf.size for leaf in flatten(self.theta)[0])
        aim = f"{len(self.classes)} classes" if self.task == "classification" else "numbers"
        what = f" of '{self.target.name}'" if self.target else ""
        return f"{self.task}{what}: {aim}; θ has {total:,} numbers"


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _without_places(graph: dict[str, Any]) -> dict[str, Any]:
    """A stored graph whose files are named as in their package, not by where they lie on this machine: the same model
    gives the same bytes everywhere, and tells no stranger of its maker's folders."""
    waiting: list[Any] = [graph]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("files"), list):
                item["files"] = [_within_package(name) for name in item["files"]]
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return graph


def _within_package(name: str) -> str:
    """
    >>> _within_package("/home/ada/lib/backpass/nn/layers.py"), _within_package("/home/ada/secret/net.py")
    ('backpass/nn/layers.py', 'net.py')
    """
    parts = name.replace("\\", "/").split("/")
    last = max((k for k, part in enumerate(parts) if part == "backpass"), default=len(parts) - 1)
    return "/".join(parts[last:])


def _named(prefix: str, tree: Any) -> dict[str, np.ndarray]:
    leaves, structure = flatten(tree)
    return {
        f"{prefix}/{k}/{path}": np.asarray(leaf)
        for k, (path, leaf) in enumerate(zip(structure.paths, leaves, strict=True))
    }


def _collected(graph: Graph, tensors: dict[str, np.ndarray]) -> tuple[Any, Any]:
    """θ and state in the graph's own structure, each leaf of the type that the graph was traced for."""
    if len(graph.in_tree.children) != 3:
        raise ModelFileError("its graph does not take (theta, state, x)")
    found = []
    position = 0
    for prefix, tree in zip(("theta", "state"), graph.in_tree.children, strict=False):
        leaves = []
        for k, path in enumerate(tree.paths):
            name = f"{prefix}/{k}/{path}"
            node = graph.nodes[graph.inputs[position]]
            if name not in tensors:
                raise ModelFileError(f"the weights {name} are missing")
            if tensors[name].shape != node.shape or tensors[name].dtype != node.dtype:
                raise ModelFileError(
                    f"the weights {name} are {tensors[name].dtype}{list(tensors[name].shape)}, not {node.aval}"
                )
            leaves.append(tensors[name])
            position += 1
        found.append(tree.unflatten(leaves))
    return found[0], found[1]


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file that `Model.save` wrote; see `Model.load`."""
    return Model.load(path)
