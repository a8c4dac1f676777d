"""Sources of the config as rows: folders, tables, documents and hubs, each row with its origin, and
each fault told."""

import json
import os
import pickle
import zipfile

import pytest

from ftjax.config import InputError
from ftjax.data.collect import Source, examples, examples_of_part
from ftjax.data.defaults import get_config
from ftjax.data.sources._fetch import Later
from tests.data.prepared import collect

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.fixture
def folder(tmp_path):
  """A folder of many kinds of files, and what is not to be read."""
  inside = tmp_path / "in"
  (inside / "b" / ".git").mkdir(parents=True)
  (inside / "b" / ".git" / "x.md").write_text("hidden")
  (inside / ".hidden.md").write_text("hidden")
  (inside / "a.md").write_text("---\ntitle: A\ndate: 2024-05-01\n---\nOf a.")
  (inside / "b" / "c.txt").write_text("Of c.")
  (inside / "d.xyz").write_text("?")
  (inside / "e.jsonl").write_text('{"text": "Of e."}\n{oops\n{"text": "Of e, too."}\n')
  with zipfile.ZipFile(inside / "f.zip", "w") as z:
    z.writestr("y.md", "Of y.")
    z.writestr("deep/x.csv", "prompt,completion\nq,a\n")
    z.writestr("__MACOSX/y.md", "hidden")
    z.writestr("deep/.z.md", "hidden")
  (tmp_path / "secret.md").write_text("secret")
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / "s.md").write_text("secret")
  os.symlink(tmp_path / "secret.md", inside / "g.md")
  os.symlink(tmp_path / "out", inside / "h")
  os.symlink(inside / "b", inside / "i")
  os.symlink(inside / "nowhere.md", inside / "j.md")
  os.mkfifo(inside / "k.md")
  return inside


def test_a_folder_is_walked_in_order_and_each_file_is_read_or_told(folder):
  rows, bad = collect(str(folder))
  assert [r.text or r.messages for r in rows] == [
    "Of a.", "Of c.", "Of e.", "Of e, too.", tuple(CHAT), "Of y.",
  ]  # fmt: skip
  assert [r.origin.place.removeprefix(f"{folder}/") for r in rows] == [
    "a.md", "b/c.txt", "e.jsonl:1", "e.jsonl:3", "f.zip::deep/x.csv:2", "f.zip::y.md",
  ]  # fmt: skip
  wanted = {
    "d.xyz": "skipped", "e.jsonl:2": "not valid JSON", "g.md": "leads out of", "h": "leads out of",
    "j.md": "not a regular file", "k.md": "not a regular file",
  }  # fmt: skip
  assert len(bad) == len(wanted)
  for (place, reason), message in zip(wanted.items(), bad, strict=True):
    assert message.startswith(f"{folder}/{place}: ") and reason in message
  assert "secret" not in repr(rows)


def test_an_archive_is_read_anew_when_it_has_changed(tmp_path):
  for text in ("one", "another", "a third"):
    with zipfile.ZipFile(tmp_path / "a.ZIP", "w") as z:
      z.writestr("a.txt", text)
    rows, bad = collect(f"{tmp_path}/a.ZIP")
    assert [r.text for r in rows] == [text] and not bad


def test_parts_are_the_whole_in_the_same_order(folder):
  source = pickle.loads(pickle.dumps(Source.of(str(folder))))
  assert source.parts() == sorted(source.parts(), key=lambda p: p.replace("::", "\0"))
  told, apart = [], []
  for part in source.parts():
    apart += examples_of_part(source, part, told.append)
  rows, bad = collect(str(folder))
  assert apart == rows and [str(e) for e in told] == bad
  assert pickle.loads(pickle.dumps(rows)) == rows


def test_the_strict_default_raises(folder):
  with pytest.raises(InputError, match="d.xyz: skipped"):
    list(examples(Source.of(str(folder))))


def test_a_row_keeps_where_it_comes_from(jsonl):
  row = {
    "text": "x",
    "title": " A\nb ",
    "date": "Wed, 05 Apr 2023 06:07:08 GMT",
    "url": "u",
    "license": "CC0",
    "category": 3,
  }
  path = jsonl([row, {"text": "y", "lic": "MIT", "w": 0.5}])
  entry = {
    "path": path,
    "name": "n",
    "licence": "own",
    "category": "c",
    "weight": 2,
    "fields": "weight=w",
  }
  (one, two), bad = collect(entry)
  assert not bad
  o = one.origin
  assert (o.source, o.path, o.row, o.licence, o.url) == ("n", path, 1, "CC0", "u")
  assert o.date == "2023-04-05T06:07:08+00:00" and (one.title, one.category, one.weight) == (
    "A b",
    "3",
    2,
  )
  assert (two.origin.licence, two.category, two.weight, two.title) == ("own", "c", 1.0, "")
  (_, two), _ = collect({"path": path, "fields": {"licence": "lic"}})
  assert two.origin.licence == "MIT" and two.origin.source == "rows"


