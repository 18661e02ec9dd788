"""Several trained models as one: which ones, whether they may be averaged, what it is worth."""
