"""The commands that take a run folder, a module each; `train` itself is in trainer/cli.py."""