SHAREGPT = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]


OTHER = {"role": "assistant", "content": "b"}


@pytest.mark.parametrize(
  ("row", "messages", "rejected"),
  [
    ({"messages": CHAT}, CHAT, []),
    ({"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}, [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT], []),
    ({"conversations": SHAREGPT}, CHAT, []),
    ({"prompt": "q", "completion": "a"}, CHAT, []),
    ({"instruction": "q", "input": "", "output": "a"}, CHAT, []),
    ({"instruction": "q", "input": "", "output": "a", "title": "t", "text": "x"}, CHAT, []),
    ({"prompt": "q", "chosen": "a", "rejected": "b"}, CHAT, [OTHER]),
    ({"question": "q", "chosen": "a", "rejected": "b", "system": "s"}, [{"role": "system", "content": "s"}, *CHAT], [OTHER]),
    ({"chosen": CHAT, "rejected": [CHAT[0], OTHER]}, CHAT, [OTHER]),
    ({"prompt": "q", "chosen": CHAT, "rejected": [CHAT[0], OTHER]}, CHAT, [OTHER]),
    ({"prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": [OTHER]}, CHAT, [OTHER]),
    ({"conversations": SHAREGPT[:1], "chosen": SHAREGPT[1], "rejected": {"from": "gpt", "value": "b"}}, CHAT, [OTHER]),
    ({"input": {"messages": CHAT[:1]}, "preferred_output": CHAT[1:], "non_preferred_output": [OTHER]}, CHAT, [OTHER]),
  ],
)  # fmt: skip
def test_every_format_becomes_messages(jsonl, row, messages, rejected):
  (found,), bad = collect(jsonl([row]))
  assert list(found.messages) == messages and list(found.rejected) == rejected and not bad
  assert found.kind == ("preference" if rejected else "messages")


@pytest.mark.parametrize(
  ("row", "match"),
  [
    (
      {"messages": [CHAT[0], {"role": "assistant", "content": None, "tool_calls": [{}]}]},
      "message 2 (assistant), call 1 must be",
    ),
    (
      {"conversations": [SHAREGPT[0], {"from": "function_call", "value": "x"}]},
      "message 2 (assistant): the tool calls: str 'x' is not JSON",
    ),
    ({"messages": CHAT[:1]}, "no trained token"),
    ({"prompt": "q", "chosen": "a", "rejected": ""}, "'rejected': no trained token: the answer is empty"),
    ({"chosen": CHAT, "rejected": CHAT}, "'chosen' must end in an answer that is not the other"),
    (
      {"prompt": "q", "chosen": "a", "rejected": "a"},
      "the chosen answer and the other are the same",
    ),
    ({"chosen": "a", "rejected": "b"}, "no prompt: a preference pair needs"),
    ({"text": " "}, "the text is empty"),
    ({"input_ids": [1], "labels": [1]}, "rows of token ids cannot be prepared"),
    ({"mr": 1}, "the columns 'mr' fit no format"),
  ],
)
def test_a_row_that_does_not_fit_is_told_and_the_rest_goes_through(jsonl, row, match):
  path = jsonl([{"prompt": "q", "completion": "a"}, row, {"prompt": "q", "completion": "a"}])
  rows, bad = collect(path)
  assert len(rows) == 2 and len(bad) == 1 and bad[0].startswith(f"{path}:2: ") and match in bad[0]
  path = jsonl([row, {"prompt": "q", "completion": "a"}])
  assert [len(x) for x in collect(path)] == [1, 1]


@pytest.mark.parametrize(
  "row",
  [
    {"text": "ab\ud83dc"},
    {"prompt": "q", "completion": "ab\ud83d"},
    {"text": "x", "title": "ab\ud83d"},
  ],
)
def test_half_a_surrogate_pair_is_told(tmp_path, row):
  (tmp_path / "a.jsonl").write_text(json.dumps(row) + '\n{"text": "\\ud83d\\ude00"}\n')
  rows, bad = collect(f"{tmp_path}/a.jsonl")
  assert [r.text for r in rows] == ["\U0001f600"]
  assert len(bad) == 1 and "a.jsonl:1: " in bad[0]
  assert r"half a surrogate pair, \ud83d, at character 3" in bad[0]


def test_where_no_row_fits_the_config_is_wrong(jsonl, tmp_path):
  path = jsonl([{"mr": "x", "ref": "y"}] * 300)
  message = r":1: the columns 'mr', 'ref' fit no format.* --config.sources=.*fields"
  with pytest.raises(InputError, match=message):
    collect(path)
  entry = {"path": path, "prompt": "{mrr}", "response": "{ref}"}
  with pytest.raises(InputError, match=r":1: the template.*It has: mr, ref\. Did you mean 'mr'"):
    collect(entry)
  rows, bad = collect(entry | {"path": str(tmp_path)})  # Among other files, it is the file.
  assert not rows and len(bad) == 300
  rows, bad = collect(entry | {"prompt": "Say {mr}."})
  assert rows[0].messages[0]["content"] == "Say x." and len(rows) == 300 and not bad


def test_templates(jsonl):
  path = jsonl([{"text": "# T\n\nOne.\n\nTwo.", "title": "T", "who": "Ada"}])
  render = lambda **more: [
    tuple(m["content"] for m in r.messages) or r.text for r in collect({"path": path, **more})[0]
  ]
  assert render(prompt="About {title} by {who}.") == [("About T by Ada.", "# T\n\nOne.\n\nTwo.")]
  assert render(rows="title", prompt="On {title}") == [("On T", "One.\n\nTwo.")]
  assert render(rows="opening", prompt="{opening}") == [("One.", "Two.")]
  assert render(rows="title", response="{who}: {text}")[0][1] == "Ada: One.\n\nTwo."
  assert render(response="{who}: {text}") == ["Ada: # T\n\nOne.\n\nTwo."]
  defaults = get_config()
  defaults.rows, defaults.prompt = "title", "Now {title}"
  assert collect(path, defaults)[0][0].messages[0]["content"] == "Now T"


def test_documents_that_lack_a_title_are_told(tmp_path):
  (tmp_path / "a.txt").write_text("Body.")
  (tmp_path / "b.md").write_text("# T\n\nBody.")
  rows, bad = collect({"path": str(tmp_path), "rows": "title"})
  assert len(rows) == 1 and "a.txt: rows=title needs a title" in bad[0]


def test_a_source_may_be_named_before_its_path(tmp_path):
  (tmp_path / "a.txt").write_text("Ada: Yes.\nBo: No.")
  assert collect(f"transcript:{tmp_path}/a.txt")[0][0].text == "Ada: Yes.\n\nBo: No."
  assert collect(f"transcript:{tmp_path}")[0][0].text == "Ada: Yes.\n\nBo: No."
  assert collect(f"{tmp_path}/*.txt")[0][0].text == "Ada: Yes.\nBo: No."


def test_hubs_keep_their_rows_and_raise_when_not_there(tmp_path):
  datasets = pytest.importorskip("datasets")
  datasets.Dataset.from_list([{"text": "x"}, {"text": "y"}]).save_to_disk(tmp_path / "d")
  rows, bad = collect(f"hf:{tmp_path}/d")
  assert [r.text for r in rows] == ["x", "y"] and not bad
  assert rows[1].origin.path == f"hf:{tmp_path}/d:all" and rows[1].origin.row == 2
  with pytest.raises(InputError, match="'hf:no/such' cannot be loaded"):
    collect("hf:no/such")


def test_a_site_that_refuses_is_told_and_one_that_is_busy_ends_the_work(monkeypatch):
  from ftjax.data.sources import _cache

  def get(url, how):
    raise (Later if "busy" in url else InputError)(f"{url}: no")

  monkeypatch.setattr(_cache, "get", get)
  assert collect("https://a.example/feed") == ([], ["https://a.example/feed: no"])
  assert collect("https://a.example:8080/feed") == ([], ["https://a.example:8080/feed: no"])
  rows, bad = collect("wp:https://a.example")
  assert not rows and "a.example/wp-json/wp/v2/posts" in bad[0]
  with pytest.raises(Later):
    collect("wp:https://busy.example")


def test_a_feed_by_its_url_has_rows_with_their_place(tmp_path, monkeypatch):
  from ftjax.data.sources import _cache
  from ftjax.data.sources._fetch import Response

  feed = (
    b"<rss><channel><item><title>T</title><description>Words.</description></item></channel></rss>"
  )
  url = "https://a.example:8080"
  monkeypatch.setattr(_cache, "get", lambda u, how: Response(u, {"content-type": "text/xml"}, feed))
  config = get_config()
  config.output = str(tmp_path / "out")
  (row,), bad = collect(url, config)
  assert (row.origin.path, row.origin.row, row.title) == (url, 1, "T") and not bad
  assert len(list((tmp_path / "out" / "work" / "fetched").iterdir())) == 1


def test_real_tables(shared):
  data = shared / "data"
  for name, kind in (
    ("alpaca_en_demo.json", "messages"),
    ("c4_demo.jsonl", "text"),
    ("dpo_en_demo.json", "preference"),
  ):
    rows, bad = collect(str(data / name))
    assert len(rows) > 100 and {r.kind for r in rows} == {kind}, name
    assert all("no trained token" in b for b in bad), bad[:3]
  rows, bad = collect({"path": str(data / "e2e_devset.csv"), "fields": "prompt=mr,completion=ref"})
  assert len(rows) > 100 and not bad
