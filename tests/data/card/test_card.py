"""The data card: whatever stands in a report is shown, every number of it, and nothing in it is
markup."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import yaml

from ftjax.data import card
from ftjax.data.card import words
from ftjax.data.card.numbers import number, percent, seconds
from ftjax.sizes import told

EVIL = "<script>alert('x')</script> &amp; \"q\" |a| `b` [l](http://x.org) ![i](y) <img src=x onerror=y> *e* _f_\x00\ud800 www.x.org"  # fmt: skip


def report(text="plain"):
  """A report of which every part is there, every number different, and every text `text`."""
  n = iter(range(1001, 10**6, 7))
  one = lambda: next(n)
  histogram = {
    "edges": [one(), one(), one()],
    "counts": [one(), one()],
    "percentiles": {"p5": one(), "p50": one()},
  }
  group = lambda: {
    text: {"rows": one(), "words": one(), "share": 0.6},
    text + "2": {"rows": one(), "words": one(), "share": 0.123},
  }
  return {
    "version": "3f9c1d" + text, "kind": "messages", "created": "2024-05-06T07:08:09", "parent": "77aa" + text,
    "sources": [{"name": text, "path": text, "licence": text, "read": 5_000_000, "bad": one(), "kept": one(), "bytes": 123456},
                {"name": "b", "path": "b.jsonl", "licence": "", "read": 1_000_001, "bad": one(), "kept": one(), "bytes": 5}],
    "bad": [{"place": f"{text}:{i}", "message": text} for i in range(25)],
    "steps": [{"name": text, "in": 6_000_001, "out": 5_999_000, "dropped": {text: 901, "b": 100}, "changed": one(),
               "counts": {text: one()},
               "examples": [{"reason": text, "detail": text, "place": text, "before": text + " was", "after": text + " is"}]},
              {"name": "idle", "in": 5_999_000, "out": 5_999_000, "dropped": {}, "changed": 0, "counts": {}, "examples": []}],
    "duplicates": {"exact": one(), "near": one(), "clusters": one(), "clusters_of": {"2": one(), "17": one()},
                   "similarity": {"edges": [0.8, 0.85, 1.0], "counts": [one(), one()]},
                   "examples": [{"kept": {"place": text, "text": text + " k"}, "removed": {"place": text, "text": text + " r"},
                                 "similarity": 0.876, "why": text}],
                   "against_validation": one(), "straddling": one()},
    "pii": {text: one()}, "secrets": {text: one()},
    "splits": {"train": {"rows": 4_500_000, "words": one(), "tokens": one(), "trained_tokens": one()},
               "validation": {"rows": one(), "words": one(), "tokens": one(), "trained_tokens": one()}},
    "lengths": {"words": histogram, "tokens": histogram},
    "balance": {"source": group(), "category": group(), "template": group(), "length": group()},
    "languages": {"en": one() * 100, "de": one(), text: one()},
    "diversity": {"distinct_1": 0.4321, "rows": one(), "openings": {text: 0.25, "b": 0.125}, "other": {text: one()}},
    "warnings": [text], "samples": [{"split": text, "place": text, "text": text}] * 4,
    "settings": {"a": {"b": one(), text: text}, "c": True}, "seconds": {text: 12.3}, "tokenizer": text,
  }  # fmt: skip


@pytest.fixture
def written(tmp_path):
  """A function that writes a report's card and returns (the page, its tree, the Markdown)."""

  def write(made):
    card.write(made, tmp_path)
    page = (tmp_path / "card.html").read_text("utf-8")
    return page, ElementTree.fromstring(page), (tmp_path / "card.md").read_text("utf-8")

  return write


