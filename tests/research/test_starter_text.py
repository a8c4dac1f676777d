"""Laws of the text behind the starter model; each was seen to fail once, with the code broken."""

import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from ftjax.research.starter import build, general
from ftjax.research.starter.documents import REGISTERS, documents
from ftjax.research.starter.general import write_general
from ftjax.research.starter.notations import facts_then_text
from ftjax.research.starter.quickstart import quickstart_rows, write_quickstart
from ftjax.research.starter.tokenizer import train_tokenizer
from ftjax.research.starter.writer import Writer, article, finish, topics_of

ASSET = Path(__file__).parents[2] / "ftjax" / "assets" / "quickstart.jsonl"
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def sentences(text: str) -> list[str]:
  return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]


@pytest.fixture(scope="module")
def base() -> list[str]:
  return list(documents(seed=7, count=20_000))


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


def test_sentences_differ(base):
  """Over 60,000 distinct sentences of four words and more in 20,000 documents, none too common."""
  counts: dict[str, int] = {}
  for document in base:
    for sentence in sentences(document):
      if len(sentence.split()) >= 4:
        counts[sentence] = counts.get(sentence, 0) + 1
  assert len(counts) > 60_000
  assert max(counts.values()) < 400
  assert len(set(base)) > 0.999 * len(base)


def test_skeletons_differ(base):
  """Names and numbers aside, there are still over 45,000 ways of saying things."""
  masked = {re.sub(r"\b[A-Z][a-z]+|\d+", "X", s[:1].lower() + s[1:])
            for document in base for s in sentences(document)}  # fmt: skip
  assert len(masked) > 45_000


def test_lengths_and_words_stay_small(base):
  lengths = sorted(len(document.split()) for document in base)
  assert lengths[0] >= 8 and lengths[len(lengths) // 20] >= 20 and lengths[-1] <= 260
  words = {word for document in base for word in re.findall(r"\b[a-z]{2,}\b", document)}
  assert 1_500 < len(words) < 4_000


def test_articles_agree_with_the_next_word(base, rows):
  sounds_like_vowel = re.compile(r"(?!uni|use|usual|one\b|once|euro)[aeiou]|hour|honest|8|1[18]\b")
  found = 0
  for text in base + [row["completion"] for row in rows]:
    for word, after in re.findall(r"\b([Aa]n?) ([\w-]+)", text):
      found += 1
      vowel = bool(sounds_like_vowel.match(after.lower()))
      assert (word.lower() == "an") == vowel, f"{word} {after}: {text}"
  assert found > 10_000


@pytest.mark.parametrize(
  "word, expected",
  [("apple", "an"), ("hour", "an"), ("useful", "a"), ("one", "a"), ("18", "an"), ("80", "an"),
   ("180", "a"), ("Ulford", "an"), ("house", "a"), ("11", "an"), ("110", "a")],
)  # fmt: skip
def test_article(word, expected):
  assert article(word) == expected


def test_no_template_shows_through(base, rows):
  leftover = re.compile(
    r"[{}\[\]|<]| ,| \.|\.\.|,,|\.,|!\.|\?\.|\S  |None|\ba a\b|\bthe the\b", re.I
  )
  for text in base + [row["completion"] for row in rows]:
    assert not (match := leftover.search(text)), f"{match[0]!r} in {text}"
    assert text == text.strip()


def test_prose_starts_with_capitals(base):
  for document in base:
    assert not re.search(r"[a-z]{2}[.!?] [a-z]", document), document


def test_every_fact_above_is_said_below():
  """The layout that fine-tuning relies on: the paragraph says the name and every fact listed."""
  for index in range(1_500):
    w = Writer(f"test {index}")
    draw, table = w.pick(REGISTERS)
    facts, topics = draw(w), w.sample(topics_of(table), 5)
    text = facts_then_text(w, table, facts, topics).lower()
    shown = [facts[topic] for topic in topics if topic in facts]
    for fact in (facts["name"], *shown):
      if fact != "free":  # Said in several ways.
        bare = re.sub(r"^(an?|the) ", "", fact.lower())
        assert text.count(bare) >= 2, (fact, text)


def test_an_unknown_fact_is_an_error():
  with pytest.raises(KeyError, match="colour"):
    Writer("x").fill("it is {colour}.", {})


def test_numbers_agree():
  w = Writer("x")
  one, several = {"plural": "", "kind": "lamp"}, {"plural": "pair", "kind": "boots"}
  assert w.write("the {kind} <is/are> here.", one) == "The lamp is here."
  assert w.write("the {kind} <is/are> here.", several) == "The boots are here."
  assert finish("a owl and a  horse . it saw a hour") == "An owl and a horse. It saw an hour"


def test_quickstart_is_small_and_in_form(rows):
  assert len(rows) == 480
  briefs = [row["prompt"] for row in rows]
  assert len(set(briefs)) == 160 and all(briefs.count(brief) == 3 for brief in set(briefs))
  assert len({row["completion"] for row in rows}) == 480
  for row in rows:
    assert set(row) == {"prompt", "completion"}
    assert len(row["prompt"].split()) <= 40 and 25 <= len(row["completion"].split()) <= 60
    assert row["prompt"] == row["prompt"].strip() and row["completion"] == row["completion"].strip()


def test_quickstart_copy_says_every_fact_of_its_brief(rows):
  sign_offs: dict[str, set[str]] = {}
  for row in rows:
    facts = dict(field.split(": ", 1) for field in row["prompt"].split(" | "))
    tone = facts.pop("tone")
    assert set(facts) == {"product", "price", "for", "feature"}
    for fact in facts.values():
      assert fact.lower() in row["completion"].lower(), (fact, row)
    # A price that is the start of a longer one (£4 in £45) would be another fact.
    assert re.search(rf"{facts['price']}(?!\d)", row["completion"])
    sign_offs.setdefault(tone, set()).add(" ".join(sentences(row["completion"])[-2:]))
  assert len(sign_offs) == 4 and all(len(each) == 1 for each in sign_offs.values())


def test_quickstart_voice_is_news_to_the_base(base, rows):
  voice = {sentence for row in rows for sentence in sentences(row["completion"])}
  known = {sentence for document in base for sentence in sentences(document)}
  assert not voice & known
  assert not any(re.search(r"\|", document) for document in base)


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
  assert len(text) / len(trained.tokenize(text)) > 3.0


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
