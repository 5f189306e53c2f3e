"""The page on derivations shows what is printed."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "equations.md"


def test_the_page_shows_what_is_printed(tmp_path):
    code, shown = re.search(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S).groups()
    source = tmp_path / "page.py"
    source.write_text(code, encoding="utf-8")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(source), "exec"), {})
    assert out.getvalue() == shown
