"""Entries of config.sources: names, bounds, and what is wrong with them."""

import json

import pytest
from ml_collections import ConfigDict

from ftjax.config import InputError
from ftjax.data.collect import Source, sources
from ftjax.data.curate import commands, settings
from ftjax.data.defaults import get_config
from tests.data.prepared import collect


def test_sources_are_one_or_several_with_names_of_their_own(tmp_path):
  for name in ("a/rows.jsonl", "b/rows.jsonl"):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("{}")
  a, b = f"{tmp_path}/a/rows.jsonl", f"{tmp_path}/b/rows.jsonl"
  for value in (f"{a}, {b}", [a, b], (a, {"path": b})):
    assert [(s.name, s.plan.source, s.path) for s in sources(value)] == [
      ("rows", "rows", a), ("rows-2", "rows-2", b),
    ]  # fmt: skip
  assert [s.name for s in sources(ConfigDict({"path": a, "name": "n", "cap": 5}))] == ["n"]
  names = {
    "hf:org/name@en:train": "org/name", "https://www.a.org/feed?x=1": "a.org/feed", "wp:https://a.org": "a.org",
    "articles/": "articles", "x/articles/*.md": "articles", "a/b.jsonl.gz": "b", "tfds:ag_news": "ag_news",
  }  # fmt: skip
  assert {path: Source.of(path).name for path in names} == names
  with pytest.raises(InputError, match="two entries have the name 'n'"):
    sources([{"path": a, "name": "n"}, {"path": b, "name": "n"}])
  for empty in ("", [], " , "):
    with pytest.raises(InputError, match="sources is empty"):
      sources(empty)


@pytest.mark.parametrize(
  ("more", "match"),
  [
    ({"license": "x"}, "the key 'license' does not exist.*Did you mean 'licence'"),
    ({"rows": "titel"}, r"sources \(a\): rows='titel' is not known.*outline"),
    ({"format": "alpacca"}, "format='alpacca' is not known.*openai"),
    ({"prompt": "{"}, "a brace is alone"),
    ({"weight": 0}, "weight=0.0 must be greater than 0"),
    ({"cap": -1}, "cap=-1 must be 0"),
    ({"fields": {"promt": "x"}}, "'promt' does not exist.*Did you mean 'prompt'"),
    ({"fields": "mr"}, "must read NAME=COLUMN"),
    ({"path": ""}, "has no path"),
  ],
)
def test_an_entry_that_is_wrong(more, match):
  with pytest.raises(InputError, match=match):
    Source.of({"path": "a.jsonl"} | more)


def test_a_path_with_nothing_there(tmp_path):
  with pytest.raises(InputError, match="No file at"):
    Source.of(f"{tmp_path}/none").parts()
  with pytest.raises(InputError, match="No file in .*Hidden files"):
    Source.of(f"{tmp_path}").parts()


def test_bounds_come_from_the_config(tmp_path):
  config = get_config()
  config.run.max_line = "1kB"
  (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x" * 2000}) + '\n{"text": "y"}\n')
  (tmp_path / "b.txt").write_text("x" * 2000)
  rows, bad = collect(str(tmp_path), config)
  assert [r.text for r in rows] == ["y"] and "a.jsonl:1" in bad[0] and "b.txt" in bad[1]


def test_a_bound_means_the_same_wherever_it_is_read(tmp_path, capsys):
  """To sources, to preparation and to --validate."""
  config = get_config()
  config.run.max_line = config.run.memory = "50MiB"
  (source,) = sources(str(tmp_path), config)
  assert source.reading.max_line == source.reading.max_document == 52_428_800
  settings_ = settings.plain(config)
  workers = settings.workers(settings_)
  assert settings.chunk_bytes(settings_) == max(250_000, 52_428_800 // (32 * workers))
  path = tmp_path / "a.jsonl"
  path.write_text(json.dumps({"prompt": "p", "completion": "x" * 1010}) + "\n")
  assert path.stat().st_size > 1024
  assert commands.validate(str(path), None, "1KiB") == 2
  assert "at most 1.02 kB are read (run.max_line)" in capsys.readouterr().out
