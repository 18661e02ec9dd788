"""Measurements over time: files into series, series into windows, forecasts out."""

from data.series.build import series
from data.series.look import look_series

__all__ = ["look_series", "series"]
