"""Text: labelled texts, running text for language models, pairs for translation."""
