"""Using a trained model on what a user hands in: many inputs through it, in order, as they come.

Importing this imports neither torch nor onnxruntime; numpy is imported where rows are made.
"""
