"""A run's folder damaged in one way or another: the run goes on, or a message says what is wrong;
never a traceback, and what is whole stays."""

import shutil

import pytest

from tests.faults.programs import after, numbers


def _cut(p):
  p.write_bytes(p.read_bytes()[: p.stat().st_size // 2])


def _flip(p):
  data = bytearray(p.read_bytes())
  data[len(data) // 2] ^= 0xFF
  p.write_bytes(bytes(data))


def _gone(p):
  shutil.rmtree(p) if p.is_dir() else p.unlink()


def _folder(p):
  _gone(p)
  p.mkdir()


def _put(data: bytes):
  def put(p):
    if p.is_dir():
      _gone(p)
    p.write_bytes(data)

  return put


DAMAGES = {
  "cut": _cut, "empty": _put(b""), "gone": _gone, "no UTF-8": _put(b"\xff\xfe\x00{"), "a list": _put(b"[1, 2]"),
  "null": _put(b"null"), "blank lines": lambda p: p.write_bytes(b"\n\n" + p.read_bytes() + b"\n\n"),
  "NaN": _put(b'{"step": NaN, "train/loss": "x"}\n'), "a folder": _folder,
}  # fmt: skip


def _newest(run):
  return run / "checkpoints" / str(max(int(p.name) for p in (run / "checkpoints").iterdir()))


def _files(folder):
  return [p for p in folder.rglob("*") if p.is_file()]


def _largest(run):
  return max(_files(_newest(run)), key=lambda p: p.stat().st_size)


def _every(damage, folder):
  for p in _files(folder):
    damage(p)


CHECKPOINTS = {
  "largest cut": lambda run: _cut(_largest(run)),
  "largest flipped": lambda run: _flip(_largest(run)),
  "largest gone": lambda run: _gone(_largest(run)),
  "largest empty": lambda run: _put(b"")(_largest(run)),
  "all of it empty": lambda run: _every(_put(b""), _newest(run)),
  "all of it cut": lambda run: _every(_cut, _newest(run)),
  "its folder empty": lambda run: _folder(_newest(run)),
  "a file": lambda run: _put(b"x")(_newest(run)),
  "every step empty": lambda run: _every(_put(b""), run / "checkpoints"),
  "none": lambda run: _gone(run / "checkpoints"),
  "none, a file": lambda run: _put(b"x")(run / "checkpoints"),
  "a foreign folder": lambda run: (run / "checkpoints" / "999").mkdir(),
  "a foreign file": lambda run: (run / "checkpoints" / "notes.txt").write_text("x"),
}
END = {
  "best gone": lambda run: _gone(run / "best"),
  "final gone": lambda run: _gone(run / "final"),
  "best empty": lambda run: _folder(run / "best"),
  "best's config cut": lambda run: _cut(run / "best" / "config.json"),
  "best's weights cut": lambda run: _cut(run / "best" / "model.safetensors"),
  "an end begun": lambda run: (run / "final.unfinished").mkdir(),
}
FILES = [(f, d) for f in ("config.json", "metrics.jsonl", "evaluation.json") for d in DAMAGES]


@pytest.fixture(scope="module")
def half(programs, flags, tmp_path_factory):
  """A run that was killed after its eighth update."""
  run = tmp_path_factory.mktemp("half") / "run"
  process, log = programs.start("scripts/train.py", [*flags, f"--workdir={run}"])
  assert after(run / "checkpoints" / "8", process, 0.05), log.read_text()
  process.kill()
  process.join()
  return run


def _try(programs, flags, run, evaluate: bool):
  ended = programs.run("scripts/train.py", [*flags, f"--workdir={run}"])
  assert ended.well, ended.text
  if evaluate:
    again = programs.run("scripts/evaluate.py", [f"--config.source={run}", "--config.samples=2", "--config.max_new_tokens=4"])  # fmt: skip
    assert again.well, again.text
  return ended


@pytest.mark.faults
@pytest.mark.parametrize(("file", "damage"), FILES)
@pytest.mark.parametrize("state", ["half", "done"])
def test_a_damaged_file(programs, flags, whole, half, tmp_path, state, file, damage):
  source = whole("full")[0] if state == "done" else half
  if not (source / file).exists():
    pytest.skip(f"a run that is {state} has no {file}")
  run = shutil.copytree(source, tmp_path / "run")
  DAMAGES[damage](run / file)
  _try(programs, flags, run, state == "done")


@pytest.mark.faults
@pytest.mark.parametrize("damage", CHECKPOINTS)
def test_a_damaged_checkpoint(programs, flags, whole, half, tmp_path, damage):
  run = shutil.copytree(half, tmp_path / "run")
  CHECKPOINTS[damage](run)
  ended = _try(programs, flags, run, False)
  if (
    ended.status == 0
  ):  # It went on from a whole one, or began again: the numbers are those of any run.
    assert numbers(run) == whole("full")[3]


@pytest.mark.faults
@pytest.mark.parametrize("damage", END)
def test_a_damaged_end(programs, flags, whole, tmp_path, damage):
  run = shutil.copytree(whole("full")[0], tmp_path / "run")
  END[damage](run)
  _try(programs, flags, run, True)
