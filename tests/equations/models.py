"""Whole models in plain NumPy: what derivations are tested on. Each entry is (loss, θ, arguments)."""

from __future__ import annotations

from typing import Any

import numpy as np

import backpass as bp
from backpass import nn
from backpass.partials.composite import log_softmax, logsumexp, softmax

R = np.random.default_rng(0)
R2 = np.random.default_rng(12)
N = 6


def draw(*shape: int) -> np.ndarray:
    return R.normal(size=shape) * 0.5


def tanh_mlp(theta, x, t):
    W1, b1, W2, b2 = theta["W1"], theta["b1"], theta["W2"], theta["b2"]
    a = np.tanh(x @ W1 + b1)
    y = a @ W2 + b2
    return np.mean((y - t) ** 2)


def one_expression(theta, x, t):
    a = np.tanh(x @ theta["W1"] + theta["b1"])
    return np.mean((a @ theta["W2"] + theta["b2"] - t) ** 2)


def relu_mlp(params, x, y):
    h = x
    for i, (W, b) in enumerate(params):
        h = h @ W + b
        if i < len(params) - 1:
            h = np.maximum(h, 0)
    z = h - np.max(h, axis=1, keepdims=True)
    logp = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(np.take_along_axis(logp, y[:, None], axis=1))


def relu_mlp_probabilities(params, x, y):
    h = x
    for W, b in params[:-1]:
        h = np.maximum(h @ W + b, 0)
    W, b = params[-1]
    z = h @ W + b
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return -np.mean(np.log(np.take_along_axis(p, y[:, None], 1)))


def attention(theta, x, t):
    Q = x @ theta["Wq"]
    K = x @ theta["Wk"]
    V = x @ theta["Wv"]
    S = Q @ K.T / np.sqrt(Q.shape[-1])
    E = np.exp(S - S.max(-1, keepdims=True))
    A = E / E.sum(-1, keepdims=True)
    O = A @ V  # noqa: E741
    return np.mean((O - t) ** 2)


def layer_norm(theta, x, t):
    u = x @ theta["W"]
    mu = np.mean(u, axis=-1, keepdims=True)
    var = np.mean((u - mu) ** 2, axis=-1, keepdims=True)
    s = np.sqrt(var + 1e-5)
    xhat = (u - mu) / s
    y = theta["g"] * xhat + theta["beta"]
    return np.mean((y - t) ** 2)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(theta, x, h, t):
    Wz, Uz, Wr, Ur, Wh, Uh = [theta[k] for k in ("Wz", "Uz", "Wr", "Ur", "Wh", "Uh")]
    for k in range(4):
        xt = x[:, k]
        u = sigmoid(xt @ Wz + h @ Uz)
        r = sigmoid(xt @ Wr + h @ Ur)
        c = np.tanh(xt @ Wh + (r * h) @ Uh)
        h = (1 - u) * h + u * c
    return np.mean((h - t) ** 2)


def rnn_scan(theta, xs, t):
    def step(h, x):
        z = h @ theta["U"] + x @ theta["W"] + theta["b"]
        h = np.tanh(z)
        return h, None

    h, _ = bp.scan(step, np.zeros((2, 4)), xs)
    return np.mean((h @ theta["V"] - t) ** 2)


def gru_scan(theta, xs, h0, t):
    def step(h, x):
        u = sigmoid(x @ theta["Wz"] + h @ theta["Uz"])
        r = sigmoid(x @ theta["Wr"] + h @ theta["Ur"])
        c = np.tanh(x @ theta["Wh"] + (r * h) @ theta["Uh"])
        h = (1 - u) * h + u * c
        return h, None

    h, _ = bp.scan(step, h0, xs)
    return np.mean((h - t) ** 2)


def every_state(theta, xs):
    _, hs = bp.scan(lambda h, x: (np.tanh(h @ theta["U"] + x),) * 2, np.ones((2, 3)), xs, reverse=True)
    return np.sum(hs[1:] ** 2)


