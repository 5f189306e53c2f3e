"""Optimisers and schedules are found by name, and restored from what they store."""

import json

import numpy as np
import pytest

from backpass.descent import (
    OPTIMIZERS,
    SCHEDULES,
    HyperparameterError,
    adam,
    adamw,
    clip,
    cosine,
    named,
    nesterov,
    one_cycle,
    schedule_named,
    sgd,
    step_decay,
    warmup,
)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_is_its_factory(name):
    assert named(name).name == name == OPTIMIZERS[name].__name__
    text = OPTIMIZERS[name].__doc__ or ""
    assert "Source:" in text
    assert ">>>" in text


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_its_factory(name):
    assert SCHEDULES[name].__name__ == name
    assert ">>>" in (SCHEDULES[name].__doc__ or "")


def test_none_keeps_the_default():
    assert repr(named("adamw", learning_rate=None, weight_decay=0.1)) == repr(adamw(weight_decay=0.1))


@pytest.mark.parametrize(
    "rule",
    [
        sgd(0.5),
        nesterov(0.1, 0.8, weight_decay=0.1),
        adam(cosine(0.1, steps=10)),
        clip(clip(adamw(warmup(one_cycle(0.1, steps=10, shape="linear"), steps=3)), norm=1.0), value=0.5),
        sgd(warmup(0.1, steps=2)),
        sgd(step_decay(0.1, every=3)),
    ],
    ids=repr,
)
def test_json_restores_the_same_steps(rule):
    restored = named(json.loads(json.dumps(rule.to_json())))
    assert repr(restored) == repr(rule)
    theta, grad = np.array([1.0, -2.0]), np.array([0.3, 5.0])
    for step in range(3):
        one, _ = rule.update(theta, grad, rule.init(theta), step)
        other, _ = restored.update(theta, grad, restored.init(theta), step)
        np.testing.assert_array_equal(one, other)


def test_what_is_built_already_is_returned():
    rule, schedule = adam(), cosine(0.1, steps=3)
    assert named(rule) is rule
    assert named(rule, learning_rate=None) is rule
    assert schedule_named(schedule) is schedule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: named("adma"), "there is no optimizer 'adma'; did you mean 'adam'?.*There are: sgd, momentum"),
        (lambda: named("lbfgs"), r"lbfgs is no step rule.*backpass\.descent\.lbfgs\(value_and_grad, theta\)"),
        (
            lambda: named("sgd", momentum=0.9),
            "sgd has no hyperparameter 'momentum'; It has: learning_rate, weight_decay",
        ),
        (lambda: named("adam", learning_rat=0.9), "no hyperparameter 'learning_rat'; did you mean 'learning_rate'?"),
        (lambda: named(adam(), learning_rate=0.1), "has its hyperparameters already"),
        (lambda: named(3), "3 names no optimizer; pass a name such as 'adam'"),  # type: ignore[arg-type]
        (lambda: named({"learning_rate": 0.1}), "names no optimizer"),
        (lambda: named({"name": "sgd", "learning_rate": {"name": "mine"}}), "there is no schedule 'mine'"),
        (lambda: schedule_named("cosine", learning_rate=0.1), r"cosine needs steps: cosine\(learning_rate"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(make, message):
    with pytest.raises(HyperparameterError, match=message):
        make()
