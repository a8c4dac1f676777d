"""The ground that every room stands on: trees, plugins, durations, storage, the log."""

import gzip

import numpy as np
import pytest
from ml_collections import ConfigDict

from ftjax import batch, config, plugin, sizes, storage, tree
from ftjax.config import Duration, InputError

NESTED = {"params": {"b": {"kernel": 1, "bias": 2}, "a": 3}, "lora": {"b": {"a": 4}}}
NAMED = {"lora/b/a": 4, "params/a": 3, "params/b/bias": 2, "params/b/kernel": 1}


# Trees.


def test_names_and_back():
  assert tree.flatten(NESTED) == NAMED and list(tree.flatten(NESTED)) == sorted(NAMED)
  assert tree.unflatten(NAMED) == NESTED
  assert tree.map_named(lambda name, x, y: (name, x + y), NESTED, NESTED)["params"]["a"] == (
    "params/a",
    6,
  )


def test_split_and_merge_are_inverse():
  mine, others = tree.split(NESTED, lambda name: name.startswith("params/b"))
  assert (mine, others) == (
    {"params": {"b": {"kernel": 1, "bias": 2}}},
    {"params": {"a": 3}, "lora": {"b": {"a": 4}}},
  )
  assert tree.merge(mine, others) == NESTED
  with pytest.raises(ValueError, match="'params/a' is in two"):
    tree.merge(others, {"params": {"a": 0}})


def test_exactly_one_pattern():
  table = [("params/.*", "p"), (r".*/a", "a")]
  assert tree.match("params/b", table) == "p" and tree.match("lora/a", table) == "a"
  with pytest.raises(
    ValueError,
    match="'params/a' must match exactly one pattern, but matches 'params/.*' and '.*/a'",
  ):
    tree.match("params/a", table)
  with pytest.raises(ValueError, match="matches none"):
    tree.match("lora/a/b", table)  # Patterns are for the whole name.


def test_sizes_in_elements_and_bytes():
  leaves = {"x": np.zeros((3, 5), np.float32), "y": np.zeros(2, np.int8)}
  assert (tree.count(leaves), tree.nbytes(leaves)) == (17, 62)


def test_a_difference_shows_both_sides():
  lines = tree.diff({"x": 1, "y": 2, "same": 0}, {"y": 3, "z": 4, "same": 0}, ("this", "that"))
  assert lines.splitlines() == [
    "  only in this: x = 1",
    "  only in that: z = 4",
    "  y: 2 in this, 3 in that",
  ]
  assert tree.diff(NAMED, dict(NAMED), ("this", "that")) == ""


# Plugins.


def test_plugins_by_name():
  assert plugin.load("ftjax.models.families", "gpt2").__name__ == "ftjax.models.families.gpt2"
  assert {"gpt2", "gptj", "llama"} <= set(plugin.names("ftjax.models.families"))
  message = "'lama' is not one of ftjax's families: .*gpt2.*llama.* Did you mean 'llama'"
  with pytest.raises(InputError, match=message):
    plugin.load("ftjax.models.families", "lama")


def test_a_plugin_that_fails_to_import_raises_its_own_error(tmp_path, monkeypatch):
  package = tmp_path / "some_plugins"
  package.mkdir()
  (package / "__init__.py").write_text("")
  (package / "broken.py").write_text("import a_module_that_is_not_there")
  (package / "_private.py").write_text("")
  monkeypatch.syspath_prepend(tmp_path)
  assert plugin.names("some_plugins") == ["broken"]
  with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
    plugin.load("some_plugins", "broken")


# Configs and durations.


@pytest.mark.parametrize(
  "text, steps",
  [
    ("500 steps", 500), ("1 step", 1), (500, 500), ("500", 500), ("1_000", 1000),
    ("1,500 steps", 1500), ("3 epochs", 75), ("1 epoch", 25), ("0.5 epochs", 12),
    ("0.001 epochs", 1), ("10%", 20), ("10 %", 20), (0.1, 20), ("0.1", 20), (".1", 20),
    ("5e-2", 10), ("2k tokens", 20), ("2M tokens", 20_000), ("1.5K tokens", 15),
    ("0", 0), (0, 0), ("never", 0), ("", 0), (None, 0), ("0%", 0), (1.0, 1),
  ],
)  # fmt: skip
def test_durations(text, steps):
  assert Duration.parse(text, "some.key").steps(epoch=25, tokens=100, total=200) == steps


@pytest.mark.parametrize(
  "text", ["soon", "3 days", "-5", "5 5", "epochs", "1e", "3 % steps", "nan", "inf", "[1]"]
)
def test_what_is_no_duration(text):
  with pytest.raises(
    InputError, match=r"some.key='.*' is not a duration.*'500 steps', '3 epochs', '10%'"
  ):
    Duration.parse(text, "some.key")


