"""The part of fivestep in `hydra_plugins`, the namespace package in which Hydra finds plugins."""
