"""What data made of text says about itself."""

from dataclasses import dataclass

from data.info import Info


@dataclass(frozen=True, kw_only=True)
class TextInfo(Info):
    """The facts about labelled texts, running text, or pairs that models and evaluation need."""

    kind = "text"
    vocabulary: int
    """Tokens that there are; ids are 0 (padding) to vocabulary - 1."""
    length: int
    """Tokens of one input; of a pair, source and target together."""
    source_length: int = 0
    """Translation: tokens of a source."""
    target_length: int = 0
    """Translation: tokens of a target."""
