"""Data in shards, larger than memory: tar files as WebDataset has them, and Parquet files."""

from data.shards.look import look_stream

__all__ = ["look_stream"]
