"""What Backpass raises. Each message says what happened, where, with which values, and what to type next."""

import numpy as np


class BackpassError(Exception):
    """The base of every error that Backpass raises on purpose."""


class TracingError(BackpassError, TypeError):
    """Code asked a traced value for something that would lose its derivative (``float(t)``, ``np.asarray(t)``, ...)."""


def from_trace(error: BaseException | None) -> bool:
    """Does an error come of a traced value that could not become a number, at whatever remove?"""
    while error is not None:
        if isinstance(error, TracingError):
            return True
        error = error.__cause__ or error.__context__
    return False


class NoRuleError(TracingError):
    """A NumPy function without a derivative rule was called on a traced value."""


class ShapeError(BackpassError, ValueError):
    """Shapes do not fit an operation; the message holds both shapes, both names and the user's line."""


class IndexingError(ShapeError, IndexError):
    """An index does not fit the array, or is not one."""


class MatrixError(ShapeError, np.linalg.LinAlgError):
    """LAPACK found no solution: a singular matrix, one that is not positive definite, an iteration without end."""


class DtypeError(BackpassError, TypeError):
    """A value's dtype cannot carry a derivative (integer θ, complex values)."""


class NonFiniteError(BackpassError, ArithmeticError):
    """A value stopped being finite; the message names the first operation where that happened."""


class DataError(BackpassError, ValueError):
    """A data file or table cannot be used; the message says which part of it, and how to mend it."""


class ModelFileError(BackpassError, ValueError):
    """A file is not a Backpass model, is damaged, or comes from a newer version."""


class MissingExtraError(BackpassError, ImportError):
    """An optional dependency is missing; the message holds the line that installs it."""
