import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.storage.environment import (
    MASK,
    environment,
    git,
    is_secret,
    masked,
    masked_override,
    packages,
)

GIT = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def run(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, env=os.environ | GIT)

    run("init", "-q")
    (tmp_path / "net.py").write_text("width = 1\n")
    run("add", ".")
    run("commit", "-q", "-m", "first")
    return tmp_path


def test_everything_is_there_and_is_json(repository: Path) -> None:
    told = environment(
        device="cpu",
        data_fingerprint="abc",
        seeds={"seed": 3},
        command=["train", "optimizer.lr=0.1", "recorder.api_key=abcdef"],
        folder=repository,
    )
    assert json.loads(json.dumps(told)) == told
    assert told["command"] == ["train", "optimizer.lr=0.1", f"recorder.api_key={MASK}"]
    assert told["seeds"] == {"seed": 3} and told["data_fingerprint"] == "abc"
    assert told["threads"] == 1 and told["device"] == "cpu" and told["torch"]["version"]
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert any(package.startswith("torch==") for package in packages())


def test_git_tells_commit_changes_and_new_files(repository: Path) -> None:
    clean = git(repository)
    assert clean is not None and len(clean["commit"]) == 40
    assert (clean["dirty"], clean["diff"], clean["new_files"]) == (False, "", [])
    (repository / "net.py").write_text("width = 2\n")
    (repository / "new.py").write_text("")
    dirty = git(repository)
    assert dirty is not None and dirty["commit"] == clean["commit"] and dirty["dirty"]
    assert "-width = 1\n+width = 2\n" in dirty["diff"]
    assert dirty["new_files"] == ["new.py"]


def test_a_huge_diff_is_cut(repository: Path) -> None:
    (repository / "net.py").write_text("x\n" * 2_000_000)
    told = git(repository)
    assert told is not None
    assert told["diff_cut"] and len(told["diff"]) == 1_000_000


def test_without_repository_or_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git(tmp_path) is None


def test_programs_in_the_settings_of_a_repository_are_not_run(repository: Path) -> None:
    program = repository / "evil"
    program.write_text(f"#!/bin/sh\ntouch {repository}/ran\n")
    program.chmod(0o755)
    for key in ("diff.external", "core.fsmonitor", "diff.x.textconv", "core.pager"):
        subprocess.run(["git", "-C", str(repository), "config", key, str(program)], check=True)
    (repository / ".gitattributes").write_text("*.py diff=x\n")
    (repository / "net.py").write_text("width = 2\n")
    assert git(repository) is not None
    assert not (repository / "ran").exists()
    subprocess.run(["git", "-C", str(repository), "diff"], check=True, capture_output=True)
    assert (repository / "ran").exists()  # the trap does work


@pytest.mark.parametrize(
    "key",
    [
        *("token", "hf_token", "authToken", "wandb_token", "HFToken", "api_key", "api_keys"),
        *("API_KEY", "apiKey", "apikey", "password", "PASSWORD", "db_password", "passphrase"),
        *("secret", "client_secret", "secrets", "credentials", "access_key", "private_key"),
    ],
)
def test_secret_keys(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        *("keypoints", "key", "keys", "num_tokens", "max_tokens", "tokenizer", "token_id"),
        *("pad_token", "cls_token", "eos_token", "mask_token", "class_token", "secretary"),
        *("monkey", "turnkey", "path", "passes", "weight_decay"),
    ],
)
def test_ordinary_keys(key: str) -> None:
    assert not is_secret(key)


def test_masked_copies_and_keeps_the_rest() -> None:
    config = {
        "data": {"path": Path("/x"), "url": "https://me:hunter2@host/x", "keypoints": 17},
        "recorder": {"token": "abc", "credentials": {"user": "u", "pin": 1234}, "secret": None},
        "betas": (0.9, 0.999),
        3: True,
    }
    assert masked(config) == {
        "data": {"path": "/x", "url": f"https://me:{MASK}@host/x", "keypoints": 17},
        "recorder": {"token": MASK, "credentials": {"user": MASK, "pin": MASK}, "secret": None},
        "betas": [0.9, 0.999],
        3: True,
    }
    assert config["data"]["url"] == "https://me:hunter2@host/x"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
        ("+recorder.api_key=a=b", f"+recorder.api_key={MASK}"),
        ("--token=abc", f"--token={MASK}"),
        ("recorder={token: abc, every: 3}", f"recorder={{token: {MASK}, every: 3}}"),
        ("data.url=https://me:pw@host/", f"data.url=https://me:{MASK}@host/"),
        ("recorder.token=${oc.env:TOKEN}", "recorder.token=${oc.env:TOKEN}"),
        ("model.keypoints=17", "model.keypoints=17"),
        ("-m", "-m"),
    ],
)
def test_masked_overrides(text: str, expected: str) -> None:
    assert masked_override(text) == expected


def test_importing_needs_no_torch() -> None:
    modules = "sys, trainer.storage.environment, trainer.storage.folder"
    program = f"import {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
