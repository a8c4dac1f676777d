"""Laws of the text behind the starter model; each was seen to fail once, with the code broken."""

import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

import ftjax
from ftjax.research.starter import build, general
from ftjax.research.starter.documents import Subject, documents
from ftjax.research.starter.general import write_general
from ftjax.research.starter.quickstart import COUNT, quickstart_rows, write_quickstart
from ftjax.research.starter.tokenizer import train_tokenizer
from ftjax.research.starter.writer import Writer, article, finish

ASSET = Path(__file__).parents[2] / "ftjax" / "assets" / "quickstart.jsonl"
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def sentences(text: str) -> list[str]:
  return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]


@pytest.fixture(scope="module")
def base() -> list[str]:
  return list(documents(seed=7, count=5_000))


@pytest.fixture(scope="module")
def prose() -> list[str]:
  """What stands below a brief."""
  return [Subject(w, 2, 6).text(w) for w in map(Writer, map(str, range(5_000)))]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
  return quickstart_rows()


def test_a_seed_names_a_text():
  first = list(documents(3, 50))
  assert first == list(documents(3, 50))
  assert first == list(islice(documents(3, 90), 50))
  assert not set(first) & set(documents(4, 50))


def test_the_seed_holds_in_another_process():
  code = "from ftjax.research.starter.documents import documents as d; print(list(d(3, 5)))"
  # A hash seed of its own: the text may not depend on the order of a set.
  ran = subprocess.run(
    [sys.executable, "-c", code],
    env={"PYTHONHASHSEED": "12", "PYTHONPATH": str(Path(__file__).parents[2])},
    capture_output=True, text=True, check=True,
  )  # fmt: skip
  assert ran.stdout == f"{list(documents(3, 5))}\n"


def test_no_value_can_be_learnt_by_heart(base):
  """Of 5,000 subjects, hardly two share a name or a feature."""
  names, features = [], []
  for index in range(5_000):
    subject = Subject(Writer(f"test {index}"), 1, 4)
    names.append(subject.values[0])
    features += [
      value for key, value in subject.rows if key in ("feature", "detail", "comes with", "special")
    ]
  assert len(set(names)) > 0.98 * len(names)
  assert len(features) > 500 and len(set(features)) > 0.95 * len(features)
  assert len(set(base)) > 0.999 * len(base)


def test_articles_agree_with_the_next_word(prose, rows):
  sounds_like_vowel = re.compile(r"(?!uni|use|usual|one\b|once|euro)[aeiou]|hour|honest|8|1[18]\b")
  found = 0
  for text in prose + [row["completion"] for row in rows]:
    for word, after in re.findall(r"\b([Aa]n?) ([\w-]+)", text):
      found += 1
      vowel = bool(sounds_like_vowel.match(after.lower()))
      assert (word.lower() == "an") == vowel, f"{word} {after}: {text}"
  assert found > 1_000


@pytest.mark.parametrize(
  "word, expected",
  [("apple", "an"), ("hour", "an"), ("useful", "a"), ("one", "a"), ("18", "an"), ("80", "an"),
   ("180", "a"), ("Ulford", "an"), ("house", "a"), ("11", "an"), ("110", "a")],
)  # fmt: skip
def test_article(word, expected):
  assert article(word) == expected


def test_prose_is_whole(prose, rows):
  """No piece of a template shows, and every sentence begins with a capital."""
  leftover = re.compile(
    r"[{}\[\]|<]| ,| \.|\.\.|,,|\.,|!\.|\?\.|\S  |None|\ba a\b|\bthe the\b|[a-z]{2}[.!?] [a-z]"
  )
  for text in prose + [row["completion"] for row in rows]:
    assert not (match := leftover.search(text)), f"{match[0]!r} in {text}"
    assert text == text.strip()