def test_a_share_of_nothing():
  with pytest.raises(InputError, match="'10%' cannot be the length of the whole run"):
    Duration.parse("10%", "train.duration").steps(epoch=25, tokens=100)


def test_checks_name_the_key_and_what_is_allowed():
  assert config.choice("b", ("a", "b"), "k") == "b" and config.positive(0.5, "k") == 0.5
  with pytest.raises(InputError, match="k='c' is not known. Use one of: a, b."):
    config.choice("c", ("a", "b"), "k")
  for bad in (0, -1, float("nan")):
    with pytest.raises(InputError, match="k=.* must be greater than 0"):
      config.positive(bad, "k")


def test_flat_configs():
  nested = ConfigDict(dict(a=1, b=dict(c=(1, 2), d=dict(e="x"))))
  assert config.flat(nested) == {"a": 1, "b.c": [1, 2], "b.d.e": "x"}


def test_an_empty_batch_is_padding_alone():
  rows = batch.empty(2, 3)
  assert all(x.shape == (2, 3) and not x.any() for x in rows)
  assert [x.dtype.kind for x in rows] == ["i", "i", "f", "i", "i"]


# Storage.


def test_paths_and_globs(tmp_path, monkeypatch):
  for name in ("b.jsonl", "a.jsonl", "c.txt"):
    (tmp_path / name).write_text(name)
  (tmp_path / "d.jsonl").mkdir()
  assert storage.expand(tmp_path / "*.jsonl") == [str(tmp_path / n) for n in ("a.jsonl", "b.jsonl")]
  monkeypatch.chdir(tmp_path)
  assert storage.expand("c.txt") == [str(tmp_path / "c.txt")]
  for nothing in ("x.jsonl", "*.csv", "d.jsonl"):
    with pytest.raises(
      InputError, match=rf"No file at '{nothing.replace('*', '.*')}'. .* start at {tmp_path}"
    ):
      storage.expand(nothing)


def test_remote_paths():
  import fsspec

  fs = fsspec.filesystem("memory")
  fs.pipe("/rows/a.jsonl", b"1")
  assert storage.is_remote("gs://x/y") and not storage.is_remote("/x/y")
  (found,) = storage.expand("memory://rows/*.jsonl")
  with storage.open_file(found) as f:
    assert f.read() == b"1"


def test_nothing_is_written_to_a_folder_that_is_named_like_a_bucket(tmp_path, monkeypatch):
  from pathlib import Path

  monkeypatch.chdir(tmp_path)
  for path in ("gs://b/x", "s3://b/x", Path("gs://b/x"), Path("memory://x")):
    with pytest.raises(InputError, match=r"--output=\w+:/.*Mount the bucket.*copy the folder"):
      storage.local(path, "--output")
    with pytest.raises(InputError, match="output=.*Mount the bucket"):
      storage.write_text(path, "x")
  assert not list(tmp_path.iterdir())
  assert storage.local("~/x", "--output") == Path.home() / "x"
  assert storage.local("a:b/c", "--output") == Path("a:b/c")


def test_what_the_file_system_refuses_is_told_with_the_mend(tmp_path):
  """Every kind that a path can meet, made where that needs no rights of its own."""
  file, dangling, loop = tmp_path / "file", tmp_path / "dangling", tmp_path / "loop"
  file.write_text("x")
  dangling.symlink_to(tmp_path / "nothing")
  loop.symlink_to(loop)
  met = {
    "give another path": lambda: (file / "run").mkdir(),
    "stands there": lambda: dangling.mkdir(exist_ok=True),
    "a link leads nowhere": dangling.read_text,
    "shorter path": lambda: (tmp_path / ("n" * 300)).mkdir(),
    "A folder stands": tmp_path.read_text,
    "in a circle": lambda: loop.read_text(),
  }
  for mend, meet in met.items():
    with pytest.raises(OSError) as found:
      meet()
    text = storage.explain(found.value)
    assert mend in text and str(tmp_path) in text, text
  import errno

  assert "change its rights" in storage.explain(PermissionError(errno.EACCES, "denied", "/x"))
  assert "another file system" in storage.explain(OSError(errno.EROFS, "read-only", "/x"))
  assert "make room" in storage.explain(OSError(errno.ENOSPC, "No space left"))
  assert storage.explain(OSError(errno.ECONNRESET, "reset")) == ""


