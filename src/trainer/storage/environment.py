"""What a run ran on, for `environment.json`, and what of it must not be written down."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from trainer.storage.own_code import own_modules

MASK = "***"
_DIFF_LIMIT = 1_000_000
_GIT_SECONDS = 5.0

_SECRET_WORDS = {"secret", "password", "passwd", "passphrase", "apikey", "credential"}
_SECRET_PAIRS = {("api", "key"), ("access", "key"), ("private", "key"), ("auth", "key")}
# In a language model's config a token is most often a piece of text, not a password.
_ORDINARY_TOKENS = {
    *("pad", "cls", "class", "bos", "eos", "sep", "unk", "mask", "sot", "eot", "dist"),
    *("start", "end", "begin", "stop", "first", "last", "prefix", "suffix", "special", "new"),
    *("image", "audio", "video", "decoder", "encoder", "query", "register"),
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)(?=@)")


def environment(
    *,
    device: str | None = None,
    data_fingerprint: str | None = None,
    seeds: Mapping[str, int] | None = None,
    command: Sequence[str] | None = None,
    folder: Path | None = None,
    samples: Mapping[str, int] | None = None,
    targets: Iterable[str] = (),
) -> dict[str, Any]:
    """Return what is needed to tell why two runs differ, as plain containers.

    Git commit and uncommitted changes of `folder` (by default the current one), Python, machine,
    packages, torch, `device` ("cpu", "cuda:0" ...), threads, fingerprint of the data, number of
    samples by split, seeds, SHA-256 of the user's own modules among `targets` (dotted names), and
    the command line without secrets. Environment variables are left out: they hold passwords.
    """
    line = [Path(sys.argv[0]).name, *sys.argv[1:]] if command is None else list(command)
    return {
        "command": [masked_override(part) for part in line],
        "git": git(folder or Path.cwd()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "packages": packages(),
        **_torch(device or "cpu"),
        "data_fingerprint": data_fingerprint,
        "samples": dict(samples or {}),
        "seeds": dict(seeds or {}),
        "modules": own_modules(targets),
    }


def git(folder: Path) -> dict[str, Any] | None:
    """Return commit, diff to it (text, at most 1 MB) and new files; None without git or repository.

    Nothing is changed and no program from the repository's settings is run.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")
    new = _git(folder, "ls-files", "--others", "--exclude-standard")
    cut = diff is not None and len(diff) > _DIFF_LIMIT
    return {
        "commit": commit.decode().strip(),
        "dirty": None if diff is None else bool(diff),
        "diff": None if diff is None else diff[:_DIFF_LIMIT].decode(errors="replace"),
        "diff_cut": cut,
        "new_files": None if new is None else new[:10_000].decode(errors="replace").splitlines(),
    }


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return the first megabyte (and a byte) that git prints; None when it fails or takes long."""
    line = ["git", "-c", "core.fsmonitor=false", "--no-optional-locks", "-C", str(folder)]
    try:
        process = subprocess.Popen(
            [*line, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None  # No git on this machine.
    alarm = threading.Timer(_GIT_SECONDS, process.kill)
    alarm.start()
    with process:
        assert process.stdout is not None
        printed = process.stdout.read(_DIFF_LIMIT + 1)
        enough = len(printed) > _DIFF_LIMIT
        if enough:
            process.kill()
    alarm.cancel()
    return printed if enough or process.returncode == 0 else None


def packages() -> list[str]:
    """Return `name==version` of every installed distribution, sorted; the first on the path."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata
        # A half deleted distribution has no metadata left.
        if metadata is not None and metadata["Name"]:
            found.setdefault(metadata["Name"], metadata["Version"])
    return sorted((f"{n}=={v}" for n, v in found.items()), key=str.lower)


def _torch(device: str) -> dict[str, Any]:
    import torch  # Late: this module is imported to mask secrets, by commands without torch.

    told: dict[str, Any] = {
        "torch": {
            "version": torch.__version__,
            "git": torch.version.git_version,
            "cuda": torch.version.cuda,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "device": device,
        "threads": torch.get_num_threads(),
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        told["gpu"] = {
            "name": torch.cuda.get_device_name(device),
            "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
            "memory": torch.cuda.get_device_properties(device).total_memory,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _first_line(Path("/proc/driver/nvidia/version")),
        }
    return told


def _cpu() -> dict[str, Any]:
    lines = _lines(Path("/proc/cpuinfo"))
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"name": names[0] if names else platform.processor(), "cores": os.cpu_count()}


def _first_line(path: Path) -> str | None:
    return next(iter(_lines(path)), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []  # Not Linux, or no NVIDIA driver.


def is_secret(key: str) -> bool:
    """Return whether a key names a secret: `api_key`, `hfToken`; not `keypoints` or `pad_token`."""
    words = [word.lower() for word in _WORDS.findall(key)]
    singular = {word.removesuffix("s") for word in words}
    pairs = {(word, after.removesuffix("s")) for word, after in pairwise(words)}
    if _SECRET_WORDS & singular or _SECRET_PAIRS & pairs:
        return True
    # `token_id` and `max_tokens` are numbers; `auth_token`, `token` and `hf_token` are not.
    return words[-1:] == ["token"] and not _ORDINARY_TOKENS & set(words)


def masked(value: Any, secret: bool = False) -> Any:
    """Return a copy as plain containers in which secrets are `***`: by key, and in URLs."""
    if isinstance(value, Mapping):
        return {k: masked(v, secret or is_secret(str(k))) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, secret) for item in value]
    if secret and value is not None and not isinstance(value, bool) and value != "":
        return MASK
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return _URL_PASSWORD.sub(rf"\1:{MASK}", value) if isinstance(value, str) else value


def masked_override(text: str) -> str:
    """Return a `key=value` or `--key=value` of a command line with a secret value masked."""
    key, equals, value = text.partition("=")
    if equals and any(is_secret(part) for part in re.split(r"[./@]", key)):
        # An interpolation such as ${oc.env:TOKEN} names the secret without telling it.
        return text if value.startswith("${") else f"{key}={MASK}"
    # Secrets may also stand within a value that is a dict: {token: abc}.
    text = re.sub(
        r"([A-Za-z_][\w-]*)(\s*:\s*)(?!//)([^,{}\[\]\s]+)",
        lambda m: f"{m[1]}{m[2]}{MASK}" if is_secret(m[1]) else m[0],
        text,
    )
    return str(masked(text))
