"""How commands read their arguments: complaints are our errors, with the nearest flag."""

import argparse
from collections.abc import Iterable, Sequence
from typing import NoReturn

from trainer.errors import Refused


class Parser(argparse.ArgumentParser):
    """A parser that raises Refused for what it can't read.

    `prog` is the command as it is typed. Flags are never abbreviated, and overrides such as
    `seed=1` may stand before, between and after them.
    """

    def __init__(self, prog: str, description: str = "", *, add_help: bool = True) -> None:
        super().__init__(
            prog=prog,
            description=description,
            add_help=add_help,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Refuse with argparse's own words, which name the argument."""
        raise Refused(f"{message}; see {self.prog} --help")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments; raises Refused with every flag that there isn't."""
        known, unknown = self.parse_known_intermixed_args(list(words))
        if unknown:
            raise Refused(*(self.unknown_flag(word) for word in unknown))
        return known

    def unknown_flag(self, word: str) -> str:
        """The line about a flag that there isn't."""
        from trainer.config.catalogue import did_you_mean

        if not word.startswith("-"):
            return f"{word!r} is one argument too many; see {self.prog} --help"
        name = word.split("=")[0]
        takes_overrides = any(action.dest in ("words", "overrides") for action in self._actions)
        if takes_overrides and name.startswith("--") and "=" in word:
            return f"there is no flag {name}; overrides have no dashes: {word.lstrip('-')}"
        near = did_you_mean(name, self.flags())
        return f"there is no flag {name}{near or f'; see {self.prog} --help'}"

    def flags(self) -> Iterable[str]:
        """Every long flag."""
        return [name for name in self._option_string_actions if name.startswith("--")]
