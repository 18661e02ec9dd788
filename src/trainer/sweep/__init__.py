"""Sweeps: many trials, a process each, with a leaderboard. Nothing here knows of Hydra or of torch.

Importing this package costs nothing.
"""
