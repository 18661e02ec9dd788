"""From a dataset to batches: in which order, by which processes, drawn how often."""