def numbers(value):
  if isinstance(value, dict):
    value = list(value.values())
  if isinstance(value, (list, tuple)):
    return [n for inner in value for n in numbers(inner)]
  return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def test_every_number_of_the_report_is_shown(written):
  made = report()
  _, tree, markdown = written(made)
  html = " ".join(tree.itertext())
  plain = markdown.replace("\\", "")
  for source in made["sources"]:  # These are said in other words than their digits.
    assert told(source.pop("bytes")) in html
  for groups in made["balance"].values():
    assert all(percent(group.pop("share")) in html for group in groups.values())
  assert [percent(n) in html for n in made["diversity"].pop("openings").values()] == [True, True]
  assert seconds(made.pop("seconds")["plain"]) in html
  assert str(made.pop("settings")["a"]["b"]) in html  # as one writes it in a config
  for n in numbers(made):
    assert re.search(rf"(?<![\d.,]){re.escape(number(n))}(?!\d|[.,]\d)", html), n
    assert re.search(rf"(?<![\d.,]){re.escape(number(n))}(?!\d|[.,]\d)", plain), n


class Elements(HTMLParser):
  """Tags with their attributes as a browser takes them."""

  def __init__(self, page):
    super().__init__()
    self.tags = []
    self.feed(page)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  handle_startendtag = handle_starttag


def test_no_text_of_the_report_is_markup(written):
  page, tree, _ = written(report(EVIL))
  assert "<script" not in page and "<img" not in page and "\x00" not in page
  assert [t for t, _ in Elements(page).tags] == [t for t, _ in Elements(written(report())[0]).tags]
  shown = EVIL.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
  assert [e.text for e in tree.iter("p") if e.get("class") == "text"].count(
    shown
  ) == 4  # the samples


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(written):
  page, _, _ = written(report(EVIL))
  for tag, attributes in Elements(page).tags:
    assert tag not in ("script", "link", "iframe", "object", "embed", "img", "base", "form")
    assert not {"src", "srcset", "style"} & attributes.keys() - (
      {"style"} if tag == "span" else set()
    )
    assert not [a for a in attributes if a.startswith("on")]
    assert attributes.get("href", "#").startswith("#")
  css = re.search(r"<style>(.*)</style>", page, re.DOTALL)[1]
  assert "url(" not in css and "@import" not in css


def test_what_is_drawn_is_also_said(written):
  _, tree, _ = written(report())
  pictures = [e for e in tree.iter("svg") if e.get("aria-hidden") != "true"]
  assert len(pictures) == 3 and all("rows between" in e.get("aria-label") for e in pictures)
  assert all(e.get("role") == "img" for e in pictures)
  for table in tree.iter("table"):
    assert table.find("caption").text and {th.get("scope") for th in table.iter("th")} == {
      "col",
      "row",
    }
  ids = [e.get("id") for e in tree.iter() if e.get("id")]
  assert len(ids) == len(set(ids))
  assert {a.get("href")[1:] for a in tree.iter("a")} <= set(ids)


def test_markdown_shows_text_as_text(written):
  from markdown_it import MarkdownIt

  render = lambda text: (
    MarkdownIt("commonmark", {"html": True}).enable("table").render(text.split("---\n", 2)[2])
  )
  evil, plain = render(written(report(EVIL))[2]), render(written(report())[2])
  tags = lambda html: [t for t, _ in Elements(html).tags if t not in ("strong", "code")]
  assert tags(evil) == tags(plain)
  assert "&lt;script&gt;" in evil and "<script" not in evil and "<a " not in evil


def test_the_header_is_a_hub_s(written):
  made = report()
  made["sources"][0]["licence"] = "CC BY-SA 4.0"
  made["languages"] |= dict.fromkeys(("short", "unknown", "und"), made["languages"]["en"])
  header = yaml.safe_load(written(made)[2].split("---\n")[1])
  assert header == {
    "pretty_name": "plain, b", "license": ["cc-by-sa-4.0", "unknown"], "language": ["en", "plain"][:1],
    "size_categories": ["1M<n<10M"], "task_categories": ["text-generation"],
    "configs": [{"config_name": "default", "data_files": [
      {"split": "train", "path": "data/train-*.parquet"}, {"split": "validation", "path": "data/validation-*.parquet"}]}],
  }  # fmt: skip


