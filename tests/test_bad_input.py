"""Bad input: one test for each kind, with the whole message that a person gets.

In a message `...` stands for what depends on the machine, the folder or NumPy's version. A message says what happened,
with the user's own line and values, and ends with the next thing to type.
"""

from __future__ import annotations

import doctest
import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import backpass as bp
from backpass import nn
from backpass.cli import main
from backpass.graph import errors
from backpass.graph.pytree import leaves_of

X = np.ones((5, 3))


def same(shown: str, message: str) -> None:
    expected = textwrap.dedent(shown).strip("\n") + "\n"
    if not doctest.OutputChecker().check_output(expected, message + "\n", doctest.ELLIPSIS):
        pytest.fail(f"expected\n{expected}\nbut the message is\n{message}")


def refuses(error: type[Exception], shown: str, call, *args, **options) -> Exception:
    """`call` raises `error` with the message `shown`."""
    with pytest.raises(error) as caught:
        call(*args, **options)
    same(shown, "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())]))
    assert isinstance(caught.value, errors.BackpassError)
    return caught.value


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a table of flowers in it."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 7 + 0.5},{['red', 'blue'][i % 2]},{['rose', 'iris'][i % 2]}" for i in range(30)]
    Path("flowers.csv").write_text("\n".join(["size,colour,species", *rows]) + "\n")
    return tmp_path


def command_refuses(shown: str, *arguments: str, code: int = 1) -> None:
    """The command line says so on standard error, in plain words, and changes no file."""
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    same(shown, done.stderr.strip("\n"))
    assert before == {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}


# --- functions that cannot be differentiated


def test_refused_numpy_function():
    def loss(x):
        return np.sum(np.packbits(x))

    refuses(
        errors.NoRuleError,
        """
        np.packbits is refused on a traced value: it works on the bits of whole numbers, which carry no derivative.
          File "...test_bad_input.py", line ..., in loss
              return np.sum(np.packbits(x))
                            ^^^^^^^^^^^^^^
          To give it one: @bp.custom_rule(vjp=...) around a function that calls it.
        """,
        bp.grad(loss),
        np.ones(3),
    )


def cumproduct(x):
    """A function of a later NumPy, as far as a traced value can tell."""
    return x.__array_function__(cumproduct, (type(x),), (x,), {})


def test_unknown_numpy_function_names_the_nearest():
    with pytest.raises(
        errors.NoRuleError, match=r"has no derivative rule(.|\n)*The nearest that have one: .*\bcumprod\b"
    ):
        bp.grad(lambda x: np.sum(cumproduct(x)))(np.ones(3))


def test_loss_that_is_not_a_scalar():
    def loss(theta, x):
        return (x @ theta) ** 2

    refuses(
        errors.ShapeError,
        """
        grad needs a scalar, but loss returned ...float64[5].
          File "...test_bad_input.py", line ..., in loss
              return (x @ theta) ** 2
                     ^^^^^^^^^^^^^^^^
          Reduce it to one number, for instance np.mean(...) or np.sum(...); or ... bp.jacobian ...
        """,
        bp.grad(loss),
        np.ones(3),
        X,
    )


def test_branching_on_a_traced_value_while_compiling():
    def loss(theta, x):
        error = np.sum(theta * x)
        if error > 0:
            return error
        return -error

    refuses(
        errors.TracingError,
        """
        A Python condition (if, while, and, or, not) needs the value of a traced ...bool, which is not known while...
          File "...test_bad_input.py", line ..., in loss
              if error > 0:
                 ^^^^^^^^^
          Choose between values with np.where(condition, a, b), between computations with bp.cond; loop with
          bp.scan or bp.while_loop. Or differentiate without bp.compile / bp.trace and these:
          under bp.grad alone, Python's if and while on values work.
        """,
        bp.compile(bp.grad(loss)),
        np.ones(3),
        X,
    )
    assert bp.grad(loss)(np.ones(3), X).shape == (3,)  # as the message says


