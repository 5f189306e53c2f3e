"""`fit` on data larger than memory: stores, generators, mapped files; and runs on them that go on."""

import numpy as np
import pytest

import backpass as bp
from backpass.data.store import RowStore
from backpass.graph.errors import DataError
from backpass.graph.pytree import leaves_of
from backpass.train import fit as fitting
from backpass.train import spool

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3)).astype(np.float32)
Y = np.where(X[:, 0] > 0, "yes", "no")


def pieces(x=X, y=Y, rows=70):
    for start in range(0, len(x), rows):
        yield x[start : start + rows], y[start : start + rows]


def fit(data, **options):
    options = {"epochs": 20, "optimizer": bp.descent.adam(0.01), "progress": False, **options}
    return bp.fit(bp.nn.mlp([8, 2]), data, **options)


def bits(run):
    return [leaf.tobytes() for leaf in leaves_of((run.model.theta, run.model.state))]


def test_a_generator_is_learned_from():
    run = fit(pieces(), validation=0.2)
    assert run.model.classes == ("no", "yes")
    assert np.mean(run.model.predict(X) == Y) > 0.95
    assert run.history.best is not None
    assert 40 < 400 - run.model.info["rows"] < 120
    assert bits(fit(pieces, validation=0.2)) == bits(run)  # a function that gives one
    assert bits(fit(pieces(), validation=0.2, seed=1)) != bits(run)


def test_numbers_and_a_pair_to_watch():
    y = X @ np.array([1.0, 2.0, 3.0])
    model = bp.nn.mlp([1])
    run = bp.fit(
        model,
        pieces(X, y),
        "squared_error",
        epochs=60,
        optimizer=bp.descent.adam(0.05),
        validation=(X, y),
        progress=False,
    )
    assert run.history["R²"][-1] > 0.99


def test_a_mapped_file_is_not_brought_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "LARGE", 1000)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    run = fit((mapped, Y))
    assert bits(run) == bits(fit(pieces(X, Y, 400)))
    with pytest.raises(DataError, match="X has 400 rows and y has 399"):
        fit((mapped, Y[1:]))


def test_of_wide_rows_few_are_looked_at(monkeypatch):
    store, spread, asked = RowStore(), RowStore.spread, []
    store.add(X, (X[:, 0] > 0).astype(np.int64))
    monkeypatch.setattr(RowStore, "spread", lambda self, count: asked.append(count) or spread(self, count))
    monkeypatch.setattr(fitting, "WATCHED_BYTES", 1000)
    run = fit(store, labels=2, epochs=2)
    assert asked == [1000 // store.row_bytes]
    assert run.model.info["rows"] == 400


def test_a_run_on_a_store_goes_on_to_the_same_bits(tmp_path):
    def store():
        made = RowStore(block=120, window=1500)
        for x, y in pieces():
            made.add(x, (y == "yes").astype(np.int64))
        return made

    def interrupting(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    whole = fit(store(), labels=2, epochs=5)
    assert fit(store(), labels=2, epochs=5, run=tmp_path / "run", callback=interrupting).stopped == "interrupted"
    resumed = fit(store(), labels=2, epochs=5, run=tmp_path / "run")
    assert bits(resumed) == bits(whole)

    from backpass.train import loop

    take = loop.Loop._take

    def taking(self, data, order, rows, most):
        if self.count == 31:
            raise KeyboardInterrupt
        return take(self, data, order, rows, 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Loop, "_take", taking)
        assert fit(store(), labels=2, epochs=5, run=tmp_path / "other").stopped == "interrupted"
    assert bits(fit(store(), labels=2, epochs=5, run=tmp_path / "other")) == bits(whole)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            lambda: iter([1, 2]),
            {},
            r"rows \(X, y\), or with weights \(X, y, weight\); got int",
        ),
        (lambda: iter([]), {}, "the data has no rows to train on"),
        (lambda: pieces(X * np.nan), {}, "not finite"),
        (lambda: pieces(), {"validation": 1.5}, "validation must be a share between 0 and 1, and is 1.5"),
        (lambda: pieces(y=np.array(["a", 1] * 200, object)), {}, r"labels of several kinds \(int, str\)"),
        (lambda: pieces(), {"sample_weight": np.ones(400)}, r"come with them: give pieces \(X, y, weight\)"),
        (lambda: iter([(X, Y, -np.ones(400))]), {}, "finite numbers of 0 or above"),
        (lambda: pieces(), {"class_weight": {"no such": 1.0}}, "a dict with keys among"),
    ],
)
def test_data_in_pieces_that_cannot_be_used_says_why(data, options, message):
    with pytest.raises(DataError, match=message):
        fit(data(), **options)


def test_a_store_of_other_types_is_refused():
    store = RowStore()
    store.add(X.astype(np.float64), np.zeros(400, np.int64))
    with pytest.raises(
        DataError,
        match=r"may hold weights in float32; it holds float64 of shape \(N, 3,\)",
    ):
        fit(store, labels=2)
    store = RowStore()
    store.add(X, np.zeros(400, np.int64))
    with pytest.raises(DataError, match="say how many there are, labels=10"):
        fit(store)


def test_weights_of_rows_and_classes_as_in_memory():
    weights = np.linspace(0.1, 3.0, 400).astype(np.float32)
    settings = {"epochs": 4, "batch": 400, "optimizer": "adam"}  # one step an epoch: its order does not matter
    for more in ({"class_weight": "balanced"}, {"class_weight": {Y[0]: 3.0}}, {}):
        parts = ((X[k : k + 90], Y[k : k + 90], weights[k : k + 90]) for k in range(0, 400, 90))
        streamed = fit(parts, **settings, **more)
        whole = fit((X, Y), sample_weight=weights, **settings, **more)
        unweighted = fit((X, Y), **settings)
        for mine, theirs in zip(leaves_of(streamed.model.theta), leaves_of(whole.model.theta), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)
        assert streamed.history.loss[-1] != pytest.approx(unweighted.history.loss[-1], rel=1e-3)
