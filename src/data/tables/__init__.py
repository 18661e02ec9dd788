"""Tables: CSV, TSV and Parquet files, and tables in memory."""

from data.tables.look import look_table
from data.tables.table import table

__all__ = ["look_table", "table"]