def loops_and_branches(theta):
    x = bp.while_loop(
        lambda x: abs(x * x - theta["a"]) > 1e-9, lambda x: (x + theta["a"] / x) / 2, theta["a"], max_steps=50
    )
    y = bp.fori_loop(0, 3, lambda i, y: np.sin(y) * theta["a"], x)
    return bp.cond(y > 1, lambda y: y * y * y, lambda y: bp.checkpoint(np.tanh)(y), y)


def lstm(theta, x, h, c, t):
    for k in range(3):
        xt = x[:, k]
        i = sigmoid(xt @ theta["Wi"] + h @ theta["Ui"] + theta["bi"])
        f = sigmoid(xt @ theta["Wf"] + h @ theta["Uf"] + theta["bf"])
        o = sigmoid(xt @ theta["Wo"] + h @ theta["Uo"] + theta["bo"])
        g = np.tanh(xt @ theta["Wg"] + h @ theta["Ug"] + theta["bg"])
        c = f * c + i * g
        h = o * np.tanh(c)
    return np.mean((h - t) ** 2)


def logistic_regression(theta, X, y):
    w, b = theta["w"], theta["b"]
    z = X @ w + b
    p = 1 / (1 + np.exp(-z))
    nll = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return nll + 0.5 * 0.1 * np.sum(w**2)


def softmax_regression(theta, X, y, lam):
    logits = X @ theta["W"] + theta["b"]
    return np.mean(nn.cross_entropy(logits, y)) + lam * np.sum(theta["W"] ** 2)


def matrix_factorisation(theta, ratings):
    P, Q = theta["P"], theta["Q"]
    E = P @ Q.T - ratings
    return np.sum(E**2) + 0.1 * (np.sum(P**2) + np.sum(Q**2))


def embedding_factorisation(theta, user, item, rating):
    p, q = theta["P"][user], theta["Q"][item]
    prediction = np.sum(p * q, axis=1) + theta["b"][item]
    return np.mean((prediction - rating) ** 2)


def vae(theta, x, eps):
    h = np.tanh(x @ theta["W1"] + theta["b1"])
    mu = h @ theta["Wm"]
    logvar = h @ theta["Wv"]
    s = mu + np.exp(0.5 * logvar) * eps
    d = np.tanh(s @ theta["W2"] + theta["b2"])
    y = d @ theta["W3"]
    rec = np.sum((y - x) ** 2, axis=1)
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar), axis=1)
    return np.mean(rec + kl)


def gaussian_process(theta, x, y):
    d = x[:, None] - x[None, :]
    K = theta["a"] * np.exp(-(d**2) / (2 * theta["s"] ** 2)) + theta["n"] * np.eye(len(x))
    alpha = np.linalg.solve(K, y)
    return 0.5 * y @ alpha + 0.5 * np.linalg.slogdet(K)[1]


def pinn(theta, x):
    def u(x):
        h = np.tanh(x[:, None] * theta["w"] + theta["b"])
        return h @ theta["v"]

    du = bp.grad(lambda x: np.sum(u(x)))(x)
    return np.mean((du + u(x)) ** 2)


def resnet_block(theta, x, t):
    h = x
    for block in theta:
        a = np.maximum(h @ block["W1"] + block["b1"], 0)
        h = h + a @ block["W2"]
    return np.mean((h - t) ** 2)


def residual(theta, x, t):
    z = np.maximum(x @ theta["W1"], 0)
    r = np.tanh(z @ theta["W2"]) + x
    return np.mean((r - t) ** 2)


def adam(state, g):
    beta1, beta2, lr, eps, step = 0.9, 0.999, 0.001, 1e-8, 3
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g**2
    mhat = m / (1 - beta1**step)
    vhat = v / (1 - beta2**step)
    theta = state["theta"] - lr * mhat / (np.sqrt(vhat) + eps)
    return np.sum(theta)