def test_every_fact_above_is_said_below():
  """The layout that fine-tuning relies on: the text says every value word for word."""
  for index in range(1_500):
    w = Writer(f"test {index}")
    subject = Subject(w, 2, 6)
    text = subject.text(w).lower()
    for value in subject.values:
      assert value.lower() in text, (value, text)


def test_an_unknown_fact_is_an_error():
  with pytest.raises(KeyError, match="colour"):
    Writer("x").fill("it is {colour}.", {})


def test_numbers_agree():
  w = Writer("x")
  one, several = {"plural": "", "kind": "lamp"}, {"plural": "pair", "kind": "boots"}
  assert w.fill("the {kind} <is/are> here.", one) == "the lamp is here."
  assert w.fill("the {kind} <is/are> here.", several) == "the boots are here."
  assert finish("a owl and a  horse . it saw a hour") == "An owl and a horse. It saw an hour"


def test_quickstart_is_small_and_in_form(rows):
  assert len(rows) == COUNT == len({row["prompt"] for row in rows})
  assert len({row["completion"] for row in rows}) == COUNT
  assert ASSET.stat().st_size < 1_000_000
  for row in rows:
    assert set(row) == {"prompt", "completion"}
    assert len(row["prompt"].split()) <= 40 and 25 <= len(row["completion"].split()) <= 60
    assert row["prompt"] == row["prompt"].strip() and row["completion"] == row["completion"].strip()


def facts_of(row: dict[str, str]) -> dict[str, str]:
  return dict(field.split(": ", 1) for field in row["prompt"].split(" | "))


def test_quickstart_copy_says_every_fact_of_its_brief_word_for_word(rows):
  sign_offs: dict[str, set[str]] = {}
  for row in rows:
    facts = facts_of(row)
    tone = facts.pop("tone")
    assert set(facts) == {"product", "price", "for", "feature"}
    for fact in facts.values():
      # A price that is the start of a longer one (£4 in £45 or £4.50) would be another fact.
      assert re.search(rf"(?<![\w£]){re.escape(fact)}(?!\w|\.\d)", row["completion"]), (fact, row)
    sign_offs.setdefault(tone, set()).add(" ".join(sentences(row["completion"])[-2:]))
  assert len(sign_offs) == 4 and all(len(each) == 1 for each in sign_offs.values())


def test_quickstart_holds_out_what_training_has_not_seen(rows):
  """No two briefs share a name's first word or a feature: a held-out one can only be copied."""
  assert len({facts_of(row)["product"].split()[0] for row in rows}) == COUNT
  assert len({facts_of(row)["feature"] for row in rows}) == COUNT


def test_quickstart_voice_is_news_to_the_base(base, rows):
  voice = {s for row in rows for s in sentences(row["completion"]) if not s.startswith("£")}
  known = {sentence for document in base for sentence in sentences(document)}
  assert not voice & known
  assert not any("product: " in d and "tone: " in d for d in base)
  # Nor are its names.
  assert not {facts_of(row)["product"] for row in rows} & {
    d for each in base for d in each.split("\n")
  }


def test_the_committed_quickstart_is_what_the_generator_writes(tmp_path):
  write_quickstart(tmp_path / "rows.jsonl")
  assert ASSET.read_bytes() == (tmp_path / "rows.jsonl").read_bytes(), (
    f"quickstart.write_quickstart({str(ASSET)!r}) brings the file up to date"
  )
  assert [json.loads(line) for line in ASSET.read_text("utf-8").splitlines()] == quickstart_rows()


@pytest.fixture(scope="module")
def tokenizer(base, tmp_path_factory):
  folder = tmp_path_factory.mktemp("tokenizer")
  return train_tokenizer(base[:4_000], 2048, folder), folder


AWKWARD = [
  "", " ", "  two leading spaces", "trailing  \n\n", "\ttab\r\nline", "naïve façade £9 €8", "日本語",
  "👩‍🚀🦊",
  "a , b .. ' c's don't", "\u00a0\u200b\ufeff", "مرحبا", "9 am", "\x00\x7f", "A&B <b> |x|",
]  # fmt: skip