def test_float_of_a_traced_value():
    def loss(theta):
        scale = HELD.float(theta[0])
        return scale * theta.sum()

    refuses(
        errors.TracingError,
        """
        float() of a traced value (...) would give a plain number or array without its derivative.
          File "...test_bad_input.py", line ..., in loss
              scale = HELD.float(theta[0])
                      ^^^^^^^^^^^^^^^^^^^^
          Leave it traced: NumPy functions take it as it is. ...np.stack(values)...
        """,
        bp.grad(loss),
        np.ones(3),
    )


HELD = types.SimpleNamespace(asarray=np.asarray, float=float)
"""References that were taken before the trace began."""
SQUARES = np.zeros(3)


def test_asarray_of_a_traced_value():
    def loss(theta):
        values = HELD.asarray(theta)
        return values.sum()

    refuses(
        errors.TracingError,
        """
        np.asarray() of a traced value (theta: float64[3]) would give a plain number or array without its derivative.
          File "...test_bad_input.py", line ..., in loss
              values = HELD.asarray(theta)
                       ^^^^^^^^^^^^^^^^^^^
          Leave it traced: NumPy functions take it as it is. ...np.stack(values)...
        """,
        bp.grad(loss),
        np.ones(3),
    )


def test_assignment_into_a_plain_array():
    def loss(theta):
        squares = SQUARES
        for i in range(3):
            squares[i] = theta[i] ** 2
        return squares.sum()

    refuses(
        errors.TracingError,
        """
        A traced value (...) is assigned into a plain NumPy array, which cannot carry its derivative.
          File "...test_bad_input.py", line ..., in loss
              squares[i] = theta[i] ** 2
              ^^^^^^^^^^
          It was made where a trace does not see it: outside of the function, by a method or an operator on a
          plain array, or by a NumPy that was imported inside. Make it with np.zeros, np.array or np.copy of the
          module's own np, or join a list of values: np.stack(values).
        """,
        bp.grad(loss),
        np.ones(3),
    )


def network(theta, x, y):
    hidden = np.tanh(x @ theta["W1"])
    return np.mean((hidden @ theta["W2"] - y) ** 2)


@pytest.mark.parametrize("staged", [False, True], ids=["grad", "descend"])
def test_shape_mismatch(staged):
    theta = {"W1": np.ones((3, 4)), "W2": np.ones((5, 1))}
    arguments = (network, theta, (X, np.ones((5, 1)))) if staged else (theta, X, np.ones((5, 1)))
    refuses(
        errors.ShapeError,
        """
        matmul: ...
          with
            hidden: float64[5,4]
            theta.W2: float64[5,1]
          File "...test_bad_input.py", line ..., in network
              return np.mean((hidden @ theta["W2"] - y) ** 2)
                              ^^^^^^^^^^^^^^^^^^^^
        """,
        bp.descend if staged else bp.grad(network),
        *arguments,
    )


def test_theta_of_whole_numbers():
    refuses(
        errors.DtypeError,
        """
        Cannot differentiate with respect to theta.w = int64[3]: a derivative needs a floating dtype.
          Convert it first, for instance np.asarray(theta, dtype=float); or choose other arguments with argnums=.
        """,
        bp.grad(lambda theta: np.sum(theta["w"] ** 2)),
        {"w": np.arange(3)},
    )
    refuses(
        errors.DtypeError,
        """
        theta.w has dtype int64; descent moves real floating-point numbers only. Convert it (for example with \
.astype(np.float32)), or keep it out of theta.
        """,
        bp.descend,
        lambda theta: np.sum(theta["w"] ** 2),
        {"w": np.arange(3)},
    )


# --- tables


def test_missing_target_column(folder):
    command_refuses(
        "Error: flowers.csv has no column 'specie'; did you mean 'species'? Its columns: 'size', 'colour', 'species'",
        "train", "flowers.csv", "--target", "specie",
    )  # fmt: skip


def test_no_target_named(folder):
    command_refuses(
        "Error: which column of flowers.csv is to be predicted? Add --target COLUMN. Its columns: 'size', "
        "'colour', 'species'",
        "train", "flowers.csv",
    )  # fmt: skip


