"""What a preparation refuses, warns of and shows, each in one message."""

import dataclasses
import inspect
import re

import pytest

from ftjax import preparation
from ftjax.config import InputError
from ftjax.data.clean import quality
from ftjax.data.curate import commands, excerpt
from ftjax.data.example import Example
from tests.data.prepared import document, near, prepare, texts, write


def test_sources_of_two_kinds_are_refused(tmp_path):
  a = write(tmp_path / "a.jsonl", [document(1)])
  b = write(tmp_path / "b.jsonl", [{"prompt": "Say.", "completion": document(2)}])
  with pytest.raises(InputError, match=r"a.jsonl.* is text; .*b.jsonl.* is messages.*rows: title"):
    prepare([str(a), str(b)], tmp_path / "out")
  assert not (tmp_path / "out" / "versions").exists()


def test_sources_of_two_kinds_are_refused_before_the_rest_is_read(tmp_path):
  kinds = [{"text": document(1)}, {"prompt": "Say.", "completion": document(2)}]
  paths = [write(tmp_path / f"{i}.jsonl", [kinds[i == 1]]) for i in range(3)]
  with pytest.raises(InputError, match="disagree"):
    prepare([str(p) for p in paths], tmp_path / "out")
  assert not list((tmp_path / "out" / "work").glob("*/000003*"))


@pytest.mark.parametrize("name", ["alpaca", "openai"])
def test_a_format_that_cannot_say_documents_is_refused_at_once(source, tmp_path, name):
  with pytest.raises(InputError, match=f"docs.jsonl:1: a document .*{name} "):
    prepare(source, tmp_path / "out", write__formats=name)
  assert not list((tmp_path / "out" / "work").glob("*/0*"))


def test_one_row_that_a_format_cannot_say_leaves_the_format_out(tmp_path):
  """Known only at the end of hours of work: the version stands, and the row is named."""
  say = lambda *turns: {
    "messages": [dict(zip(("role", "content", "weight"), t, strict=False)) for t in turns]
  }
  good = [say(("user", f"Say {i}."), ("assistant", document(i))) for i in range(3)]
  odd = say(("user", "a"), ("assistant", "No.", 0), ("user", "b"), ("assistant", document(9), 1))
  path = write(tmp_path / "m.jsonl", [*good, odd])
  version = prepare(path, tmp_path / "out", write__formats="alpaca,openai", split__validation=0)
  told = [w for w in version.report["warnings"] if "alpaca was not written" in w]
  assert len(told) == 1 and f"{path}:4: " in told[0]
  assert not (version.folder / "alpaca").exists() and version.check()
  assert len((version.folder / "openai" / "train.jsonl").read_text().splitlines()) == 4
  assert "was not written" in (version.folder / "card.html").read_text("utf-8")
  again = prepare(path, tmp_path / "out", write__formats="alpaca,openai", split__validation=0)
  assert again.hash == version.hash and again.check(), "the same command ends as well as before"
  assert not (version.folder / "alpaca").exists()


def test_a_source_that_gave_nothing_is_a_warning(tmp_path):
  good = write(tmp_path / "good.jsonl", [document(i) for i in range(3)])
  (tmp_path / "broken.jsonl").write_text("{\n{\n")
  version = prepare([str(good), str(tmp_path / "broken.jsonl")], tmp_path / "out")
  told = " ".join(version.report["warnings"])
  assert (
    "Nothing could be read of the source broken" in told and "broken.jsonl:1: not valid" in told
  )
  assert "source good" not in told
  lines = commands.bad_lines(version.report | {"bad": version.report["bad"] * 3})
  assert len(lines) == 3 and lines[0].startswith("bad ") and "broken.jsonl:1" in lines[0]
  many = version.report | {"sources": [{"bad": 9}]}
  assert commands.bad_lines(many)[-1].strip() == "and 7 more: see the card"
  assert commands.bad_lines(many | {"sources": [{"bad": 0}], "bad": []}) == []


def test_a_change_far_into_a_text_is_shown():
  text = "word " * 9000
  found = excerpt.pair(Example(text + "x y."), Example(text + "z y."))
  assert found["before"].endswith("word x y.") and found["after"].endswith("word z y.")
  assert len(found["before"]) <= 300


def test_the_rows_that_are_shown_are_not_the_first_ones(tmp_path):
  path = write(tmp_path / "many.jsonl", [document(i) for i in range(40)])
  shown = lambda v: [s["place"] for s in v.report["samples"]]
  version = prepare(path, tmp_path / "out", split__validation=0)
  rows_ = [int(place.rpartition(":")[2]) for place in shown(version)]
  assert len(rows_) == 4 and rows_ == sorted(rows_) and rows_ != [1, 2, 3, 4]


