"""What ``FILE.py:function`` is called with: ``example()`` of the file, default values, or shapes that are typed."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

_SHAPE = re.compile(r"(\d+(?:x\d+)*)?(?::(\d+))?")


def function_of(spec: str) -> tuple[Callable[..., Any], Any]:
    """(the function, its module) of ``FILE.py:function``. The file is run, as Python runs it on import."""
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise click.UsageError(f"there is no file {path}")
    if path.suffix != ".py":
        raise click.UsageError(f"{path} is no Python file; a function is named FILE.py:function")
    module = _module(path)
    found = getattr(module, name, None) if name.isidentifier() else None
    if not callable(found):
        own = [n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        what = "is no function" if found is not None else "is not there"
        raise click.UsageError(f"{name!r} {what} in {path}; its functions: {', '.join(own) or 'none'}")
    return found, module


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"_explained_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise click.UsageError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise click.ClickException(f"running {path} failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def arguments_of(function: Callable[..., Any], module: Any, given: Sequence[str], spec: str) -> tuple[Any, ...]:
    """The arguments to call it with; what is made up is drawn from a normal distribution with a fixed seed."""
    names = list(inspect.signature(function).parameters.values())
    if given:
        return _given(names, given)
    example = getattr(module, f"{function.__name__}_example", None) or getattr(module, "example", None)
    if callable(example):
        found = example()
        return found if isinstance(found, tuple) else (found,)
    if names and all(p.default is not p.empty for p in names):
        return tuple(p.default for p in names)
    wanted = [p.name for p in names if p.default is p.empty]
    first = names[0].name if names else "theta"
    raise click.UsageError(
        f"{function.__name__} takes {', '.join(p.name for p in names)}, and nothing says what to call it with. "
        "Any of these does:\n"
        f"  a function in the file:  def example(): return {', '.join(p.name for p in names)}\n"
        f"  default values for {', '.join(wanted)}\n"
        f"  shapes here:  backpass explain {spec} --arg {first}.W=3x4 --arg x=6x3 --arg y=6:4 --arg rate=0.1\n"
        "  (x=6x3 is an array of that shape, y=6:4 six whole numbers below 4, rate=0.1 a number)"
    )


def _given(parameters: list[inspect.Parameter], given: Sequence[str]) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    tree: dict[str, Any] = {}
    for text in given:
        path, sign, what = text.partition("=")
        parts = path.split(".")
        if not sign or not all(parts):
            raise click.BadParameter(f"{text!r}; write NAME=SHAPE, such as x=6x3", param_hint="--arg")
        at = tree
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise click.BadParameter(f"{path!r} goes on below what is an array already", param_hint="--arg")
        at[parts[-1]] = _made(text, what, rng)
    known = [p.name for p in parameters]
    for name in tree:
        if name not in known:
            raise click.BadParameter(
                f"the function has no argument {name!r}; it takes {', '.join(known)}", param_hint="--arg"
            )
    missing = [p.name for p in parameters if p.name not in tree and p.default is p.empty]
    if missing:
        raise click.BadParameter(f"add {' and '.join(f'--arg {n}=SHAPE' for n in missing)}", param_hint="--arg")
    return tuple(_listed(tree[p.name]) if p.name in tree else p.default for p in parameters)


def _made(text: str, what: str, rng: np.random.Generator) -> Any:
    found = _SHAPE.fullmatch(what)
    if found is not None:
        shape = tuple(map(int, found[1].split("x"))) if found[1] else ()
        return rng.integers(0, int(found[2]), shape) if found[2] else rng.normal(size=shape) * 0.5
    try:
        return float(what)
    except ValueError:
        raise click.BadParameter(
            f"{text!r}; a shape is 6x3, whole numbers below 4 are 6:4, a number is 0.1", param_hint="--arg"
        ) from None


def _listed(tree: Any) -> Any:
    """theta.0.W, theta.1.W are a list."""
    if not isinstance(tree, dict):
        return tree
    inner = {k: _listed(v) for k, v in tree.items()}
    if all(k.isdigit() for k in inner):
        return [inner[k] for k in sorted(inner, key=int)]
    return inner