def transformer(theta, x, t):
    for block in theta["blocks"]:
        q = (x @ block["Wq"]).reshape(5, 2, 2)
        k = (x @ block["Wk"]).reshape(5, 2, 2)
        v = (x @ block["Wv"]).reshape(5, 2, 2)
        s = np.einsum("nhd,mhd->hnm", q, k) / np.sqrt(q.shape[-1])
        a = softmax(s)
        o = np.einsum("hnm,mhd->nhd", a, v).reshape(5, 4)
        x = x + o @ block["Wo"]
        mu = np.mean(x, axis=-1, keepdims=True)
        var = np.mean((x - mu) ** 2, axis=-1, keepdims=True)
        y = (x - mu) / np.sqrt(var + 1e-5)
        x = x + np.maximum(y @ block["W1"] + block["b1"], 0) @ block["W2"]
    return np.mean((x - t) ** 2)


def cnn(theta, x, t):
    rows = np.arange(5)[:, None] + np.arange(3)
    cols = np.arange(4)[:, None] + np.arange(3)
    P = x[:, :, rows[:, None, :, None], cols[None, :, None, :]]
    z = np.einsum("nipqrs,uirs->nupq", P, theta["K"]) + theta["b"][:, None, None]
    a = np.maximum(z, 0)
    h = a.reshape(len(x), -1)
    y = h @ theta["W"]
    return np.mean((y - t) ** 2)


def batch_norm(theta, x, t):
    u = x @ theta["W"]
    xhat = (u - u.mean(0)) / np.sqrt(u.var(0) + 1e-5)
    y = theta["g"] * xhat + theta["b"]
    return np.mean(np.abs(y - t))


def linear_regression(theta, x, y):
    r = x @ theta["w"] - y
    return 0.5 * np.sum(r**2) / len(x)


def scalar(theta):
    x = theta["x"]
    return np.exp(np.sin(x) * x)


def mixture(theta, x):
    z = -0.5 * (x[:, None] - theta["mu"]) ** 2 / theta["s"] ** 2 - np.log(theta["s"]) + log_softmax(theta["w"])
    return -np.mean(logsumexp(z, axis=1))


def draw_complex(*shape):
    return R2.normal(size=shape) + 1j * R2.normal(size=shape)


def complex_network(theta, x, t):
    z = x @ theta["W"] + theta["b"]
    a = np.tanh(z)
    y = a @ theta["V"]
    return np.mean(np.abs(y - t) ** 2)


def filtered(theta, x, t):
    F = np.fft.rfft(x)
    y = np.fft.irfft(F * np.exp(1j * theta["phase"]) * theta["gain"])
    return np.sum((y - t) ** 2)


def poisson_regression(theta, x, y):
    eta = x @ theta["w"] + theta["b"]
    return np.mean(np.exp(eta) - y * eta)


def _block() -> dict[str, np.ndarray]:
    sizes = {"Wq": (4, 4), "Wk": (4, 4), "Wv": (4, 4), "Wo": (4, 4), "W1": (4, 6), "b1": (6,), "W2": (6, 4)}
    return {k: draw(*s) for k, s in sizes.items()}


W = {"W1": draw(3, 4), "b1": draw(4), "W2": draw(4, 2), "b2": draw(2)}
LAYERS = [(draw(3, 5), draw(5)), (draw(5, 6), draw(6)), (draw(6, 4), draw(4))]
CLASSES = R.integers(0, 4, N)

