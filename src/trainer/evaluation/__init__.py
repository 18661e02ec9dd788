"""What a trained classifier is worth: counts on the device, metrics, baselines, figures, report.

Importing this package imports torch and numpy, but neither scikit-learn nor matplotlib.
"""

from trainer.evaluation.classification import Classification
from trainer.evaluation.counts import Counts

__all__ = ["Classification", "Counts"]
