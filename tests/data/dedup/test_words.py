"""Words, shingles and their hashes, against the same done one by one in Python."""

import re
import unicodedata

import numpy as np
import pytest

from ftjax.data.dedup import words as words_module
from ftjax.data.dedup.hashing import segments, sequences, windows
from ftjax.data.dedup.words import words

PIECES = ["Abc", "der", "7", "x1", "Straße", "ÉTÉ", "ok", "नमस्ते", "mañana", "A" * 40]


def hashes(text: str) -> list[int]:
  flat, counts = words([text])
  assert counts.tolist() == [len(flat)]
  return flat.tolist()


def random_texts(number: int, seed: int = 0) -> list[str]:
  random = np.random.default_rng(seed)
  draw = lambda: [PIECES[i] for i in random.integers(0, len(PIECES), random.integers(0, 30))]
  gaps = [" ", ", ", ". ", " - ", "\n", "\0"]
  return ["".join(p + gaps[random.integers(len(gaps))] for p in draw()) for _ in range(number)]


@pytest.mark.parametrize(
  "one, other",
  [
    ("Hello, world!", "hello world"),
    ("don't  stop", "DON\u2019T\tSTOP"),
    ("Straße", "STRASSE"),
    ("caf\u00e9", "cafe\u0301"),
    ("\ufb01ne \u2460", "fine 1"),
    ("soft\u00adware", "software"),
    ("(a) b/c", "a b c"),
  ],
)
def test_case_form_and_punctuation_do_not_count(one, other):
  assert hashes(one) == hashes(other)


@pytest.mark.parametrize(
  "one, other",
  [("a b", "ab"), ("1.5", "15"), ("ab", "ba"), ("नमस्ते", "नमसत"), ("?!", ":-)"), ("a", "aa")],
)
def test_other_words_are_other_words(one, other):
  assert hashes(one) != hashes(other)


def test_words_are_those_that_python_finds():
  texts = random_texts(300)
  flat, counts = words(texts)
  fold = lambda t: unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", t).casefold())
  found = [w for t in texts for w in re.findall(r"[^\s,.\-\0]+", fold(t))]
  ids = {w: i for i, w in enumerate(dict.fromkeys(found))}
  _, first, inverse = np.unique(flat, return_index=True, return_inverse=True)
  order = np.argsort(np.argsort(first))
  assert counts.sum() == len(found)
  assert order[inverse].tolist() == [ids[w] for w in found]


def test_a_texts_words_depend_on_no_neighbour(monkeypatch):
  texts = random_texts(100) + ["plain ascii"]
  together = words(texts)
  alone = [words([t])[0] for t in texts]
  np.testing.assert_array_equal(together[0], np.concatenate(alone))
  monkeypatch.setattr(words_module, "_BLOCK", 600)
  for found, expected in zip(words(texts), together, strict=True):
    np.testing.assert_array_equal(found, expected)


def test_a_long_text_is_cut_between_words(monkeypatch):
  texts = [" ".join(random_texts(30, i)).replace("\0", " ").replace("\n", " ") for i in range(5)]
  whole = words(texts)
  monkeypatch.setattr(words_module, "_BLOCK", 150)
  for found, expected in zip(words(texts), whole, strict=True):
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", ["你好，世界", "ひらがな", "สวัสดี", "\U00020000\U00020001"])
def test_scripts_without_spaces_count_characters(text):
  assert len(hashes(text)) == sum(c.isalnum() or unicodedata.category(c)[0] == "M" for c in text)


def test_korean_has_words():
  assert len(hashes("한국어 문장")) == 2


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
def test_blank_texts_have_no_words(text):
  assert hashes(text) == []


def test_lone_surrogates_are_words_of_their_own_kind():
  assert hashes("a\ud800b") == hashes("a b")


def test_a_hash_is_the_same_on_every_machine():
  """Golden: sketches of older versions are compared with those of new rows."""
  assert hashes("Hello, 世界 don't") == [
    0xC85A017BC5B3895D,
    0xFF09CB2A2BA152E9,
    0x111E72BDEC626B77,
    0xA497535C15CE2A47,
  ]


def test_segments_hash_what_they_hold():
  random = np.random.default_rng(0)
  codes = random.integers(2, 9, 4000).astype(np.uint8)
  starts = random.integers(0, 3990, 3000)
  ends = starts + random.integers(1, 6, 3000)
  found = segments(codes, starts, ends)
  names = [codes[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]
  assert (
    len(set(names)) == len(set(found.tolist())) == len(set(zip(names, found.tolist(), strict=True)))
  )


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_windows_are_runs_of_words_within_a_row(size):
  random = np.random.default_rng(size)
  counts = random.integers(0, 8, 200)
  flat = random.integers(0, 5, counts.sum()).astype(np.uint64)
  found, number = windows(flat, counts, size)
  rows = np.split(flat, np.cumsum(counts)[:-1])
  runs = [
    tuple(r[i : i + size].tolist())
    for r in rows
    for i in range(len(r) and max(1, len(r) - size + 1))
  ]
  assert number.sum() == len(runs) == len(found)
  short = {r: (*r, *[-1] * (size - len(r))) for r in set(runs)}
  pairs = set(zip(map(short.get, runs), found.tolist(), strict=True))
  assert len(pairs) == len(set(runs))


def test_sequences_hash_all_words_in_their_order():
  flat = np.array([1, 2, 3, 1, 2, 3, 3, 2, 1, 1, 2], np.uint64)
  found = sequences(flat, np.array([3, 0, 3, 3, 2]))
  same = lambda i, j: (found[i] == found[j]).all()
  assert same(0, 2) and not found[1].any()
  assert not any(same(i, j) for i, j in [(0, 3), (0, 4), (3, 4)])
