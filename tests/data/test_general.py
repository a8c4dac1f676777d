"""General text: what is measured is never replayed, and replay has the share that was asked for."""

import json

import numpy as np
import pytest

from ftjax.batch import GENERAL
from ftjax.config import InputError
from ftjax.data import general, loader
from ftjax.data.encode import Rows
from ftjax.data.general import Replay

SETTINGS = dict(max_length=32, overlong="auto", template="auto", train_on="responses")


def write(path, count, seed=0):
  rng = np.random.default_rng(seed)
  rows = [rng.integers(1, 50, rng.integers(3, 40)).tolist() for _ in range(count)]
  path.write_text("".join(json.dumps({"input_ids": r, "labels": r}) + "\n" for r in rows))
  return str(path)


def texts(rows: Rows):
  return [tuple(rows.row(i)[0].tolist()) for i in range(len(rows))]


@pytest.fixture
def spec(tmp_path):
  return write(tmp_path / "general.jsonl", 80)


def test_the_same_half_is_measured_with_and_without_replay_and_never_replayed(spec):
  alone = general.load(spec, Replay(), SETTINGS, None)
  both = general.load(spec, Replay(0.2), SETTINGS, None)
  assert alone.replayed is None
  assert texts(alone.measured) == texts(both.measured)
  assert not set(texts(both.measured)) & set(texts(both.replayed))
  assert 25 < len(both.measured) < 55 and len(both.measured) + len(both.replayed) == 80


def test_no_more_is_measured_than_an_evaluation_has_time_for(spec, monkeypatch):
  monkeypatch.setattr(general, "MOST", 100)
  measured = general.load(spec, Replay(), SETTINGS, None).measured
  assert 0 < len(measured.ids) <= 100
  assert len(measured.row(len(measured) - 1)[0])


def test_replay_may_have_a_source_of_its_own(spec, tmp_path):
  other = write(tmp_path / "other.jsonl", 9, seed=1)
  replay = Replay.parse(f"{other}@0.3")
  found = general.load(spec, replay, SETTINGS, None)
  assert replay.share == 0.3 and len(found.replayed) == 9
  unmeasured = general.load("", replay, SETTINGS, None)
  assert unmeasured.measured is None and texts(unmeasured.replayed) == texts(found.replayed)
  assert general.load("", Replay(), SETTINGS, None) is None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_replay_has_its_share_of_the_trained_tokens_and_every_row_before_one_comes_twice(
  share, spec, tmp_path
):
  mine = general.load(
    write(tmp_path / "mine.jsonl", 60, seed=2), Replay(0.1), SETTINGS, None
  ).replayed
  other = general.load(spec, Replay(0.1), SETTINGS, None).replayed
  mixed = general.mixed(mine, other, share)
  trained = [int(mixed.row(i)[1].sum()) for i in range(len(mixed))]
  found = sum(t for t, g in zip(trained, mixed.general, strict=True) if g) / sum(trained)
  assert share <= found < share + 0.05
  replayed = [t for t, g in zip(texts(mixed), mixed.general, strict=True) if g]
  counts = [replayed.count(t) for t in texts(other)]
  assert max(counts) - min(counts) <= 1
  assert [t for t, g in zip(texts(mixed), mixed.general, strict=True) if not g] == texts(mine)
  assert mixed.digest() == general.mixed(mine, other, share).digest()
  among = np.flatnonzero(mixed.general) / len(mixed)
  assert among[0] < 0.25 and among[-1] > 0.75  # spread, not at the end
  place = mixed.place(int(np.flatnonzero(mixed.general)[0]))
  assert place.startswith(spec)


def test_replayed_documents_are_marked_in_the_batch(spec, tmp_path):
  mine = general.load(
    write(tmp_path / "mine.jsonl", 60, seed=2), Replay(0.1), SETTINGS, None
  ).replayed
  mixed = general.mixed(mine, general.load(spec, Replay(0.1), SETTINGS, None).replayed, 0.5)
  bins = loader.bins(mixed, 32, True)
  batch = loader.fill(mixed, bins, 32)
  marked = sum(int(mixed.places_taken[i]) for i in np.flatnonzero(mixed.general))
  assert (batch.segments >= GENERAL).sum() == marked
  assert (batch.segments > 0).sum() == mixed.places_taken.sum()


@pytest.mark.parametrize(
  "text", ["1", "-0.2", "rows.jsonl", "rows.jsonl@", "rows.jsonl@1.5", "much"]
)
def test_what_replay_cannot_be(text):
  with pytest.raises(
    InputError, match=r"train\.replay=.*share of trained tokens.*rows\.jsonl@0\.2"
  ):
    Replay.parse(text)


def test_what_is_missing_is_named(tmp_path):
  with pytest.raises(
    InputError, match="train.replay=0.2 takes its text from eval.general, which is empty"
  ):
    general.load("", Replay(0.2), SETTINGS, None)
  with pytest.raises(InputError, match=r"eval.general='.*nowhere.jsonl'"):
    general.load(str(tmp_path / "nowhere.jsonl"), Replay(), SETTINGS, None)
  one = write(tmp_path / "one.jsonl", 1, seed=3)
  with pytest.raises(InputError, match="eval.general|train.replay"):
    general.load(one, Replay(0.2), SETTINGS, None)
    general.load(write(tmp_path / "one.jsonl", 1, seed=4), Replay(0.2), SETTINGS, None)
