"""What is told of two machines: what computes, in columns, whatever stands in the records."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.storage.comparison import Difference, between, lines, other_packages, shown
from trainer.storage.environment import environment
from trainer.storage.own_code import own_modules
from trainer.storage.stored_environment import (
    later_starts,
    read_environment,
    stored_threads,
    with_start,
)

ONE: dict[str, Any] = {
    "threads": 4,
    "device": "cpu",
    "torch": {"version": "2.9", "cuda": "13.0", "cpu_capability": "AVX2"},
    "python": "3.11",
    "cpu": {"name": "a CPU", "cores": 8},
    "packages": ["numpy==2.0", "Pillow==12.0", "rich==14.0"],
    "git": {"commit": "a" * 40, "diff": ""},
}


def test_the_same_machine_now_differs_in_nothing() -> None:
    now = environment(targets=["trainer.cli.main"])
    assert between(now, environment()) == [] and now["modules"] == {}
    assert other_packages(now, now) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"threads": 2}, [("threads", "4", "2")]),
        ({"torch": {"version": "3.0", "cuda": "13.0"}}, [("torch", "2.9", "3.0")]),
        ({"packages": ["numpy==2.1", "pillow==12.0"]}, [("numpy", "2.0", "2.1")]),
        ({"cpu": {"name": "another", "cores": 8}}, [("CPU", "a CPU", "another")]),
        ({"cpu": {"name": "a CPU", "cores": 4}}, []),
        ({"git": {"commit": "b" * 40, "diff": ""}}, [("git", "a" * 10, "b" * 10)]),
        ({"git": None, "platform": "another"}, []),
    ],
)
def test_what_differs(change: dict[str, Any], expected: list[tuple[str, ...]]) -> None:
    assert [tuple(each) for each in between(ONE, ONE | change)] == expected


def test_local_changes_are_told_by_their_hash() -> None:
    (found,) = between(ONE, ONE | {"git": {"commit": "a" * 40, "diff": "-x\n+y\n"}})
    mark = hashlib.sha256(b"-x\n+y\n").hexdigest()[:6]
    assert found == ("git", "aaaaaaaaaa", f"aaaaaaaaaa and changes ({mark})")


def test_other_packages_are_told_apart() -> None:
    changed = ONE | {"packages": ["numpy==9", "rich==15.0", "new==1"]}
    found = other_packages(ONE, changed)
    assert found == [Difference("new", "none", "1"), Difference("rich", "14.0", "15.0")]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"threads": [1], "torch": 3, "packages": {"a": 1}, "git": [], "modules": [], "cpu": None},
        {"packages": [1, None, ["x"]], "modules": {"\0": 1, "x": None}, "git": {"commit": {}}},
        {"torch": {"version": {"a": [1]}}, "modules": {"../" * 200: "x"}},
    ],
)
def test_a_record_of_any_form_is_read(record: dict[str, Any]) -> None:
    between(record, ONE | {"modules": {}})
    between(ONE | {"modules": {}}, record)
    other_packages(record, ONE)
    assert stored_threads(record) is None and later_starts(record) == []


@pytest.mark.parametrize("threads", [0, -1, 1025, 10**9, True, 2.0, "2", None])
def test_threads_that_no_machine_has(threads: Any) -> None:
    assert stored_threads({"threads": threads}) is None
    assert stored_threads({"threads": 1024}) == 1024


def test_the_table_is_in_columns_and_printable() -> None:
    table = lines([Difference("a", "1", "22"), Difference("long name", "333", "4")], "then", "now")
    assert table == [
        "             then  now",
        "  a          1     22",
        "  long name  333   4",
    ]
    assert shown("\x1b[31mred\nx") == "?[31mred?x" and len(shown("x" * 100)) == 60


def test_later_starts_are_kept_where_something_is_otherwise() -> None:
    once = with_start(ONE, 7, [Difference("threads", "4", "2")])
    assert once is not None and {**once, "resumed": None} == {**ONE, "resumed": None}
    (entry,) = later_starts(once)
    assert (entry["step"], entry["differences"]) == (7, {"threads": {"was": "4", "is": "2"}})
    assert with_start(once, 9, [Difference("threads", "4", "2")]) is None
    back = with_start(once, 11, [])
    assert back is not None and [e["step"] for e in later_starts(back)] == [7, 11]
    assert with_start(ONE, 0, []) is None
    longer = with_start(ONE, 3, [], [Difference("trainer.epochs", "2", "3")])
    assert longer is not None and later_starts(longer)[0]["settings"]["trainer.epochs"]["is"] == "3"


def test_what_can_not_be_read_says_why(tmp_path: Path) -> None:
    for content, told in (("{", "no JSON"), ("[1]", "no description"), ("[" * 9**6, "no JSON")):
        (tmp_path / "environment.json").write_text(content)
        with pytest.raises(ValueError, match=told):
            read_environment(tmp_path)
    with pytest.raises(ValueError, match="No such file"):
        read_environment(tmp_path / "nowhere")


def test_own_modules_come_with_what_lies_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "mynet/__init__.py": "",
        "mynet/net.py": "import other\nfrom mynet import layers\nclass Net:\n    class Part: ...\n",
        "mynet/layers.py": "SIZE = 1\n",
        "mynet/unused.py": "",
        "other.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    __import__("mynet.net")
    found = own_modules(["mynet.net.Net.Part", "torch.nn.Linear", "models.cnn.CNN", "nowhere.X"])
    assert set(found) == {"mynet/__init__.py", "mynet/net.py", "mynet/layers.py"}
    layers = files["mynet/layers.py"].encode()
    assert found["mynet/layers.py"] == hashlib.sha256(layers).hexdigest()
    was = {"modules": found}
    (tmp_path / "mynet/layers.py").write_text("SIZE = 2\n")
    (changed,) = between(was, {"modules": own_modules(["mynet.net.Net"])})
    assert changed.name == "mynet/layers.py" and changed.was == found["mynet/layers.py"][:10]
    for name in ("mynet", "mynet.net", "mynet.layers", "other"):
        monkeypatch.delitem(sys.modules, name)
    assert own_modules(["mynet.net.Net"]) == {}
