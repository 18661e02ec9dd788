"""From image files to pixels, and what is drawn on them. NumPy and Pillow only."""
