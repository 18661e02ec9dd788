"""SPEECHCOMMANDS and YESNO as torchaudio lays them out, and downloads them where asked to."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from data.audio.build import assembled
from data.audio.info import AudioInfo
from data.audio.layouts import LISTS, eights, has_eights, spoken
from data.audio.look import look_speechcommands, look_yesno
from data.audio.options import Cache, Options
from data.errors import DataError
from data.splits import Splits

__all__ = ["look_speechcommands", "look_yesno", "speechcommands", "yesno"]


def speechcommands(
    path: str | Path = "datasets",
    *,
    version: Literal["v0.01", "v0.02"] = "v0.02",
    download: bool = False,
    sample_rate: int | None = 16000,
    seconds: float | None = 1.0,
    split: str | None = None,
    split_seed: int = 0,
    validation: float = 0.1,
    test: float = 0.1,
    splits: str | Path | None = None,
    folds: int | None = None,
    fold: int | None = None,
    cache: Cache = "auto",
    augment: Any = None,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[AudioInfo]:
    """Return Speech Commands: one second each of spoken words, 35 of them in version 0.02.

    Its own lists say what validates and tests, so that no speaker is in two splits; background
    noise is left out. Source: Warden 2018, arXiv 1804.03209.

    Args:
        path: folder that holds SpeechCommands/speech_commands_v0.02, or that folder itself.
        version: which release.
        download: fetch what is missing by torchaudio, 2.3 GB.
        sample_rate: Hz.
        seconds: duration of an input.
        split: another split than that of its lists, see `data.splitting.split`.
        split_seed: which split then; independent of the run's seed.
        validation: fraction for the validation then.
        test: likewise.
        splits: path of a splits.csv to follow.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        cache: as for `data.audio.recordings.audio`.
        augment: likewise.
        on_error: likewise.
        max_bad: likewise.

    Raises:
        DataError: an argument is out of range, or files are missing.
    """
    options = Options(
        sample_rate=sample_rate,
        seconds=seconds,
        validation=validation,
        test=test,
        split=split,
        split_seed=split_seed,
        splits=splits,
        folds=folds,
        fold=fold,
        cache=cache,
        augment=augment,
        on_error=on_error,
        max_bad=max_bad,
    )
    wrong = version not in ("v0.01", "v0.02")
    options.check(*([f"version ({version!r}) in data.version; v0.01 or v0.02"] if wrong else []))
    root, name = Path(path).expanduser(), f"speech_commands_{version}"
    places = (root / "SpeechCommands" / name, root / name, root)
    holds = LISTS["test"]
    folder = _found("SPEECHCOMMANDS", root, places, lambda p: (p / holds).is_file(), name, download)
    return assembled(spoken(folder), options)


def yesno(
    path: str | Path = "datasets",
    *,
    download: bool = False,
    sample_rate: int | None = 8000,
    seconds: float | None = None,
    split: str | None = None,
    split_seed: int = 0,
    validation: float = 0.1,
    test: float = 0.2,
    splits: str | Path | None = None,
    folds: int | None = None,
    fold: int | None = None,
    cache: Cache = "auto",
    augment: Any = None,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[AudioInfo]:
    """Return YesNo: 60 recordings of eight words each, Hebrew for yes or no.

    The labels are the eight positions; one is set where the word is yes. Source: OpenSLR 1.

    Args:
        path: folder that holds waves_yesno, or that folder itself.
        download: fetch what is missing by torchaudio, 4.5 MB.
        sample_rate: Hz.
        seconds: duration of an input; None: as for `data.audio.recordings.audio`.
        split: how to split; None: by chance.
        split_seed: which split; independent of the run's seed.
        validation: fraction for the validation.
        test: likewise.
        splits: path of a splits.csv to follow.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        cache: as for `data.audio.recordings.audio`.
        augment: likewise.
        on_error: likewise.
        max_bad: likewise.

    Raises:
        DataError: an argument is out of range, or files are missing.
    """
    options = Options(
        sample_rate=sample_rate,
        seconds=seconds,
        validation=validation,
        test=test,
        split=split or "random",
        split_seed=split_seed,
        splits=splits,
        folds=folds,
        fold=fold,
        cache=cache,
        augment=augment,
        on_error=on_error,
        max_bad=max_bad,
    )
    options.check()
    root = Path(path).expanduser()
    folder = _found(
        "YESNO", root, (root / "waves_yesno", root), has_eights, "waves_yesno", download
    )
    return assembled(eights(folder), options)


def _found(
    kind: str,
    root: Path,
    places: tuple[Path, ...],
    fits: Callable[[Path], bool],
    name: str,
    download: bool,
) -> Path:
    """Return the first place that fits; download it first where that is asked for."""
    for place in places:
        if fits(place):
            return place
    if download:
        _download(kind, root, name)
        if fits(places[0]):
            return places[0]
    raise DataError(
        f"{kind} is not in {places[0]}; set data.path to the folder that holds "
        f"{places[0].relative_to(root)}, or let torchaudio fetch it by data.download=true"
    )


def _download(kind: str, root: Path, name: str) -> None:
    import torchaudio

    make = getattr(torchaudio.datasets, kind)
    more = {"url": name} if kind == "SPEECHCOMMANDS" else {}
    try:
        root.mkdir(parents=True, exist_ok=True)
        # torchaudio prints how far it is, which is no result of the command.
        with contextlib.redirect_stdout(sys.stderr):
            make(str(root), download=True, **more)
    except (OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1]
        raise DataError(
            f"{kind} could not be downloaded to {root} ({reason}); connect to the internet, or put "
            "the files there yourself"
        ) from error
