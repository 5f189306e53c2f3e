"""`train_table`: from a table and the name of its target to a trained model and its result on rows never seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backpass.data.prepare import Prepared
from backpass.data.prepare_large import PreparedLarge
from backpass.graph.errors import NonFiniteError

from .fit import Run, fit
from .history import Epoch, History
from .metrics import classification_scores, regression_scores
from .model import Model
from .progress import Progress
from .recipe import Recipe, class_weights
from .report import Results
from .run_folder import RunFolder
from .saving import keep_model


@dataclass(frozen=True, eq=False)
class Session:
    """What training on a table gave. `results` is None where no rows could be held out."""

    model: Model
    history: History
    results: Results | None
    prepared: Prepared | PreparedLarge


def train_table(
    prepared: Prepared | PreparedLarge,
    recipe: Recipe,
    seed: int = 0,
    progress: bool | Progress | None = None,
    run: RunFolder | None = None,
    callback: Callable[[Epoch], Any] | None = None,
) -> Session:
    """Train on a prepared table with a recipe: the training rows learn, the validation rows choose the best θ, and the
    test rows, seen once at the end, judge. With `run`, checkpoints, model and result go into that folder, and a run
    that it holds goes on. `callback` is called with each epoch, and stops by a true result.

    Raises NonFiniteError where training stopped being finite.
    """
    target = prepared.target
    classes = target.task == "classification"
    held = prepared.sizes[1] > 0
    network = recipe.network(len(target.classes) if classes else 1)
    done = _fitted(network, prepared, recipe, seed, progress, held, classes, run, callback)
    info = {**done.model.info, "seed": seed}
    classes_of = target.classes if classes else ()
    model = replace(done.model, classes=classes_of, preprocessor=prepared.preprocessor, target=target, info=info)
    session = Session(model, done.history, judged(model, prepared), prepared)
    if run is not None:
        keep_model(run, model, session.results.model if session.results is not None else None)
    return session


def _fitted(
    network: Any,
    prepared: Prepared | PreparedLarge,
    recipe: Recipe,
    seed: int,
    progress: Any,
    held: bool,
    classes: bool,
    run: RunFolder | None,
    callback: Callable[[Epoch], Any] | None,
) -> Run:
    try:
        return fit(
            network,
            prepared.training,
            "cross_entropy" if classes else "squared_error",
            optimizer=recipe.rule(prepared.sizes[0]),
            epochs=recipe.epochs,
            batch=recipe.batch,
            validation=prepared.validation if held else None,
            patience=recipe.patience if held else None,
            seed=seed,
            progress=progress,
            sample_weight=prepared.training_weights,
            class_weight=class_weights(recipe.class_weight, prepared.target.classes),
            labels=len(prepared.target.classes) or None,
            callback=callback,
            run=run,
        )
    except NonFiniteError as error:
        rate = f"{min(recipe.rate / 10, 1e-3):.1g}"
        kept = "No model is saved" if run is None else f"The checkpoints in {run.path} stay"
        error.__notes__ = [f"  {kept}. Try --learning-rate {rate}, or --clip-norm 1."]
        raise


def judged(model: Model, prepared: Prepared | PreparedLarge) -> Results | None:
    """The model beside a baseline that knows only how the target is spread, on the test rows."""
    x, y = prepared.test
    rows = len(y)
    if not rows:
        return None
    out = model.outputs(x)
    target = prepared.target
    if target.task == "classification":
        shares = prepared.train_target / prepared.train_target.sum()
        majority = target.classes[int(shares.argmax())]
        baseline = np.broadcast_to(shares, (rows, len(shares)))
        return Results(classification_scores(y, out), classification_scores(y, baseline), f"always '{majority}'", rows)
    truth, predicted = target.decode(y), target.decode(out)
    mean = np.full(rows, target.decode(prepared.train_target)[0])
    return Results(
        regression_scores(truth, predicted), regression_scores(truth, mean), "always the mean", rows, target.unit
    )
