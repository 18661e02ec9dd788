"""Who trains, who validates, who tests: each way of splitting, and splits that are written down."""

from data.splitting.divide import method_for, split
from data.splitting.rules import METHODS

__all__ = ["METHODS", "method_for", "split"]
