"""Entries of config.sources: names, bounds, and what is wrong with them."""

import json

import pytest
from ml_collections import ConfigDict

from ftjax.config import InputError
from ftjax.data.collect import Source, size_of, sources
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
  assert [size_of(v, "") for v in ("50MB", "2 GB", 7, "1.5k", "1MiB")] == [
    50_000_000,
    2 * 10**9,
    7,
    1500,
    1 << 20,
  ]
  with pytest.raises(InputError, match="run.max_line='big' is not a size"):
    size_of("big", "run.max_line")
