import subprocess
import sys
from pathlib import Path

import pytest

from trainer.storage import signature


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIVESTEP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def use_home(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setenv("FIVESTEP_HOME", str(path))


def test_own_stranger_tampered(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = signature.sign(b"data", "config.yaml")
    assert signature.verify(b"data", mine, "config.yaml")
    assert signature.origin(b"data", mine, "config.yaml") == "own"
    assert signature.origin(b"datA", mine, "config.yaml") == "tampered"
    assert signature.origin(b"data", mine, "overrides.yaml") == "tampered"
    assert signature.origin(b"data", mine[:-1] + "g", "config.yaml") == "tampered"
    assert signature.origin(b"data", "", "config.yaml") == "stranger"
    use_home(monkeypatch, tmp_path / "other")
    assert signature.origin(b"data", mine, "config.yaml") == "stranger"
    assert not (tmp_path / "other").exists()  # looking makes no key
    theirs = signature.sign(b"data", "config.yaml")
    use_home(monkeypatch, home)
    assert signature.origin(b"data", theirs, "config.yaml") == "stranger"


def test_the_key_is_private_and_stays(home: Path) -> None:
    signature.sign(b"x")
    path = home / "signing.key"
    key = path.read_bytes()
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    signature.sign(b"y")
    assert path.read_bytes() == key
    assert names(home) == {"signing.key"}


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIVESTEP_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert signature.home() == tmp_path / "xdg" / "fivestep"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert signature.home() == tmp_path / ".config" / "fivestep"


def test_processes_that_start_together_share_one_key(home: Path) -> None:
    program = "from trainer.storage import signature; print(signature.sign(b'data'))"
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    printed = {process.communicate()[0] for process in started}
    assert len(printed) == 1
    assert names(home) == {"signing.key"}


def test_without_a_writable_home_one_warning_and_no_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    use_home(monkeypatch, tmp_path / "file" / "home")
    with pytest.warns(UserWarning, match="not signed .*FIVESTEP_HOME"):
        assert signature.sign(b"data") == ""
    assert signature.sign(b"data") == ""  # a second warning would be an error here
    assert not signature.verify(b"data", "")


@pytest.mark.parametrize("fault", ["open to others", "damaged"])
def test_a_key_that_others_could_know_or_that_is_damaged_is_not_used(
    home: Path, fault: str
) -> None:
    home.mkdir()
    path = home / "signing.key"
    path.write_bytes(b"k" * (32 if fault == "open to others" else 31))
    path.chmod(0o644 if fault == "open to others" else 0o600)
    before = path.read_bytes()
    with pytest.warns(UserWarning, match=fault):
        assert signature.sign(b"data") == ""
    assert path.read_bytes() == before


def test_signed_file_round_trip_and_every_flip_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    signature.write_signed(path, "a: 1\nb: ü\n")
    assert signature.read_signed(path) == ("a: 1\nb: ü\n", "own")
    raw = path.read_bytes()
    for place in range(len(raw)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        try:
            text, origin = signature.read_signed(path)
        except UnicodeDecodeError:
            continue
        # A flip in the name of the key leaves content and code as they were signed.
        assert origin != "own" or text == "a: 1\nb: ü\n"


def test_text_after_the_signature_is_not_own(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    signature.write_signed(path, "a: 1\n")
    with path.open("a") as file:
        file.write("b: 2\n")
    assert signature.read_signed(path)[1] == "tampered"
    path.write_text("a: 1\n")
    assert signature.read_signed(path) == ("a: 1\n", "stranger")
