"""Data sets of the Hugging Face Hub, or local files in the forms that its library reads."""

from data.hub.hub import hub
from data.hub.look import look_hub

__all__ = ["hub", "look_hub"]