def test_exact_pairs_fill_the_room_that_near_ones_leave(tmp_path):
  docs = [document(i) for i in range(8)]
  path = write(tmp_path / "twice.jsonl", [*docs, *(d.upper() for d in docs), near(docs[0])])
  version = prepare(path, tmp_path / "out", card__examples=6)
  pairs = version.report["duplicates"]["examples"]
  assert len(pairs) == 6 and sum(p["similarity"] < 1 for p in pairs) == 2


def test_nothing_left_says_what_left_it_out(tmp_path):
  (tmp_path / "bad.jsonl").write_text("{\n")
  path = write(tmp_path / "short.jsonl", ["One.", "Two."])
  with pytest.raises(InputError, match=r"quality dropped 2.*bad.jsonl:1: not valid JSON"):
    prepare([str(path), str(tmp_path / "bad.jsonl")], tmp_path / "out2")
  with pytest.raises(InputError, match=r"No row is left: 2 were read.*quality"):
    prepare(path, tmp_path / "out")


def test_a_filter_that_drops_many_rows_names_its_key(tmp_path):
  again = " ".join([document(0, 2)] * 3)  # a third of it is new
  path = write(tmp_path / "a.jsonl", [document(i) for i in range(8)] + [again, "Short."])
  version = prepare(path, tmp_path / "out", quality__max_duplicate_5gram=0.3)
  told = [w for w in version.report["warnings"] if w.startswith("quality dropped")]
  assert not told, "one of ten for a reason is no more than a tenth"
  path = write(tmp_path / "a.jsonl", [document(i) for i in range(8)] + [again, again + " So."])
  version = prepare(path, tmp_path / "two")
  (told,) = [w for w in version.report["warnings"] if w.startswith("quality dropped")]
  assert "quality dropped 2 of 10 rows (20%) as duplicate_5gram, such as one with 0.6" in told
  assert told.endswith("to keep such rows, raise quality.max_duplicate_5gram.")
  assert "max_duplicate_5gram" in (version.folder / "card.html").read_text("utf-8")
  kept = prepare(path, tmp_path / "kept", quality__max_duplicate_5gram=1.0, quality__max_duplicate_10gram=1.0,
                 dedup__near=False)  # fmt: skip
  assert not [w for w in kept.report["warnings"] if "duplicate_5gram" in w], "the advice works"


def test_every_reason_of_the_quality_rules_has_its_key():
  source = inspect.getsource(quality)
  reasons = set(re.findall(r'(?:Drop|_most|_least)\(\s*"(\w+)"', source)) - {"empty"}
  assert reasons == set(quality.KEYS)
  assert set(quality.KEYS.values()) <= {f.name for f in dataclasses.fields(quality.Quality)}


def test_a_split_without_rows_is_a_warning(tmp_path):
  version = prepare(write(tmp_path / "one.jsonl", [document(1)]), tmp_path / "out")
  assert "No row fell to validation" in " ".join(version.report["warnings"])


BAD = {
  "split__validation": (1.5, "split.validation=1.5"),
  "run__memory": ("lots", "run.memory='lots' is not a size"),
  "write__formats": ("jsonl,alpacca", "Did you mean 'alpaca'"),
  "run__engine": ("locall", "Did you mean 'local'"),
  "output": ("", "output is empty"),
  "card__tokenizer": ("/nowhere", "card.tokenizer='/nowhere' is neither a folder"),
  "sources": ("nowhere/*.jsonl", "nowhere"),
}


@pytest.mark.parametrize("key", BAD)
def test_bad_settings_are_one_message(source, tmp_path, key):
  value, message = BAD[key]
  with pytest.raises(InputError, match=message):
    prepare(**{"sources": source, "output": tmp_path / "out", key: value})


def test_a_misspelt_key_of_a_mapping_is_named(tmp_path):
  with pytest.raises(InputError, match=r"dedup.treshold does not exist. Did you mean 'threshold'"):
    preparation.prepare({"sources": "a", "output": str(tmp_path), "dedup": {"treshold": 0.7}})


def test_the_hidden_key_is_kept_nowhere(tmp_path):
  path = write(tmp_path / "a.jsonl", [document(i) + " Write to ann@example.org." for i in range(9)])
  version = prepare(path, tmp_path / "out", pii__email="hash", pii__key="pepper-and-salt")
  assert "[EMAIL:" in texts(version)[0]
  for file in version.output.rglob("*"):
    assert file.is_dir() or b"pepper" not in file.read_bytes(), file
    assert file.is_dir() or file.suffix != ".json" or b"ann@" not in file.read_bytes(), file
