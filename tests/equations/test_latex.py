"""LaTeX: what is written is read back and holds; and a TeX engine, where there is one, compiles it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from models import MODELS

import backpass as bp
from backpass.equations import derive
from backpass.equations.check_lines import gap_of, printed
from backpass.equations.read import Unreadable
from backpass.equations.read_latex import as_text


def equations(source: str) -> list[str]:
    """The equations of aligned blocks in the text grammar, breaks and remarks taken out."""
    out = []
    for block in re.findall(r"\\begin\{aligned\}\n(.*?)\n\\end\{aligned\}", source, re.S):
        for row in block.split(" \\\\\n"):
            row = row.split(" && ")[0].replace(r" \\ &\quad ", "").replace("&", "", 1)
            out.append(re.sub(r"\s+", " ", as_text(row)))
    return out


@pytest.mark.parametrize("name", MODELS)
def test_the_equations_of_a_document_hold(name):
    f, theta, args = MODELS[name]
    derivation = derive(f)(theta, *args)
    lines = [line for line in derivation.lines if line.call is None]
    texts = equations(derivation.latex(folded=False))
    assert len(texts) == len(derivation.lines)
    for line, text in zip(derivation.lines, texts, strict=True):
        if line in lines:
            form = "matrix" if line.layout("matrix", derivation.sheet, derivation.letters) else "index"
            lengths = next(n for _, kind, n in printed(derivation, line) if kind == form)
            assert gap_of(text, form, derivation.names, lengths, line) <= 1e-12, text


def test_a_choice_is_set_as_cases():
    f, theta, args = MODELS["tanh_mlp"]
    derivation = derive(f, optimizer=bp.descent.adamw(bp.descent.one_cycle(0.01, 63)))(theta, *args)
    assert derivation.check()
    assert r"\eta  & = \begin{cases} \mathit{first} \cdot" in derivation.latex()
    assert r" & \text{if } \tau  - 1 < \mathit{top} \\" in derivation.latex()
    assert "(τ − top − 1)/44.1" in derivation.text(width=200)
    nested = r"\begin{cases} 1 & \text{if } a < 2 \\ \begin{cases} 3 & \text{if } b \\ 4 & \text{otherwise} \end{cases}"
    assert as_text(nested + r" & \text{otherwise} \end{cases}") == "where([a < 2], 1, where(b, 3, 4))"
    with pytest.raises(Unreadable, match="not a choice of two"):
        as_text(r"\begin{cases} 1 & \text{if } a \end{cases}")


ENGINE = next((e for e in ("pdflatex", "tectonic", "xelatex", "lualatex") if shutil.which(e)), None)


@pytest.mark.slow
@pytest.mark.skipif(ENGINE is None, reason="no TeX engine is installed")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", ["matrix", "index"])
def test_a_document_compiles_and_fits_its_page(name, form, tmp_path):
    f, theta, args = MODELS[name]
    source = derive(f, optimizer=None if name == "complex_network" else "adam")(theta, *args).document(form)
    (tmp_path / "net.tex").write_text(source, encoding="utf-8")
    options = [] if ENGINE == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    assert ENGINE is not None
    done = subprocess.run([ENGINE, *options, "net.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "net.pdf").stat().st_size > 1000
    wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)]
    assert max(wide, default=0) < 40, done.stdout[-2000:]