MODELS: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {
    "tanh_mlp": (tanh_mlp, W, (draw(N, 3), draw(N, 2))),
    "one_expression": (one_expression, W, (draw(N, 3), draw(N, 2))),
    "relu_mlp": (relu_mlp, LAYERS, (draw(N, 3), CLASSES)),
    "relu_mlp_probabilities": (relu_mlp_probabilities, LAYERS, (draw(N, 3), CLASSES)),
    "attention": (attention, {"Wq": draw(3, 4), "Wk": draw(3, 4), "Wv": draw(3, 2)}, (draw(5, 3), draw(5, 2))),
    "layer_norm": (layer_norm, {"W": draw(3, 4), "g": draw(4), "beta": draw(4)}, (draw(N, 3), draw(N, 4))),
    "gru": (
        gru,
        {k: draw(*((3, 4) if k[0] == "W" else (4, 4))) for k in ("Wz", "Uz", "Wr", "Ur", "Wh", "Uh")},
        (draw(2, 4, 3), draw(2, 4), draw(2, 4)),
    ),
    "rnn_scan": (
        rnn_scan,
        {"U": draw(4, 4), "W": draw(3, 4), "b": draw(4), "V": draw(4, 2)},
        (draw(5, 2, 3), draw(2, 2)),
    ),
    "gru_scan": (
        gru_scan,
        {k: draw(*((3, 4) if k[0] == "W" else (4, 4))) for k in ("Wz", "Uz", "Wr", "Ur", "Wh", "Uh")},
        (draw(4, 2, 3), draw(2, 4), draw(2, 4)),
    ),
    "every_state": (every_state, {"U": draw(3, 3)}, (draw(3, 2, 3),)),
    "loops_and_branches": (loops_and_branches, {"a": np.array(2.0)}, ()),
    "lstm": (
        lstm,
        {a + b: draw(*{"W": (3, 4), "U": (4, 4), "b": (4,)}[a]) for a in "WUb" for b in "ifog"},
        (draw(2, 3, 3), draw(2, 4), draw(2, 4), draw(2, 4)),
    ),
    "logistic_regression": (logistic_regression, {"w": draw(3), "b": np.array(0.3)}, (draw(N, 3), (draw(N) > 0) * 1.0)),
    "softmax_regression": (softmax_regression, {"W": draw(3, 4), "b": draw(4)}, (draw(N, 3), CLASSES, 0.1)),
    "matrix_factorisation": (matrix_factorisation, {"P": draw(5, 2), "Q": draw(4, 2)}, (draw(5, 4),)),
    "embedding_factorisation": (
        embedding_factorisation,
        {"P": draw(5, 2), "Q": draw(4, 2), "b": draw(4)},
        (R.integers(0, 5, 7), R.integers(0, 4, 7), draw(7)),
    ),
    "vae": (
        vae,
        {
            "W1": draw(3, 4),
            "b1": draw(4),
            "Wm": draw(4, 2),
            "Wv": draw(4, 2),
            "W2": draw(2, 4),
            "b2": draw(4),
            "W3": draw(4, 3),
        },
        (draw(N, 3), draw(N, 2)),
    ),
    "gaussian_process": (
        gaussian_process,
        {"a": np.array(1.3), "s": np.array(0.7), "n": np.array(0.5)},
        (draw(5), draw(5)),
    ),
    "pinn": (pinn, {"w": draw(4), "b": draw(4), "v": draw(4)}, (draw(5),)),
    "resnet_block": (
        resnet_block,
        [{"W1": draw(4, 4), "b1": draw(4), "W2": draw(4, 4)} for _ in range(2)],
        (draw(N, 4), draw(N, 4)),
    ),
    "residual": (residual, {"W1": draw(4, 5), "W2": draw(5, 4)}, (draw(N, 4), draw(N, 4))),
    "adam": (adam, {"m": draw(3), "v": np.abs(draw(3)), "theta": draw(3)}, (draw(3),)),
    "transformer": (transformer, {"blocks": [_block(), _block()]}, (draw(5, 4), draw(5, 4))),
    "cnn": (cnn, {"K": draw(2, 3, 3, 3), "b": draw(2), "W": draw(40, 2)}, (draw(2, 3, 7, 6), draw(2, 2))),
    "batch_norm": (batch_norm, {"W": draw(3, 4), "g": draw(4), "b": draw(4)}, (draw(N, 3), draw(N, 4))),
    "linear_regression": (linear_regression, {"w": draw(3)}, (draw(N, 3), draw(N))),
    "scalar": (scalar, {"x": np.array(0.7)}, ()),
    "mixture": (mixture, {"mu": draw(3), "s": np.array([0.6, 1.0, 1.4]), "w": draw(3)}, (draw(N),)),
    "complex_network": (
        complex_network,
        {"W": draw_complex(3, 4) / 3, "b": draw_complex(4) / 3, "V": draw_complex(4, 2)},
        (draw_complex(5, 3) / 3, draw_complex(5, 2)),
    ),
    "filtered": (filtered, {"phase": draw(5), "gain": draw(5)}, (draw(8), draw(8))),
    "poisson_regression": (poisson_regression, {"w": draw(3), "b": np.array(0.1)}, (draw(N, 3), np.arange(6.0))),
}
