"""The result table: plain text in files and pipes, colours on a terminal, never wider than 80 columns."""

import io
import os

import pytest

from backpass.train.report import Results, shown

RESULTS = Results(
    {"R²": 0.4512, "MAE": 44.25, "RMSE": 1234.6, "log loss": float("nan")},
    {"R²": -0.002, "MAE": 60.0, "RMSE": 1000.0, "log loss": 0.5},
    "always the mean",
    89,
    unit="€",
)


def test_plain_text():
    out = io.StringIO()
    RESULTS.show(out)
    assert out.getvalue() == (
        "Held-out test set, 89 rows\n"
        "\n"
        "               model   always the mean\n"
        "R²            0.4512           -0.0020   better\n"
        "MAE          44.25 €           60.00 €   better   (lower is better)\n"
        "RMSE          1235 €            1000 €   worse    (lower is better)\n"
        "log loss   undefined            0.5000            (lower is better)\n"
    )


def test_a_terminal_gets_colours(monkeypatch):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        RESULTS.show(terminal)
    written = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "\x1b[" in written
    assert "always the mean" in written
    assert all(text in written for text in ("0.4512", "better", "worse"))


def test_a_long_baseline_is_cut_to_80_columns():
    results = Results(
        {"balanced accuracy": 0.5, "log loss": 1.0}, {"balanced accuracy": 0.5}, "always '" + "x" * 200, 3
    )
    assert max(len(line) for line in results.text().splitlines()) <= 80
    assert "…" in results.text()
    assert "equal" in results.text()


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 1.0, "100.0 %"),
        ("R²", 0.98765, "0.9877"),
        ("MAE", 12.3456, "12.35"),
        ("MAE", 123.456, "123.5"),
        ("MAE", 99_999.4, "99999"),
        ("MAE", 1.5e12, "1.5e+12"),
        ("MAE", float("inf"), "inf"),
        ("MAE", 0.0, "0.0000"),
    ],
)
def test_scores_as_people_write_them(metric, value, text):
    assert shown(metric, value) == text
