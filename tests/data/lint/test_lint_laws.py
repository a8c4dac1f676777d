"""Laws of checking and mending: whatever is broken, a sound file comes out; what is sound is not touched."""

import json
import random
from pathlib import Path

import pytest

from ftjax.config import InputError
from ftjax.data import read
from ftjax.data.lint import check, tolerant
from tests.data.lint.mending import ASK, good, mend, turns

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def sound(rng):
  """A row that is right, written in one of many ways."""
  words = lambda: " ".join(
    rng.choice(
      ["fish", "it's", 'a "b"', "c,", "{d}", "[e]", "\u00fc", "\n", "\\", ":", "\U0001f41f"]
    )
    for _ in range(rng.randint(1, 8))
  )
  texts = [("q" + words() + "q", "a" + words() + "a") for _ in range(rng.randint(1, 3))]
  messages = [
    {"role": r, "content": c} for q, a in texts for r, c in (("user", q), ("assistant", a))
  ]
  if rng.random() < 0.3:
    messages = [{"role": "system", "content": "s" + words()}, *messages]
  text = json.dumps({"messages": messages, "n": rng.random()}, ensure_ascii=rng.random() < 0.5)
  return " " * rng.randint(0, 2) + text + rng.choice(["", " ", "\r"]) + "\n"


def spoil(text, rng):
  for _ in range(rng.randint(1, 3)):
    i = rng.randrange(len(text))
    cut = rng.choice([1, 1, 1, 10])
    new = rng.choice(
      ["", "", ",", '"', "'", "\\", "{", "]", "\n", "NaN", "None", "\x00", "\ud83d", "x"]
    )
    text = text[:i] + new + text[i + cut :]
  return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_broken_the_mended_file_is_sound(tmp_path, seed):
  """And rows that were right come through byte for byte, in their order."""
  rng = random.Random(seed)
  pieces = [
    sound(rng).encode() if rng.random() < 0.7 else spoil(sound(rng), rng) for _ in range(12)
  ]
  mend(tmp_path, b"".join(pieces))


@pytest.mark.parametrize("seed", range(10))
def test_sound_rows_are_not_touched(tmp_path, seed):
  rng = random.Random(seed)
  rows = [sound(rng) for _ in range(20)]
  bad = [turns(ASK, ("assistant", f"a{i}"))[:-1] + ",}\n" for i in range(5)]
  mixed = [*rows, *bad]
  rng.shuffle(mixed)
  path, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
  path.write_text("".join(mixed), newline="")
  found = check(str(path), str(out))
  lines = out.read_bytes().splitlines(keepends=True)
  assert [line for line in lines if line.decode() in rows] == [
    r.encode() for r in mixed if r in rows
  ]
  assert found.changed == 5 and found.written == 25
  again = tmp_path / "again.jsonl"
  check(str(out), str(again))
  assert again.read_bytes() == out.read_bytes()


def test_the_file_itself_is_never_written(tmp_path):
  path = tmp_path / "rows.jsonl"
  path.write_text(good(1))
  with pytest.raises(InputError, match="never changed. Name another"):
    check(str(path), str(path))
  (tmp_path / "link.jsonl").symlink_to(path)
  with pytest.raises(InputError, match="never changed"):
    check(str(path), str(tmp_path / "link.jsonl"))


def test_formats_that_are_right_have_nothing_wrong(tmp_path):
  for rows in (
    [{"text": "A document.\n"}],
    [{"prompt": "a", "completion": " b"}],
    [{"instruction": "a", "input": "", "output": "b"}, {"instruction": "a", "input": "c", "output": "b", "history": [["x", "y"]]}],
    [{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}],
    [{"prompt": "a", "chosen": "b", "rejected": "c"}],
    [{"input": {"messages": [{"role": "user", "content": "a"}]}, "preferred_output": [{"role": "assistant", "content": "b"}],
      "non_preferred_output": [{"role": "assistant", "content": "c"}]}],
    [{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}],
    [{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b", "weight": 1}]}],
  ):  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert [str(p) for p in check(str(path))] == []


@pytest.mark.parametrize(
  "name", ["alpaca_en_demo.json", "c4_demo.jsonl", "e2e_devset.csv", "dpo_en_demo.json"]
)
def test_real_files(tmp_path, name):
  """No error in files that train, and a mended copy that is read."""
  if not (SHARED / name).is_file():
    pytest.skip(f"needs shared/data/{name}")
  out = tmp_path / "out.jsonl"
  found = check(str(SHARED / name), str(out))
  if name != "e2e_devset.csv":  # whose columns have names of their own
    assert found.written + len(found.left_out) == found.rows == len(read.read(str(SHARED / name)))


def test_tolerant_reading_agrees_with_json():
  for value in ({}, [], {"a": [1, -2.5e3, True, None, 'x\\"\n\u2028']}, [{"b": {"c": []}}]):
    for text in (
      json.dumps(value),
      json.dumps(value, indent=1),
      json.dumps(value, ensure_ascii=False),
    ):
      assert tolerant.parse(text) == ([value], [])