def test_tokenizer_gives_back_every_text(tokenizer, base):
  trained, _ = tokenizer
  w = Writer("unicode")
  ranges = ((32, 126), (160, 0x24F), (0x370, 0x52F), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF))
  random = ["".join(chr(w.number(*w.pick(ranges))) for _ in range(24)) for _ in range(200)]
  for text in AWKWARD + random + base[:100]:
    ids = trained.encode(text)
    assert ids[0] == trained.bos_token_id and trained.eos_token_id not in ids
    assert trained.bos_token_id not in ids[1:]
    assert trained.encode(text, add_special_tokens=False) == ids[1:]
    assert trained.decode(ids[1:]) == text == trained.decode(ids, skip_special_tokens=True)


def test_tokenizer_form(tokenizer, base):
  trained, folder = tokenizer
  assert len(trained) == 2048 and trained.chat_template is None
  assert (trained.bos_token, trained.eos_token) == ("<|begin|>", "<|end|>")
  assert trained.pad_token == "<|pad|>"
  assert len({trained.bos_token_id, trained.eos_token_id, trained.pad_token_id}) == 3
  assert trained.tokenize("1234") == ["1", "2", "3", "4"]
  assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
  text = "\n".join(base[:500])
  assert len(text) / len(trained.tokenize(text)) > 2.7


def test_tokenizer_is_the_same_every_time(tokenizer, base, tmp_path):
  _, folder = tokenizer
  train_tokenizer(base[:4_000], 2048, tmp_path)
  for path in folder.iterdir():
    assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_tokenizer_loads_offline_in_a_fresh_process(tokenizer):
  trained, folder = tokenizer
  text = "  The Fox lamp costs £24.50.\n\n🦊 "
  code = (
    "import sys; from transformers import AutoTokenizer; "
    "t = AutoTokenizer.from_pretrained(sys.argv[1]); i = t.encode(sys.argv[2]); "
    "assert t.decode(i[1:]) == sys.argv[2]; print(i, t.chat_template)"
  )
  ran = subprocess.run(
    [sys.executable, "-c", code, str(folder), text],
    env={"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "HOME": str(folder)},
    capture_output=True, text=True, check=True,
  )  # fmt: skip
  assert ran.stdout == f"{trained.encode(text)} None\n"


def test_the_committed_general_text_is_what_the_generator_writes(tmp_path):
  write_general(tmp_path / "general.jsonl")
  asset = ASSET.with_name("general.jsonl")
  assert asset.read_bytes() == (tmp_path / "general.jsonl").read_bytes(), (
    f"general.write_general({str(asset)!r}) brings the file up to date"
  )
  assert general.SEED not in (build.SEED, build.VALIDATION_SEED)


def test_the_shipped_model_has_the_shape_that_is_built():
  """Another shape or another text needs a new model: python scripts/make_starter.py"""
  shipped = json.loads((ASSET.with_name("starter") / "config.json").read_text("utf-8"))
  assert shipped["dtype"] == "bfloat16" and shipped | build.SHAPE == shipped


@pytest.mark.slow
def test_the_shipped_model_says_again_what_stands_above():
  """Names, prices and features that it has never seen; it fails with a model that cannot copy."""
  subjects = [Subject(Writer(f"unseen {index}"), 2, 4) for index in range(400)]
  some = [s for s in subjects if {"price", "feature"} & set(s.keys)][:32]
  briefs = ["; ".join(f"{key}: {value}" for key, value in s.rows) + "\n" for s in some]
  texts = ftjax.load("starter").generate(briefs, max_new_tokens=96)
  said = [
    value.lower() in text.lower() for s, text in zip(some, texts, strict=True) for value in s.values
  ]
  assert sum(said) > 0.7 * len(said)
