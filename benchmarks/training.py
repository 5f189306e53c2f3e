"""Training and gradients by Backpass, PyTorch, JAX, HIPS autograd and scikit-learn, timed in turns in one process.

All start from the same θ, and the losses of the first steps on the same batches, or the gradients, must agree before
anything is timed. Then they take turns: a window that is not timed and one that is. Printed are the median time and
the least, and the median over the turns of peer / Backpass of the same turn: above 1 Backpass is faster. Then each runs
once more in a process of its own, for the time of its first run, which traces and compiles, and the peak of memory; who
keeps on disk what was compiled does so twice. What is not installed is left out.

    scripts/bench training [--seconds S] [--only TEXT ...] [--without TEXT ...] [--json PATH] [--picture PATH]

A training step is gather, forward, backward and update. Backpass takes many a call, as `bp.fit` does, on as many
threads as it chooses and on one; JAX one jitted call a step, and one `lax.scan` an epoch; PyTorch eager with the fused
optimiser, and under `torch.compile` where there is a C++ compiler. Peers keep their own number of threads.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import backpass as bp
from backpass.train.loop import Loop
from backpass.train.progress import progress_for
from backpass.train.stepping import THREADS, Pace

OURS = "Backpass"
ONE = "Backpass, 1 thread"
RATE = {"sgd": 0.05, "adam": 1e-3}
CHECKED = 20
"""Steps whose losses must agree, without dropout."""


@dataclass
class Contender:
    """Who takes part. `run` does `units` of the work; `begin` goes back to the start."""

    name: str
    run: Callable[[], Any]
    check: Callable[[], np.ndarray] | None = None
    """What must be the same for all."""
    begin: Callable[[], Any] = lambda: None
    units: int = 1
    cold: float = 0.0
    """Seconds of the first run: tracing, compiling, running."""
    end: Callable[[], Any] = lambda: None
    index: int = -1
    """Among the workload's makers."""
    taken: list[float] = field(default_factory=list)

    def window(self) -> None:
        self.begin()
        self.run()
        self.taken.append(seconds(self.run) / self.units)
        self.end()


@dataclass(frozen=True)
class Workload:
    """What is timed, and the ratio to the best peer that it is meant to reach."""

    title: str
    target: float
    makers: tuple[tuple[str, Callable[[], Contender]], ...]
    """(the module that it needs, what makes the contender)."""
    tolerance: float = 1e-8
    """Of what `check` gives, relative to its largest."""


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def paced(contender: Contender, most: int, wanted: float = 2e-3) -> Contender:
    """Set `units` so that a window takes milliseconds; its `run` must do as many."""
    contender.begin()
    each = min(seconds(contender.run) / contender.units for _ in range(2 if contender.cold > 0.1 else 6))
    contender.units = max(1, min(most, int(wanted / each)))
    return contender


# ---- multilayer perceptrons


