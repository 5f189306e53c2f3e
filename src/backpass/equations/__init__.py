"""The mathematical reading of a graph: its derivation, line by line, each line tested against autodiff."""

from .contributions import Contribution, Contributions, contributions
from .derivation import Derivation, derive
from .paths import Path, Paths, paths

__all__ = ["Contribution", "Contributions", "Derivation", "Path", "Paths", "contributions", "derive", "paths"]
