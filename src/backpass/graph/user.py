"""`run_user`: the user's function, run once as one more trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import messages, origin
from .buffer import released
from .errors import BackpassError
from .origin import NO_SEAT, state


def run_user(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    finish: Callable[[Any], Any] = released,
) -> Any:
    """``finish(function(*args, **kwargs))`` under a trace: what runs inside takes its origins from its own frames.

    While the outermost trace runs, the modules of user code see a `numpy` that follows arrays: namespace.py. NumPy's
    rewording of our errors is undone.
    """
    mine = state.__dict__  # this thread's
    depth, forced = mine["depth"], mine["origin"]
    remove = None if depth else origin.watch(function)
    mine["origin"], mine["depth"] = None, depth + 1
    try:
        return finish(function(*args, **kwargs))
    except (ValueError, TypeError) as error:
        # np.array([t]) turns our error into "setting an array element with a sequence"; ours is the cause.
        if not isinstance(error, BackpassError) and isinstance(error.__cause__, BackpassError):
            raise error.__cause__ from None
        if type(error) is TypeError:
            refusal = messages.compiled_argument(error)
            if refusal is not None:
                raise refusal from error
        raise
    finally:
        mine["origin"], mine["depth"] = forced, depth
        if remove is not None:
            mine["seat"] = NO_SEAT  # let go of the frame
            if mine["kept"]:
                mine["kept"] = {}
            if mine["layouts"]:
                mine["layouts"] = {}
            remove()


__all__ = ["run_user"]
