"""The commands beside `train`, a module each with `main(words)`, and what several of them share."""