def test_outputs_that_cannot_be_written_are_refused_before_any_work(tmp_path, monkeypatch):
  file, dangling = tmp_path / "file", tmp_path / "dangling"
  file.write_text("x")
  dangling.symlink_to(tmp_path / "nothing")
  refused = {
    file / "run": "A file stands where a folder is needed",
    file / "deep" / "run": "A file stands where a folder is needed",
    dangling: "a link that leads nowhere, stands there",
    dangling / "run": "a link that leads nowhere, stands there",
    tmp_path / ("n" * 300): "shorter path",
  }
  for path, mend in refused.items():
    with pytest.raises(InputError, match=f"--output=.*{mend}"):
      storage.local(path, "--output")
  assert storage.local(tmp_path / "new" / "run", "--output") == tmp_path / "new" / "run"
  assert storage.local(file, "--output") == file, "a file may be replaced"
  monkeypatch.setattr(storage.os, "access", lambda *_: False)
  with pytest.raises(InputError, match=f"{tmp_path}: Permission denied. .*change its rights"):
    storage.local(tmp_path / "run", "--output")
  assert not (tmp_path / "new").exists()


def test_compressed_files_are_opened_as_what_they_hold(tmp_path):
  (tmp_path / "a.txt.gz").write_bytes(gzip.compress("grüß".encode()))
  with storage.open_file(tmp_path / "a.txt.gz", "rt", encoding="utf-8") as f:
    assert f.read() == "grüß"


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
  target = tmp_path / "deep" / "target"
  for text in ("old", "new"):
    with storage.atomic_path(target) as temporary:
      temporary.write_text(text)
      assert not target.exists() or target.read_text() == "old"
    assert target.read_text() == text
  with pytest.raises(OSError, match="full"), storage.atomic_path(target) as temporary:
    temporary.write_text("half")
    raise OSError("disk full")
  assert target.read_text() == "new"
  assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_a_folder_that_fails_leaves_no_litter(tmp_path):
  with pytest.raises(OSError, match="full"), storage.atomic_path(tmp_path / "x") as temporary:
    temporary.mkdir()
    (temporary / "inside").write_text("half")
    raise OSError("disk full")
  assert not list(tmp_path.iterdir())


def test_text_and_digests(tmp_path):
  storage.write_text(tmp_path / "t", "grüß")
  assert (tmp_path / "t").read_bytes() == "grüß".encode()
  (tmp_path / "t").write_bytes(b"abc")
  assert storage.digest(tmp_path / "t").startswith("ba7816bf8f01cfea")


def test_a_folder_with_anything_in_it_is_never_replaced(tmp_path):
  """Whoever asks: a model's folder must outlive any mistake in the code that writes beside it."""
  folder = tmp_path / "model"
  folder.mkdir()
  with storage.atomic_path(folder) as temporary:  # an empty one may be filled
    temporary.mkdir()
    (temporary / "weights").write_text("mine")
  with pytest.raises(InputError, match="is there already and not empty; it was left as it is"):
    with storage.atomic_path(folder) as temporary:
      temporary.mkdir()
  assert (folder / "weights").read_text() == "mine"
  assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_package_is_hidden_until_it_is_there(monkeypatch):
  """As transformers, tensorboardX and einops look for it."""
  import importlib.util
  import sys

  monkeypatch.delitem(sys.modules, "colorsys", raising=False)
  with plugin.hidden("colorsys"):
    assert importlib.util.find_spec("colorsys") is None
    with pytest.raises(ImportError):
      import colorsys
  assert "colorsys" not in sys.modules
  import colorsys

  with plugin.hidden("colorsys"):
    assert sys.modules["colorsys"] is colorsys


# Sizes.


@pytest.mark.parametrize(
  "text, count",
  [("50MB", 50_000_000), ("50MiB", 52_428_800), ("50 mib", 52_428_800), ("2 GB", 2 * 10**9), ("1.5k", 1500),
   ("64Mi", 64 << 20), ("1TiB", 1 << 40), (7, 7), ("52,428,800 B", 52_428_800)],
)  # fmt: skip
def test_a_mib_is_not_a_mb(text, count):
  assert sizes.parse(text, "") == count


@pytest.mark.parametrize("text", ["big", "0", "-1MB", "5iB", "1.2.3MB", "", "50Mbit", 0.4])
def test_what_is_not_a_size_is_named(text):
  with pytest.raises(InputError, match="run.max_line=.* is not a size. Write a number and a unit"):
    sizes.parse(text, "run.max_line")


def test_sizes_are_told_in_powers_of_ten():
  counts = (0, 999, 1500, 999_600, 50_000_000, 52_428_800, 123_456_789, 5e14)
  told = ["0 bytes", "999 bytes", "1.5 kB", "1 MB", "50 MB", "52.4 MB", "123 MB", "500 TB"]
  assert [sizes.told(x) for x in counts] == told
