"""Who trains, who validates, who tests: each way of splitting, and splits that are written down."""

from data.splitting.divide import method_for, split
from data.splitting.rules import METHODS
from data.splitting.written import write_splits

__all__ = ["METHODS", "method_for", "split", "write_splits"]