def test_missing_file(folder):
    command_refuses(
        "Error: there is no file flower.csv; did you mean flowers.csv?", "train", "flower.csv", "-t", "species"
    )


def test_unreadable_file(folder):
    Path("noise.csv").write_bytes(np.random.default_rng(0).bytes(500))
    command_refuses(
        "Error: noise.csv is neither text nor a format that can be read; give it as CSV, TSV, Parquet, "
        "Arrow, .npy or .npz",
        "train", "noise.csv", "-t", "species",
    )  # fmt: skip
    command_refuses("Error: . is a folder; name one file in it, such as ...", "train", ".", "-t", "species")


def test_damaged_parquet_file(folder):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"size": [1.0, 2.0] * 500, "species": ["rose", "iris"] * 500}), "half.parquet")
    whole = Path("half.parquet").read_bytes()
    Path("half.parquet").write_bytes(whole[: len(whole) // 2])
    command_refuses("Error: half.parquet ...", "train", "half.parquet", "-t", "species")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_file_without_permission_to_read(folder):
    os.chmod("flowers.csv", 0)
    command_refuses("Error: flowers.csv cannot be read: Permission denied...", "train", "flowers.csv", "-t", "species")


def test_empty_file(folder):
    Path("empty.csv").write_text("")
    command_refuses("Error: empty.csv is empty", "train", "empty.csv", "-t", "species")
    Path("header.csv").write_text("size,species\n")
    command_refuses(
        "Error: header.csv has a header ('size', 'species') and no rows below it",
        "train",
        "header.csv",
        "-t",
        "species",
    )


def test_target_of_one_value(folder):
    Path("one.csv").write_text("size,species\n" + "1,rose\n2,rose\n" * 10)
    command_refuses(
        "Error: target 'species' of one.csv has one value only, 'rose', in all of its 20 rows: there is "
        "nothing to tell apart",
        "train", "one.csv", "-t", "species",
    )  # fmt: skip
    refuses(
        errors.DataError,
        "y holds one class only, 'rose': there is nothing to tell apart",
        bp.fit, nn.mlp([2]), (X, ["rose"] * 5),
    )  # fmt: skip


def test_feature_of_one_value_is_left_out_and_said_so(folder):
    text = Path("flowers.csv").read_text().splitlines()
    Path("flowers.csv").write_text("\n".join([text[0] + ",garden", *(line + ",north" for line in text[1:])]))
    done = CliRunner().invoke(main, ["train", "flowers.csv", "-t", "species", "--epochs", "1"])
    assert done.exit_code == 0
    assert "note: column 'garden' is left out: one value only, 'north' in the training rows" in done.stderr


def test_only_columns_of_one_value(folder):
    Path("same.csv").write_text("size,species\n" + "1,rose\n1,iris\n" * 10)
    command_refuses(
        "Error: same.csv has no column left to learn from ('size': one value only, '1'...)",
        "train",
        "same.csv",
        "-t",
        "species",
    )


# --- NaN


def test_nan_in_the_data():
    x = X.copy()
    x[3, 1] = np.nan
    refuses(
        errors.DataError,
        """
        X, shape (5, 3), has a value that is not finite: nan at [3, 1].
          Drop such rows, for instance with rows = np.isfinite(X).all(axis=1), or fill them, for instance with a median.
        """,
        bp.fit, nn.mlp([2]), (x, [0, 1, 0, 1, 0]),
    )  # fmt: skip
    refuses(
        errors.DataError,
        """
        data[1], shape (5,), has 2 values that are not finite: inf at [0], the first.
          Drop such rows, for instance with rows = np.isfinite(data[1]), or fill them, for instance with a median.
        """,
        bp.descend, lambda theta, x, y: np.mean((x @ theta - y) ** 2), np.zeros(3), (X, [np.inf, 1, 2, 3, -np.inf]),
    )  # fmt: skip


def test_nan_in_a_table_is_a_missing_value(folder):
    text = Path("flowers.csv").read_text().replace("3.5,", "nan,").replace("5.5,", ",")
    Path("flowers.csv").write_text(text)
    done = CliRunner().invoke(main, ["train", "flowers.csv", "-t", "species", "--epochs", "2", "-q"])
    assert done.exit_code == 0, done.output


def test_nan_born_in_training():
    """Named: the first operation, its equation, its inputs, the line. θ from before that step is in the error."""

    def loss(theta, x):
        rate = np.log(theta["a"])
        return np.mean(rate * x)

    error = refuses(
        errors.NonFiniteError,
        """
        Training stopped being finite in step 2. The first value that is not finite comes from log in the forward pass:
            rate = log(theta.a) → ...nan...
          with
            theta.a: ...-0.3000...
          File "...test_bad_input.py", line ..., in loss
              rate = np.log(theta["a"])
                     ^^^^^^^^^^^^^^^^^^
          The error's theta holds θ as it was before this step. Usual remedies: a smaller learning rate, clipping
          (bp.descent.clip), inputs scaled to about 1, or a stable form of the operation named above.
        """,
        bp.descend, loss, {"a": np.array(0.5)}, (X,), bp.descent.sgd(0.4), progress=False,
    )  # fmt: skip
    assert error.theta["a"] == pytest.approx(0.5 - 0.4 / 0.5)
    assert len(error.history) == 1


def test_nan_born_in_the_backward_pass():
    def loss(theta):
        return np.sum(np.sqrt(theta))

    error = refuses(
        errors.NonFiniteError,
        """
        Training stopped being finite in step 1. The first value that is not finite comes from ... in the backward...
            ...
          with
            ...
        """,
        bp.descend, loss, np.array([0.0, 4.0]), (), bp.descent.sgd(0.1), progress=False,
    )  # fmt: skip
    np.testing.assert_array_equal(error.theta, [0.0, 4.0])


def test_nan_born_in_training_from_the_command_line(folder):
    command_refuses(
        """
        note: target 'species' has 2 different texts: classification
        Training ...
        epoch ...Error: Training stopped being finite in step ... The first value that is not finite comes from ...
          with
        ...
          No model is saved. Try --learning-rate 0.001, or --clip-norm 1.
        """,
        "train", "flowers.csv", "-t", "species", "--optimizer", "sgd", "--learning-rate", "1e30", "--hidden", "8,8",
        "--activation", "relu",
    )  # fmt: skip


# --- model files and disks


@pytest.fixture
def model(folder):
    done = CliRunner().invoke(main, ["train", "flowers.csv", "-t", "species", "--epochs", "2", "-q"])
    assert done.exit_code == 0, done.output
    return Path("flowers.bp")


def test_damaged_model_file(model):
    data = bytearray(model.read_bytes())
    data[-5] ^= 4
    model.write_bytes(data)
    shown = "flowers.bp is damaged: its checksum does not fit its content. Copy it again, or train anew"
    refuses(errors.ModelFileError, shown, bp.load, model)
    command_refuses(f"Error: {shown}", "predict", "flowers.bp", "flowers.csv")
    model.write_bytes(data[:100])
    command_refuses(
        "Error: flowers.bp is not a Backpass model (or is cut short): it does not begin with a header",
        "explain", "flowers.bp",
    )  # fmt: skip


def test_a_model_and_a_table_in_each_others_place(model):
    command_refuses(
        """
        Error: flowers.csv is not a Backpass model (or is cut short): it does not begin with a header
        MODEL comes first: backpass predict flowers.bp flowers.csv
        """,
        "predict", "flowers.csv", "flowers.bp",
    )  # fmt: skip


def test_prediction_without_a_column(model):
    Path("new.csv").write_text("size,Colour\n1.5,red\n")
    command_refuses(
        "Error: new.csv lacks a column that the model was trained on: 'colour' (rename 'Colour'?). Its "
        "columns: 'size', 'Colour'",
        "predict", "flowers.bp", "new.csv",
    )  # fmt: skip


def test_missing_folder(folder):
    command_refuses(
        "Error: cannot write none/flowers.bp: there is no folder ...none. Nothing was changed there; choose "
        "another place",
        "train", "flowers.csv", "-t", "species", "-o", "none/flowers.bp",
    )  # fmt: skip
    command_refuses(
        """
        Usage: ...
        Error: --output ... is a folder; name a file, such as ...model.bp
        """,
        "train", "flowers.csv", "-t", "species", "-o", str(folder), code=2,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_folder_without_permission_to_write(folder):
    Path("locked").mkdir(mode=0o500)
    command_refuses(
        "Error: cannot write locked/a.bp: Permission denied. Nothing was changed there; choose another place",
        "train", "flowers.csv", "-t", "species", "-o", "locked/a.bp",
    )  # fmt: skip


def test_write_protected_file(folder, monkeypatch):
    Path("kept.bp").write_bytes(b"kept")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "kept.bp")
    command_refuses(
        "Error: cannot write kept.bp: the file that is there is write-protected. Nothing was changed there; "
        "choose another place",
        "train", "flowers.csv", "-t", "species", "-o", "kept.bp",
    )  # fmt: skip


def test_disk_that_is_full_before_training(folder, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    command_refuses(
        "Error: cannot write flowers.bp: No space left on device. Nothing was changed there; choose another place",
        "train", "flowers.csv", "-t", "species",
    )  # fmt: skip


def test_disk_that_fills_up_during_training(model, monkeypatch, tmp_path_factory):
    """The old model stays as it was, and the new one is saved where there is room."""
    room = tmp_path_factory.mktemp("room")
    old, sync, calls = model.read_bytes(), os.fsync, []

    def fills_up(handle):
        calls.append(handle)
        if len(calls) == 2:  # the first is the check before training
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fills_up)
    monkeypatch.setattr("tempfile.tempdir", str(room))
    done = CliRunner().invoke(main, ["train", "flowers.csv", "-t", "species", "--epochs", "1", "-q"])
    assert done.exit_code == 1
    same(
        """
        Error: cannot write flowers.bp: No space left on device. Nothing was changed there; choose another place
        The trained model is safe in ...model.bp
        """,
        done.stderr.strip(),
    )
    assert model.read_bytes() == old
    (safe,) = room.rglob("model.bp")
    assert bp.load(safe).classes == ("iris", "rose")
    assert sorted(path.name for path in Path().iterdir()) == ["flowers.bp", "flowers.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_device_that_is_full(model):
    command_refuses(
        "Error: cannot write /dev/full: No space left on device. Nothing was changed there; choose another place",
        "predict", "flowers.bp", "flowers.csv", "-o", "/dev/full",
    )  # fmt: skip
    assert Path("/dev/full").is_char_device()


# --- Ctrl-C


def test_ctrl_c_keeps_the_theta_reached():
    seen = []

    def interrupts(epoch):
        seen.append(epoch.loss)
        if epoch.number == 3:
            raise KeyboardInterrupt

    loss = lambda theta, x: np.mean((x @ theta - 1) ** 2)  # noqa: E731
    theta, history = bp.descend(loss, np.zeros(3), (X,), bp.descent.sgd(0.01), epochs=50, callback=interrupts)
    assert history.stopped == "interrupted"
    assert len(history) == 3
    again, _ = bp.descend(loss, np.zeros(3), (X,), bp.descent.sgd(0.01), epochs=3)
    np.testing.assert_array_equal(theta, again)
    assert seen == history.loss


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@pytest.mark.parametrize("place", ["first epochs", "later"])
def test_ctrl_c_in_a_training_that_runs(folder, place):
    """A real process and a real SIGINT: the θ so far is judged and saved, exit code 130, nothing else is left."""
    command = [sys.executable, "-m", "backpass", "train", "-o", "digits.bp", "--epochs", "100000"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    time.sleep(0.01 if place == "first epochs" else 0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "stopped: interrupted" in err
    assert re.search(r"^\d+ epochs?, interrupted$", err, re.MULTILINE)
    assert "Traceback" not in err
    assert "accuracy" in out
    assert "saved digits.bp" in out
    model = bp.load("digits.bp")
    assert len(model.classes) == 10
    assert all(np.isfinite(leaf).all() for leaf in leaves_of(model.theta))
    assert sorted(path.name for path in Path().iterdir()) == ["digits.bp", "flowers.csv"]