@dataclass(frozen=True)
class Perceptron:
    """A network with ReLU between its layers, its optimiser, and as many steps an epoch as take milliseconds."""

    sizes: tuple[int, ...]
    batch: int
    steps: int
    target: float
    optimizer: str = "sgd"
    dropout: float = 0.0

    def __str__(self) -> str:
        drop = f", dropout {self.dropout}" if self.dropout else ""
        return f"MLP {'-'.join(map(str, self.sizes))}, batch {self.batch}, {self.optimizer}{drop}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        n = self.batch * self.steps
        return rng.normal(size=(n, self.sizes[0])).astype(np.float32), rng.integers(0, self.sizes[-1], n)

    def order(self) -> np.ndarray:
        return np.random.default_rng(0).permutation(self.batch * self.steps).reshape(self.steps, self.batch)

    def loop(self) -> Loop:
        """The loop that `bp.fit` makes."""
        x, y = self.data()
        network = bp.nn.mlp(self.sizes[1:], dropout=self.dropout)
        theta, state = network.init(np.random.default_rng(0), x[:1])
        rule = getattr(bp.descent, self.optimizer)(RATE[self.optimizer])

        def objective(theta: Any, state: Any, key: Any, x: Any, y: Any) -> Any:
            output, state = network.apply(theta, state, x, training=True, key=key)
            return bp.nn.cross_entropy(output, y), state

        return Loop(objective, rule, theta, state, (x, y), self.batch, 0)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Where all start: (W, b) of each layer."""
        return [(layer["W"], layer["b"]) for layer in self.loop().theta.values() if layer]


def ours(job: Perceptron, threads: int | None = None) -> Contender:
    quiet, order = progress_for(False), job.order().ravel()
    made: list[Loop] = []

    def first_epoch() -> None:
        made.append(job.loop())
        made[0].run_epoch(quiet)

    if threads:
        os.environ[THREADS] = str(threads)
    cold = seconds(first_epoch)
    os.environ.pop(THREADS, None)
    loop, start = made[0], job.loop().carried

    def begin() -> None:
        loop.carried, loop.count = start, 0

    stepper = loop._stepper(job.batch)
    pace = Pace(stepper.threads)

    def run(steps: int = 0) -> np.ndarray:
        found: list[np.ndarray] = []
        done, steps = 0, steps or job.steps
        while done < steps:
            _, number, most = pace.next()
            started = time.perf_counter()
            mine = order[done * job.batch :]
            losses, _ = stepper.take(loop.data, mine, steps - done, loop.count + done, 0, number, most)
            pace.took(len(losses), number, time.perf_counter() - started)
            done += len(losses)
            found.append(losses)
        loop.count += steps
        return np.concatenate(found)

    def losses() -> np.ndarray:
        begin()
        return run(min(CHECKED, job.steps))

    return Contender(ONE if threads else OURS, run, losses, begin, job.steps, cold)


def jax_step(job: Perceptron, kind: str | None) -> tuple[Any, Any]:
    """(start, step(carry, rows, x, y) → (carry, loss)), not jitted; `kind` of random numbers."""
    import jax
    import jax.numpy as jnp

    rate = RATE[job.optimizer]

    def loss(theta: Any, key: Any, x: Any, y: Any) -> Any:
        for k, (w, b) in enumerate(theta):
            x = x @ w + b
            if k < len(theta) - 1:
                x = jax.nn.relu(x)
                if job.dropout:
                    kept = jax.random.bernoulli(jax.random.fold_in(key, k), 1 - job.dropout, x.shape)
                    x = jnp.where(kept, x / (1 - job.dropout), 0)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1))

    def step(carry: Any, rows: Any, x: Any, y: Any) -> Any:
        theta, memory, number, key = carry
        value, gradient = jax.value_and_grad(loss)(theta, jax.random.fold_in(key, number), x[rows], y[rows])
        number = number + 1
        if job.optimizer == "sgd":
            theta = jax.tree.map(lambda t, g: t - rate * g, theta, gradient)
        else:
            power = number.astype(jnp.float32)
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, memory[0], gradient)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, memory[1], gradient)
            c = jnp.sqrt(1 - 0.999**power)
            scale, floor = rate * c / (1 - 0.9**power), c * 1e-8
            theta = jax.tree.map(lambda t, m, v: t - scale * m / (jnp.sqrt(v) + floor), theta, m, v)
            memory = (m, v)
        return (theta, memory, number, key), value

    theta = [(jnp.asarray(w), jnp.asarray(b)) for w, b in job.weights()]
    memory = tuple(jax.tree.map(jnp.zeros_like, theta) for _ in range(2)) if job.optimizer == "adam" else ()
    return (theta, memory, jnp.zeros((), jnp.int32), jax.random.key(0, impl=kind)), step


def jax_scan(job: Perceptron, kind: str | None = None) -> Contender:
    import jax
    import jax.numpy as jnp

    x, y, order = map(jnp.asarray, (*job.data(), job.order().astype(np.int32)))
    start, step = jax_step(job, kind)
    epoch = jax.jit(lambda carry, order, x, y: jax.lax.scan(lambda c, rows: step(c, rows, x, y), carry, order))
    carry = [start]

    def begin() -> None:
        carry[0] = start

    def run() -> Any:
        carry[0], losses = epoch(carry[0], order, x, y)
        return jax.block_until_ready(losses)

    def losses() -> np.ndarray:
        begin()
        return np.asarray(run())[:CHECKED]

    return Contender(f"JAX scan{f', {kind}' if kind else ''}", run, losses, begin, job.steps, seconds(run))


def jax_jit(job: Perceptron) -> Contender:
    import jax
    import jax.numpy as jnp

    x, y = map(jnp.asarray, job.data())
    order = [jnp.asarray(rows) for rows in job.order().astype(np.int32)]
    start, step = jax_step(job, None)
    jitted = jax.jit(step, donate_argnums=0)
    carry: list[Any] = [None]

    def begin() -> None:
        carry[0] = jax.tree.map(lambda a: a.copy(), start)

    def run(steps: int = 0) -> list[Any]:
        losses = []
        for rows in order[: steps or contender.units]:
            carry[0], value = jitted(carry[0], rows, x, y)
            losses.append(value)
        jax.block_until_ready(carry[0])
        return losses

    def losses() -> np.ndarray:
        begin()
        return np.array(run(CHECKED))

    contender = Contender("JAX jit", run, losses, begin)
    begin()
    contender.cold = seconds(run)
    return paced(contender, job.steps)


def torch_steps(job: Perceptron, compiled: bool = False, threads: int = 0) -> Contender:
    import torch

    most = torch.get_num_threads()

    x, y = map(torch.from_numpy, job.data())
    order = [torch.from_numpy(rows) for rows in job.order()]
    weights = job.weights()
    layers: list[Any] = []
    for w, _ in weights:
        layers += [torch.nn.Linear(*w.shape), torch.nn.ReLU()] + [torch.nn.Dropout(job.dropout)] * bool(job.dropout)
    network = torch.nn.Sequential(*layers[: -2 if job.dropout else -1])
    criterion = torch.nn.CrossEntropyLoss()
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[job.optimizer]
    rule: list[Any] = [None]

    def begin() -> None:
        torch.set_num_threads(threads or most)
        linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
        with torch.no_grad():
            for layer, (w, b) in zip(linear, weights, strict=True):
                layer.weight.copy_(torch.from_numpy(w.T))
                layer.bias.copy_(torch.from_numpy(b))
        rule[0] = kind(network.parameters(), lr=RATE[job.optimizer], fused=True)

    def end() -> None:
        torch.set_num_threads(most)

    def forward(x: Any, y: Any) -> Any:
        return criterion(network(x), y)

    loss_of = torch.compile(forward) if compiled else forward

    def run(steps: int = 0) -> list[Any]:
        losses = []
        for rows in order[: steps or contender.units]:
            rule[0].zero_grad()
            loss = loss_of(x[rows], y[rows])
            loss.backward()
            rule[0].step()
            losses.append(loss.detach())
        return losses

    def losses() -> np.ndarray:
        begin()
        return np.array([float(value) for value in run(CHECKED)])

    name = ("torch.compile" if compiled else "PyTorch") + (", 1 thread" if threads == 1 else "")
    contender = Contender(name, run, losses, begin, end=end)
    begin()
    contender.cold = seconds(run)
    paced(contender, job.steps)
    end()
    return contender


def tinygrad_steps(job: Perceptron) -> Contender:
    tinygrad = importlib.import_module("tinygrad")
    tensor, rate = tinygrad.Tensor, RATE[job.optimizer]
    held = lambda array: tensor(np.asarray(array)).realize()  # noqa: E731
    inputs, labels = job.data()
    x, y = held(inputs), held(labels.astype(np.int32))
    order = [held(rows) for rows in job.order().astype(np.int32)]
    start = [array for layer in job.weights() for array in layer]
    theta, number = [held(array) for array in start], held(np.zeros(1, np.float32))
    adam = job.optimizer == "adam"
    first, second = ([held(np.zeros_like(array)) for array in start] if adam else [] for _ in range(2))

    def step(rows: Any) -> Any:
        a = x[rows]
        for k in range(0, len(theta), 2):
            a = a @ theta[k] + theta[k + 1]
            if k + 2 < len(theta):
                a = a.relu()
                if job.dropout:
                    a = (tensor.rand(*a.shape) >= job.dropout).where(a / (1 - job.dropout), 0)
        loss = a.sparse_categorical_crossentropy(y[rows])
        number.assign(number + 1)
        c = (1 - 0.999**number).sqrt()
        for k, g in enumerate(loss.gradient(*theta)):
            if adam:
                first[k].assign(0.9 * first[k] + 0.1 * g)
                second[k].assign(0.999 * second[k] + 0.001 * g * g)
                g = c / (1 - 0.9**number) * first[k] / (second[k].sqrt() + c * 1e-8)
            theta[k].assign(theta[k] - rate * g)
        tensor.realize(loss, number, *theta, *first, *second)
        return loss

    jitted = tinygrad.TinyJit(step)

    def begin() -> None:
        zeros = [np.zeros_like(array) for array in start] * 2 if adam else []
        values = [*start, *zeros, np.zeros(1, np.float32)]
        for one, value in zip([*theta, *first, *second, number], values, strict=True):
            one.assign(tensor(value)).realize()

    def run(steps: int = 0) -> list[float]:
        losses = [jitted(rows).item() if steps else jitted(rows) for rows in order[: steps or contender.units]]
        return losses if steps else [losses[-1].item()]

    def losses() -> np.ndarray:
        begin()
        return np.array(run(CHECKED))

    contender = Contender("tinygrad", run, losses, begin)
    contender.cold = seconds(lambda: run(min(3, job.steps)))  # it is compiled in the second call
    return paced(contender, job.steps)


def perceptron(job: Perceptron) -> Workload:
    makers: list[tuple[str, Callable[[], Contender]]] = [
        ("backpass", lambda: ours(job)),
        ("backpass", lambda: ours(job, 1)),
        ("jax", lambda: jax_scan(job)),
        ("jax", lambda: jax_jit(job)),
        ("torch", lambda: torch_steps(job, threads=1)),
        ("torch", lambda: torch_steps(job)),
        ("torch._inductor", lambda: torch_steps(job, compiled=True)),
        ("tinygrad", lambda: tinygrad_steps(job)),
    ]
    if job.dropout:  # its other generator, which is faster
        makers.insert(3, ("jax", lambda: jax_scan(job, "rbg")))
    return Workload(str(job), job.target, tuple(makers), np.inf if job.dropout else 3e-4)


# ---- gradients, in float64


@dataclass(frozen=True)
class Gradient:
    """∇ of `f(n, θ)`, n being NumPy or what stands in its place; a flat θ."""

    title: str
    f: Callable[[Any, Any], Any]
    theta: np.ndarray
    target: float = 1.5


def rosenbrock(n: Any, x: Any) -> Any:
    return n.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


POINTS, COMPONENTS, DIM = 1000, 25, 10


def mixture(n: Any, theta: Any) -> Any:
    """The log-likelihood of a Gaussian mixture with full covariances, by the factors of their inverses."""
    k, d = COMPONENTS, DIM
    alpha, mean = theta[:k], n.reshape(theta[k : k + k * d], (k, 1, d))
    log_diagonal = n.reshape(theta[k + k * d : k + 2 * k * d], (k, d))
    below = n.reshape(theta[k + 2 * k * d :], (k, d, d)) * constant(n, np.tril(np.ones((d, d)), -1))
    factor = below + n.exp(log_diagonal)[:, :, None] * constant(n, np.eye(d))
    x = constant(n, np.random.default_rng(2).normal(size=(1, POINTS, d)))
    z = n.matmul(x - mean, n.swapaxes(factor, 1, 2))
    each = alpha[:, None] + n.sum(log_diagonal, 1)[:, None] - 0.5 * n.sum(z * z, 2)
    top = n.amax(each, 0)
    total = n.log(n.sum(n.exp(alpha), 0))
    return n.sum(top + n.log(n.sum(n.exp(each - top), 0))) - POINTS * total


CAMERAS, PLACES, SEEN = 20, 500, 4000


def bundle(n: Any, theta: Any) -> Any:
    """Half the squared residuals of bundle adjustment: places seen by cameras of 11 numbers."""
    rng = np.random.default_rng(3)
    which, place = rng.integers(0, CAMERAS, SEEN), rng.integers(0, PLACES, SEEN)
    seen = constant(n, rng.normal(size=(SEEN, 2)))
    camera = n.reshape(theta[: 11 * CAMERAS], (CAMERAS, 11))[constant(n, which)]
    p = n.reshape(theta[11 * CAMERAS :], (PLACES, 3))[constant(n, place)] - camera[:, 3:6]
    angle = n.sqrt(n.sum(camera[:, :3] ** 2, 1))[:, None]
    axis = camera[:, :3] / angle
    ax, ay, az = axis[:, 0], axis[:, 1], axis[:, 2]
    px, py, pz = p[:, 0], p[:, 1], p[:, 2]
    crossed = n.stack([ay * pz - az * py, az * px - ax * pz, ax * py - ay * px], 1)
    turned = p * n.cos(angle) + crossed * n.sin(angle) + axis * n.sum(axis * p, 1)[:, None] * (1 - n.cos(angle))
    flat = turned[:, :2] / turned[:, 2:]
    r = n.sum(flat * flat, 1)[:, None]
    flat = flat * (1 + camera[:, 9:10] * r + camera[:, 10:11] * r * r)
    return 0.5 * n.sum((flat * camera[:, 6:7] + camera[:, 7:9] - seen) ** 2)


def bundle_start() -> np.ndarray:
    rng = np.random.default_rng(4)
    cameras = rng.normal(size=(CAMERAS, 11)) * [0.3] * 11 + [0.1, 0.1, 0.1, 0, 0, -5, 1, 0, 0, 0, 0]
    cameras[:, 9:] *= 0.01
    return np.concatenate([cameras.ravel(), rng.normal(size=3 * PLACES)])


STEPS = 1000


def predator_prey(n: Any, theta: Any) -> Any:
    """Lotka and Volterra's equations, 1,000 steps of Runge and Kutta's fourth order, one after the other."""

    def slope(x: Any) -> Any:
        a, b = x[0], x[1]
        return n.stack([a * (theta[0] - theta[1] * b), b * (theta[2] * a - theta[3])])

    def step(x: Any, _: Any) -> Any:
        h = 0.01
        k1 = slope(x)
        k2 = slope(x + h / 2 * k1)
        k3 = slope(x + h / 2 * k2)
        k4 = slope(x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    x = constant(n, np.array([10.0, 5.0]))
    name = n.__name__
    if name in ("numpy", "jax.numpy"):
        scan = bp.scan if name == "numpy" else importlib.import_module("jax").lax.scan
        x = scan(step, x, None, length=STEPS)[0]
    else:
        for _ in range(STEPS):
            x = step(x, None)[0]
    return n.sum(x * x)


def constant(n: Any, array: np.ndarray) -> Any:
    return n.from_numpy(array) if n.__name__ == "torch" else array


def gradients() -> list[Gradient]:
    rng = np.random.default_rng(0)
    size = COMPONENTS * (1 + 2 * DIM + DIM * DIM)
    return [
        Gradient("∇ Rosenbrock, n = 10", rosenbrock, rng.normal(size=10)),
        Gradient("∇ Rosenbrock, n = 1,000", rosenbrock, rng.normal(size=1000)),
        Gradient(f"∇ Gaussian mixture, {POINTS:,} points", mixture, 0.2 * rng.normal(size=size)),
        Gradient(f"∇ bundle adjustment, {SEEN:,} observations", bundle, bundle_start()),
        Gradient("∇ ODE, 1,000 steps", predator_prey, np.array([1.0, 0.1, 0.075, 1.5])),
    ]


def gradient(job: Gradient) -> Workload:
    def repeated(name: str, call: Callable[[], Any], finish: Callable[[Any], Any] = np.asarray) -> Contender:
        def run() -> Any:
            for _ in range(contender.units):
                out = call()
            return finish(out)

        contender = Contender(name, run, lambda: np.asarray(run()))
        contender.cold = seconds(run)
        return paced(contender, 10_000)

    def backpass() -> Contender:
        compiled = bp.compile(bp.grad(lambda x: job.f(np, x)))
        return repeated(OURS, lambda: compiled(job.theta))

    def jax() -> Contender:
        import jax
        import jax.numpy as jnp

        compiled, theta = jax.jit(jax.grad(lambda x: job.f(jnp, x))), jnp.asarray(job.theta)
        return repeated("JAX jit", lambda: compiled(theta))

    def jax_from_numpy() -> Contender:
        import jax
        import jax.numpy as jnp

        compiled = jax.jit(jax.grad(lambda x: job.f(jnp, x)))
        return repeated("JAX jit, NumPy in and out", lambda: np.asarray(compiled(job.theta)))

    def torch() -> Contender:
        import torch

        leaf = torch.from_numpy(job.theta).requires_grad_()
        return repeated("PyTorch", lambda: torch.autograd.grad(job.f(torch, leaf), leaf)[0].numpy())

    def autograd() -> Contender:
        import autograd
        import autograd.numpy as anp

        derivative = autograd.grad(lambda x: job.f(anp, x))
        return repeated("autograd", lambda: derivative(job.theta))

    makers = [("backpass", backpass), ("jax", jax), ("jax", jax_from_numpy), ("torch", torch), ("autograd", autograd)]
    return Workload(job.title, job.target, tuple(makers))


def overhead(nested: bool) -> Workload:
    """A compiled sum of squares of eight numbers, in one array or in a nest of four: what the call itself takes."""
    x = np.arange(8.0)
    layers = [{"W": part[:3].copy(), "b": part[3:].copy()} for part in (x[:4], x[4:])]
    given: Any = {"first": layers[0], "second": layers[1]} if nested else x

    def f(n: Any, given: Any) -> Any:
        parts = [part for layer in given.values() for part in layer.values()] if nested else [given]
        return sum(n.sum(part * part) for part in parts)

    def repeated(name: str, call: Callable[[], Any], finish: Callable[[Any], Any] = float) -> Contender:
        def run() -> Any:
            for _ in range(contender.units):
                out = call()
            return finish(out)

        contender = Contender(name, run, lambda: np.asarray(run()))
        contender.cold = seconds(run)
        return paced(contender, 10_000)

    def backpass() -> Contender:
        compiled = bp.compile(lambda given: f(np, given))
        return repeated(OURS, lambda: compiled(given))

    def jax() -> Contender:
        import jax
        import jax.numpy as jnp

        compiled, there = jax.jit(lambda given: f(jnp, given)), jax.tree.map(jnp.asarray, given)
        return repeated("JAX jit", lambda: compiled(there))

    def numpy() -> Contender:
        return repeated("NumPy, not compiled", lambda: f(np, given))

    title = "overhead of a compiled f(x), 8 numbers" + (" in a nest of 4 arrays" if nested else "")
    return Workload(title, 0, (("backpass", backpass), ("jax", jax), ("numpy", numpy)))


# ---- handwritten digits, the whole call

HIDDEN, EPOCHS, BATCH = (128, 64), 30, 32


def digits() -> Workload:
    """From arrays to a trained network, compiling included; `check` gives the accuracy on rows held out, in steps of
    which all must be alike."""
    from backpass.data.digits import load_digits

    x, y = load_digits()
    x = np.asarray(x, np.float32).reshape(len(x), -1)
    x /= x.max()
    rows = np.random.default_rng(0).permutation(len(x))
    train, held = rows[:1400], rows[1400:]

    def contender(name: str, train_it: Callable[[], Callable[[np.ndarray], np.ndarray]]) -> Contender:
        found: list[Any] = [None]

        def run() -> None:
            found[0] = train_it()

        cold = seconds(run)
        return Contender(name, run, lambda: np.array(np.mean(found[0](x[held]) == y[held])), cold=cold)

    def backpass() -> Contender:
        def train_it() -> Any:
            model = bp.nn.mlp([*HIDDEN, 10])
            run = bp.fit(model, (x[train], y[train]), epochs=EPOCHS, batch=BATCH, progress=False)
            return run.model.predict

        return contender(OURS, train_it)

    def sklearn() -> Contender:
        from sklearn.neural_network import MLPClassifier

        def train_it() -> Any:
            settings = {"alpha": 0.0, "tol": 0.0, "n_iter_no_change": EPOCHS, "random_state": 0}
            return MLPClassifier(HIDDEN, batch_size=BATCH, max_iter=EPOCHS, **settings).fit(x[train], y[train]).predict

        return contender("scikit-learn", train_it)

    def torch() -> Contender:
        import torch

        most = torch.get_num_threads()

        def train_it() -> Any:
            torch.set_num_threads(1)  # faster here than two on an idle machine, and a hundred times on a busy one
            torch.manual_seed(0)
            nn = torch.nn
            layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
            network, criterion = nn.Sequential(*layers), nn.CrossEntropyLoss()
            rule = torch.optim.Adam(network.parameters(), fused=True)
            inputs, target = torch.from_numpy(x[train]), torch.from_numpy(np.asarray(y[train], np.int64))
            for _ in range(EPOCHS):
                for part in torch.randperm(len(inputs)).split(BATCH):
                    rule.zero_grad()
                    criterion(network(inputs[part]), target[part]).backward()
                    rule.step()
            torch.set_num_threads(most)
            return lambda x: network(torch.from_numpy(x)).argmax(1).numpy()

        return contender("PyTorch, 1 thread", train_it)

    makers = (("backpass", backpass), ("sklearn", sklearn), ("torch", torch))
    return Workload(f"digits 64-128-64-10, {EPOCHS} epochs, whole call", 5, makers, 0.02)


# ---- each in a process of its own


def child(workload: Workload, index: int) -> None:
    """With everything imported: seconds of the first run, from Python functions to its end, and the peak of memory."""
    module, make = workload.makers[index]
    found: Any = importlib.import_module(module)
    for room in ("native.steps", "nn", "descent") if module == "backpass" else ():
        importlib.import_module(f"backpass.{room}")
    if module == "jax":
        found.config.update("jax_enable_x64", True)
        found.numpy.zeros(1).block_until_ready()
    elif module.startswith("torch"):
        importlib.import_module("torch").zeros(1)
    del found
    contender = make()
    contender.window()
    print(json.dumps({"cold": contender.cold, "memory": peak_memory()}))


def peak_memory() -> float:
    """MB of this process. What Linux's getrusage tells is also the parent's, before the child was this program."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def in_processes(workload: Workload, indices: list[int]) -> list[dict[str, float]]:
    """What `child` tells of each contender; those that keep what they compiled run again, and find it: `warm`."""
    found = []
    for index in indices:
        told: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as kept:
            kept_by = {"BACKPASS_CACHE": kept, "TORCHINDUCTOR_CACHE_DIR": kept, "CACHEDB": f"{kept}/tinygrad.db"}
            again = workload.makers[index][0] in ("backpass", "torch._inductor", "tinygrad")
            for turn in ("cold", "warm")[: 1 + again]:
                command = [sys.executable, __file__, "--child", workload.title, str(index)]
                done = subprocess.run(
                    command, env={**os.environ, **kept_by}, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    print(f"  {workload.makers[index][0]}: {done.stderr.strip()[-300:]}", file=sys.stderr)
                    break
                result = json.loads(done.stdout.splitlines()[-1])
                told |= {turn: result["cold"], "memory": max(told.get("memory", 0.0), result["memory"])}
        found.append(told)
    return found


# ---- taking turns


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def contenders(workload: Workload, without: list[str]) -> list[Contender]:
    """Those that are installed and work, agreeing with each other."""
    found = []
    for index, (module, make) in enumerate(workload.makers):
        if module in without or not has(module):
            continue
        try:
            contender = make()
        except Exception as error:
            if module == "backpass":
                raise
            print(f"  {workload.title}: {module} is left out: {str(error)[:300]}", file=sys.stderr)
            continue
        if contender.name not in without:
            contender.index = index
            found.append(contender)
    reference = None
    for contender in found:
        if contender.check is None:
            continue
        got = contender.check()
        contender.end()
        reference = got if reference is None else reference
        n = min(got.size, reference.size)
        apart = np.max(np.abs(got.ravel()[:n] - reference.ravel()[:n])) / np.max(np.abs(reference))
        if not apart <= workload.tolerance and np.isfinite(workload.tolerance):
            raise SystemExit(f"{workload.title}: {contender.name} differs from {found[0].name} by {apart:.1e}")
    return found


def measure(workload: Workload, budget: float, without: list[str]) -> dict[str, Any]:
    """Let all take turns for `budget` seconds, five at least."""
    found = contenders(workload, without)
    end, turns = time.monotonic() + budget, 0
    while turns < 5 or time.monotonic() < end:
        for k in range(len(found)):
            found[(k + turns) % len(found)].window()  # no one always comes after the same one
        turns += 1
    mine = found[0]
    rows = []
    for contender in found:
        ratios = [theirs / own for theirs, own in zip(contender.taken, mine.taken, strict=True)]
        rows.append(
            {
                "name": contender.name,
                "median": statistics.median(contender.taken),
                "least": min(contender.taken),
                "ratio": statistics.median(ratios),
                "units": contender.units,
            }
        )
    for row, told in zip(rows, in_processes(workload, [contender.index for contender in found]), strict=True):
        row |= told
    peers = [row for row in rows if not row["name"].startswith((OURS, "NumPy"))]
    best = min(peers, key=lambda row: row["ratio"], default=None)
    return {
        "workload": workload.title,
        "target": workload.target,
        "best": best and best["name"],
        "ratio": best and best["ratio"],
        "turns": turns,
        "load": os.getloadavg()[0],
        "rows": rows,
    }


def shown(t: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if t >= size or unit == "µs":
            return f"{t / size:.3g} {unit}"
    raise AssertionError


def show(result: dict[str, Any]) -> None:
    load = result["load"]
    print(f"\n### {result['workload']}\n\n{result['turns']} turns, load {load:.1f}")
    if result["best"]:
        aim = f" (to reach: {result['target']:g})" if result["target"] else ""
        print(f"ratio to {result['best']}, the best peer: **{result['ratio']:.2f}**{aim}")
    print("\n| | median | least | ratio | first run | second process | peak memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in result["rows"]:
        cold, warm = (shown(row[what]) if what in row else "" for what in ("cold", "warm"))
        memory = f"{row['memory']:.0f} MB" if "memory" in row else ""
        times = f"{shown(row['median'])} | {shown(row['least'])} | {row['ratio']:.2f}"
        print(f"| {row['name']} | {times} | {cold} | {warm} | {memory} |", flush=True)


def workloads() -> Iterable[Workload]:
    base = [
        Perceptron((4, 16, 3), 32, 500, 8),
        Perceptron((13, 64, 64, 2), 32, 100, 2.2),
        Perceptron((784, 128, 10), 64, 32, 1.7),
        Perceptron((784, 512, 512, 10), 128, 8, 1.2),
    ]
    for job in base:
        yield perceptron(job)
        yield perceptron(replace(job, optimizer="adam"))
        yield perceptron(replace(job, optimizer="adam", dropout=0.1))
    yield digits()
    yield from map(gradient, gradients())
    yield from map(overhead, (False, True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="for which each workload's turns last")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="TEXT", help="workloads whose title holds one of these"
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="TEXT", help="contenders, or modules, to leave out")
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    parser.add_argument("--picture", type=Path, help="where to draw the ratios (.png or .svg; needs Matplotlib)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.child:
        title, index = options.child
        child(next(workload for workload in workloads() if workload.title == title), int(index))
        return
    if has("jax"):
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    packages = ("backpass", "numpy", "torch", "jax", "autograd", "scikit-learn", "tinygrad")
    versions = {name: importlib.metadata.version(name) for name in packages if found_version(name)}
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; {', '.join(f'{name} {version}' for name, version in versions.items())}")
    results = []
    for workload in workloads():
        if not options.only or any(text in workload.title for text in options.only):
            results.append(measure(workload, options.seconds, options.without))
            show(results[-1])
    if options.json:
        report = {"machine": machine, "versions": versions, "workloads": results}
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if options.picture:
        from picture import draw

        draw(results, machine, options.picture)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def found_version(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
