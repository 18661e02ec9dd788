"""Plain modules and losses; any other `nn.Module` serves as well, by its dotted path."""

__distribution__ = "fivestep"