def test_datasets_reads_the_folder_by_the_header(tmp_path, monkeypatch):
  datasets = pytest.importorskip("datasets")
  made = report()
  made["languages"] = {}
  card.write(made, tmp_path)
  (tmp_path / "card.md").rename(tmp_path / "README.md")
  for name in ("report", "manifest"):
    (tmp_path / f"{name}.json").write_text(json.dumps({"not": "a row"}))
  (tmp_path / "data").mkdir()
  for split, rows in (("train", ["a", "b"]), ("validation", ["c"])):
    data = datasets.Dataset.from_dict({"text": rows})
    data.to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
  loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
  assert {k: v["text"][:] for k, v in loaded.items()} == {"train": ["a", "b"], "validation": ["c"]}


def test_an_unknown_licence_and_the_report_s_warnings_are_told(written):
  page, _, markdown = written(report())
  assert "2 warnings" in page and "The licence of b is not stated" in page
  assert "The licence of b is not stated" in markdown


def test_the_funnel_adds_up(written):
  """From what was read to what was written, in the order in which rows were lost."""
  made = report()
  made["duplicates"] |= {"exact": 300, "near": 200}
  made["steps"].append(
    {"name": "cap", "in": 77, "out": 0, "dropped": {"over_the_cap": 77}, "changed": 0, "counts": {}}
  )
  _, tree, _ = written(made)
  rows = [["".join(cell.itertext()) for cell in row] for row in tree.find(".//tbody")]
  assert [r[0] for r in rows] == [
    "read",
    "plain",
    "exact duplicates",
    "near duplicates",
    "cap",
    "others",
    "written",
  ]
  left = [int(r[1].replace(",", "")) for r in rows]
  change = [int(r[3].replace(",", "").replace("\u2212", "-") or 0) for r in rows]
  assert left[:5] == [6_000_001, 5_999_000, 5_998_700, 5_998_500, 5_998_423]
  assert left[-1] == sum(s["rows"] for s in made["splits"].values())
  assert [b - a for a, b in zip(left, left[1:], strict=False)] == change[1:]


def test_a_report_may_lack_anything(written):
  written({})
  made = report()
  for key in made:
    written({k: v for k, v in made.items() if k != key})


def test_a_dataset_of_nothing(written):
  written({"sources": [], "splits": {"train": {"rows": 0, "words": 0, "tokens": 0, "trained_tokens": 0}},
           "lengths": {"words": {"edges": [0, 1], "counts": [0], "percentiles": {}}}})  # fmt: skip


def test_white_space_that_differs_is_seen(written):
  made = report()
  made["steps"][0]["examples"][0] |= {
    "before": "one \nand two\u00adthree\u200b",
    "after": "one\nand twothree",
  }
  page, _, markdown = written(made)
  assert '<mark class="gone">\u00b7</mark>' in page and "two[U+00AD]three[U+200B]" in page
  assert "**\u00b7**" in markdown
  assert words.visible("\u200b\t") == "[U+200B]\u21e5" and words.visible("\n") == "\u21b5\n"
  assert words.visible("a b") == "a b"


def test_a_place_is_not_said_twice(written):
  made = report()
  made["bad"] = [{"place": "rows.jsonl:7", "message": "rows.jsonl:7: not JSON."}]
  _, tree, markdown = written(made)
  assert "rows.jsonl:7: not" not in "".join(tree.itertext()) and "rows.jsonl:7: not" not in markdown


def test_preference_pairs_are_trained_on_by_their_chosen_answers(written):
  made = report() | {"kind": "preference"}
  page, _, markdown = written(made)
  for text in (page, markdown):
    assert "--config.data.format=messages" in text and "chosen answer" in text
  assert "--config.data.format" not in written(report())[0]


def test_figures_say_what_they_are_of(written):
  """Words of answers, rounded percentiles, languages before duplicates went."""
  made = report()
  made["lengths"]["words"] = {"edges": [1, 2, 999], "counts": [3, 4], "percentiles": {"p5": 17, "p95": 1344, "max": 1400}}  # fmt: skip
  _, tree, _ = written(made)
  text = "".join(tree.itertext())
  assert "p5 17, p95 about 1,344, max 1,400" in text
  assert "words of answers" in text and "duplicates included" in text
  text = "".join(written(made | {"kind": "text"})[1].itertext())
  assert "words of answers" not in text
