"""A first look at shards: what they hold, and the same run with what it found made explicit."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packing import columns_of, folder_of_pictures, parquet, tar

from data.errors import DataError
from data.shards import look_stream
from data.shards.streaming import stream


def test_tar_shards_with_pictures(tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "my shards", shards=2)
    look = look_stream(folder, {})
    assert (look.kind, look.problem, look.model) == ("stream", "classification", "cnn")
    assert look.certainty > 0.9 and look.about == ("2 shards (.tar): samples of cls, png",)
    assert look_stream(None, {"path": f"{folder}/*.tar"}) == look


def test_parquet_shards(tmp_path: Path) -> None:
    for number in range(2):
        columns = columns_of(number)
        del columns["person"], columns["note"]
        parquet(tmp_path / f"{number}.parquet", columns)
    look = look_stream(tmp_path, {})
    assert (look.problem, look.model, look.certainty) == ("classification", "mlp", 0.6)
    assert look.data == {"target": "species", "problem": "classification"}
    assert "3 columns of numbers, 400 rows" in look.about[0] and len(look.about) == 3
    assert stream(tmp_path).info == stream(tmp_path, **look.data).info
    several = look_stream(tmp_path, {"target": ["a", "b b"], "ignore": ["species"]})
    assert several.problem == "regression" and several.data["target"] == ["a", "b b"]
    one = look_stream(tmp_path / "0.parquet", {"target": "a"})
    assert (one.problem, one.certainty) == ("regression", 0.3)


def test_odd_data_is_no_reason_to_raise(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.parquet").write_bytes(np.arange(50).tobytes())
    tar(tmp_path / "c" / "a.tar", [("a.txt", b"text"), ("a.json", b"{}")])
    odd: tuple[tuple[Path | None, dict[str, Any], float], ...] = (
        (tmp_path / "a.tar", {}, 0.3),
        (tmp_path / "b", {}, 0.0),
        (tmp_path / "c", {}, 0.1),
        (tmp_path / "gone", {}, 0.0),
        (None, {}, 0.0),
        (None, {"path": ["a", "b"]}, 0.0),
    )
    for path, options, certainty in odd:
        assert look_stream(path, options).certainty == certainty


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "empty.tar", "hollow.tar"])
def test_tar_files_that_cannot_be_used_are_shards_still(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    if name == "hollow.tar":
        tar(place, [])
    else:
        place.write_bytes(b"" if name == "empty.tar" else b"\x1f\x8b")
    sources: list[Path | str] = [place, tmp_path, str(tmp_path / f"*{place.suffix}")]
    for source in sources:
        assert look_stream(Path(source), {}).certainty == 0.3
        with pytest.raises(DataError, match=r"unpack them|no samples|an empty file"):
            stream(source)


@pytest.mark.parametrize("name", ["look", "streaming", "row_reader", "tar_index", "row_build"])
def test_a_look_needs_neither_torch_nor_pyarrow(name: str) -> None:
    code = (
        f"import sys, data.shards.{name}; "
        "assert not {'torch', 'pyarrow', 'pandas'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
