"""scikit-learn's face: `Classifier` and `Regressor`, with what MLPClassifier and MLPRegressor take, and more.

They train by the same loop as `bp.fit`. scikit-learn is imported in this room and in no other: it is the extra
`sklearn`.
"""

from backpass.data.extra import extra_module

extra_module("sklearn", "sklearn", "an estimator")

from .classifier import Classifier  # noqa: E402
from .regressor import Regressor  # noqa: E402

__all__ = ["Classifier", "Regressor"]
