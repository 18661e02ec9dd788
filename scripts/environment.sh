# Makes .venv and keeps it as pyproject.toml and constraints.txt say. Sourced by train and test,
# which set `repo` to the checkout (absolute, without symlinks). Written for bash 3.2, which macOS has.

venv=$repo/.venv
stamp=$venv/fivestep.stamp           # what is installed, and for which folder; written last
unfinished=$venv/fivestep.unfinished # there while an installation runs, and after one was killed
log=$venv/install.log

# prepare [dev]: return once .venv is ready; does nothing when it already is.
prepare() {
  local extra=${1:-}
  ready "$extra" && return
  mkdir -p "$venv" 2>/dev/null || refuse 4 "$venv can't be created; make $repo writable"
  lock
  if ! ready "$extra"; then # another start may have done it meanwhile
    install "$extra"
  fi
  exec 9>&-
}

# The content of the stamp. A copy of what was installed instead of its hash: no tool is needed,
# and an absolute path, because a moved .venv goes on using the old folder.
description() {
  printf 'repository=%s\nextra=%s\n%s\n%s\n' \
    "$repo" "$1" "$(<"$repo/pyproject.toml")" "$(<"$repo/constraints.txt")"
}

# ready EXTRA: whether the stamp is that of today; the test tools may be there without being needed.
ready() {
  [[ -f $stamp && -x $venv/bin/python && -x $venv/bin/train ]] || return 1
  local is
  is=$(<"$stamp")
  [[ $is == "$(description "$1")" || $is == "$(description dev)" ]]
}

# Wait for an installation that another start has under way. The lock is on a file that is there
# anyway, is held by descriptor 9, and so ends with this process however it ends.
lock() {
  local python
  python=$(any_python)
  exec 9<>"$repo/pyproject.toml"
  "$python" -I -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Waiting for the set-up that another start has under way.", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError as error:
    print(f"warning: no lock on this file system ({error}); start one at a time", file=sys.stderr)
' || refuse 1 "the lock on $repo/pyproject.toml failed; see the lines above"
}

# The Python of .venv if it runs, else the newest suitable one; it only has to run the lock.
any_python() {
  if runs; then printf '%s\n' "$venv/bin/python"; else find_python; fi
}

runs() {
  "$venv/bin/python" -I -c '' 2>/dev/null
}

install() {
  local extra=$1 python="" why="" from="" verb=Completing
  if [[ -f $stamp ]]; then
    verb=Updating
    from=$(<"$stamp")
    [[ $from != *$'\nextra=dev\n'* ]] || extra=dev # keep the test tools once they are there
  fi
  if [[ -f $unfinished ]]; then
    why="again: the last set-up was broken off"
  elif [[ -n $from && $from != "repository=$repo"$'\n'* ]]; then
    why="again: the checkout has moved"
  elif ! runs; then
    why="first use"
    [[ -z $from ]] || why="again: its Python is gone"
  fi
  if [[ -n $why ]]; then
    python=$(find_python)
    say "Setting up $venv ($why): $(contents "$extra"). $(size), 1-3 minutes; log: .venv/install.log"
  else
    say "$verb $venv as pyproject.toml and constraints.txt say: $(contents "$extra"); log: .venv/install.log"
  fi
  : >"$unfinished"
  rm -f "$stamp"
  if [[ -n $why ]]; then
    find "$venv/" -mindepth 1 -maxdepth 1 ! -name "${unfinished##*/}" -exec rm -rf {} +
    "$python" -I -m venv "$venv" >"$log" 2>&1 || failed $? "the environment could not be made"
  fi
  # Isolated (-I): what PYTHONPATH offers would count as installed.
  (cd "$repo" && "$venv/bin/python" -I -m pip install --disable-pip-version-check --no-input \
    -c constraints.txt -e ".${extra:+[$extra]}") >>"$log" 2>&1 </dev/null ||
    failed $? "pip could not install everything"
  description "$extra" >"$stamp"
  rm -f "$unfinished"
}

contents() {
  printf 'PyTorch, torchvision, torchaudio, Hydra, TensorBoard, scikit-learn'
  if [[ $1 == dev ]]; then printf ' and the test tools'; fi
}

size() {
  case $(uname -s) in
    Linux) printf 'About 6 GB on disk with the CUDA libraries of PyTorch' ;;
    *) printf 'Some GB on disk' ;;
  esac
}

# failed STATUS WHAT: the end of the log, a remedy, and out.
failed() {
  # Where pip gave up by itself, what it has installed is sound, and the next try goes on from there.
  if (($1 < 128)) && [[ $2 == pip* ]]; then rm -f "$unfinished"; fi
  say "error: $2; the last lines of $log:"
  tail -n 12 "$log" | sed 's/^/  | /' >&2
  say "Check the network and the free space ($(size)), then run the same command again;" \
    "if it fails in the same way, delete $venv first."
  exit 1
}

# Print the newest Python from 3.11 to 3.13 that works: FIVESTEP_PYTHON if set, else on the PATH.
find_python() {
  local name candidate version seen="" bare=""
  local hint="FIVESTEP_PYTHON=/path/to/python3.13"
  while IFS= read -r candidate; do
    # It has to run: a pyenv shim is there for versions that are not.
    version=$("$candidate" -I -c '
import sys
version = "%d.%d" % sys.version_info[:2]
try:
    import ensurepip, venv
except ImportError:
    version += " without ensurepip"
print(version)' 2>/dev/null) || continue
    case $version in
      3.11 | 3.12 | 3.13)
        printf '%s\n' "$candidate"
        return
        ;;
      3.1[123]\ *) bare=${bare:-$candidate} ;;
      *) seen="${seen:+$seen, }$candidate is ${version%% *}" ;;
    esac
  done < <(candidates)
  if [[ -n $bare ]]; then
    refuse 2 "$bare can't make environments, it has no ensurepip; install that" \
      "(Debian and Ubuntu: the package python3-venv), or name another Python: $hint"
  fi
  if [[ -n $seen ]]; then
    refuse 2 "fivestep needs Python 3.11 to 3.13 (numpy 2.4 needs 3.11, hydra-core 1.3 does not" \
      "start on 3.14), but $seen; install one, or name it: $hint"
  fi
  if [[ -n ${FIVESTEP_PYTHON:-} ]]; then
    refuse 2 "FIVESTEP_PYTHON ($FIVESTEP_PYTHON) does not run; give the path of a Python 3.11 to 3.13"
  fi
  refuse 2 "no working Python on the PATH; install Python 3.11 to 3.13, or name it: $hint"
}

candidates() {
  if [[ -n ${FIVESTEP_PYTHON:-} ]]; then
    printf '%s\n' "$FIVESTEP_PYTHON"
    return
  fi
  local name
  for name in python3.13 python3.12 python3.11 python3 python; do
    type -aP "$name" || true # all on the PATH: the first may be a shim that fails
  done
}

say() {
  printf '%s\n' "$*" >&2
}

# refuse CODE MESSAGE: one line, and out.
refuse() {
  local code=$1
  shift
  say "error: $*"
  exit "$code"
}
