"""Versions: updates that move nothing, differences, replays to the same hash, training on one."""

import io
import json

import pytest

from ftjax import preparation
from ftjax.config import InputError
from ftjax.data.curate import place
from ftjax.data.versions import manifest as versions
from ftjax.data.versions import training
from tests.data.prepared import HALF, QUIET, document, near, prepare, rows, texts, update, write


def sides(version):
  return {r["id"]: (r["split"], r["cluster"]) for r in rows(version)}


def test_an_update_adds_what_is_new_and_moves_nothing(first, tmp_path):
  docs = [document(i) for i in range(40)]
  write(tmp_path / "a.jsonl", [document(100 + i) for i in range(20)] + docs[20:] + [near(docs[2])])
  second = update(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  before, after = sides(first), sides(second)
  assert before.items() <= after.items(), "every old row is where it was"
  assert len(after) == 60 and set(texts(second)) == {*docs, *(document(100 + i) for i in range(20))}
  assert second.manifest["parent"] == first.hash
  assert sorted(second.manifest["added"]) == sorted(after.keys() - before.keys())
  assert second.manifest["removed"] == []
  report = second.report
  assert report["duplicates"]["near"] == 1
  known = next(s for s in report["steps"] if s["name"] == "known")
  assert known["dropped"] == {"already_there": 20}
  again = update(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  assert again.hash == second.hash and not again.new, "nothing is new any more"
  assert versions.names(tmp_path / "out") == [first.name, second.name]


def test_prune_leaves_out_what_no_source_gives_now(first, tmp_path):
  docs = [document(i) for i in range(40)]
  write(tmp_path / "a.jsonl", [*docs[:30], document(200)])
  kept = update(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  assert set(texts(kept)) == {*docs, document(200)}
  pruned = update(tmp_path / "a.jsonl", tmp_path / "out", first.name, prune=True, **HALF)
  assert set(texts(pruned)) == {*docs[:30], document(200)}
  assert len(pruned.manifest["removed"]) == 10
  assert (
    sides(pruned).items() >= {i: s for i, s in sides(first).items() if i in sides(pruned)}.items()
  )


def test_old_rows_that_go_are_told_apart(first, tmp_path):
  """The card adds up by names, without a rest called others; its title is the sources' alone."""
  docs = texts(first)
  write(tmp_path / "a.jsonl", docs[5:])
  held = write(tmp_path / "held.jsonl", [docs[7]])
  second = update(tmp_path / "a.jsonl", tmp_path / "out", prune=True, validation=str(held), **HALF)
  step = next(s for s in second.report["steps"] if s["name"] == "old rows")
  assert step["dropped"]["no_source_gives_it"] == 5 and step["in"] == sum(step["dropped"].values())
  assert {e["reason"] for e in step["examples"]} == step["dropped"].keys()
  card = (second.folder / "card.md").read_text("utf-8")
  assert "| others |" not in card and "| old rows |" in card
  assert card.split("\n# ")[1].splitlines()[0] == "a, held"
  old = second.report["sources"][0]
  assert old["name"] == f"version {first.name}" and old["bytes"] > 0


def test_old_rows_pass_steps_that_have_changed(tmp_path):
  path = write(tmp_path / "a.jsonl", [document(i) + " Ask ann@example.org." for i in range(12)])
  keep = dict(HALF, pii__email="keep")
  first = prepare(path, tmp_path / "out", **keep)
  assert all("ann@" in t for t in texts(first))
  second = update(path, tmp_path / "out", **HALF)
  assert all("[EMAIL]" in t and "ann@" not in t for t in texts(second)) and len(texts(second)) == 12
  assert [r["split"] for r in rows(second)] == [r["split"] for r in rows(first)]
  assert second.manifest["changed_settings"] == {"pii.email": ["keep", "mask"]}


def test_a_new_row_goes_where_its_like_is(tmp_path):
  pairs = lambda seeds, answer: [
    {"prompt": f"Write of {i}.", "completion": document(i + answer)} for i in seeds
  ]
  write(tmp_path / "a.jsonl", pairs(range(30), 0))
  first = prepare(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  write(tmp_path / "a.jsonl", pairs(range(30), 500))
  second = update(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  split = {r["messages"][0]["content"]: r["split"] for r in rows(first)}
  found = rows(second)
  assert len(found) == 60 and len(set(split.values())) == 3
  assert all(r["split"] == split[r["messages"][0]["content"]] for r in found)
  assert len({(r["messages"][0]["content"], r["cluster"]) for r in found}) == 30


def test_a_new_row_that_ties_training_to_validation_is_left_out(tmp_path):
  """Its prompt is that of a training row; but for its prompt it is a near duplicate of another new
  row, whose prompt is that of a validation row."""
  about = "Write a long article for the readers of our spring catalogue about the item"
  pairs = [{"prompt": f"{about} {i}", "completion": document(i)} for i in range(30)]
  write(tmp_path / "a.jsonl", pairs)
  first = prepare(tmp_path / "a.jsonl", tmp_path / "out", split__validation=0.4)
  side = lambda name: next(r["messages"] for r in rows(first) if r["split"] == name)
  train, held = side("train"), side("validation")
  long = document(90, 40)
  bridge = lambda messages: {"prompt": messages[0]["content"], "completion": long}
  fresh = {"prompt": "Another one.", "completion": document(91)}
  write(tmp_path / "a.jsonl", [*pairs, bridge(train), bridge(held), fresh])
  second = update(tmp_path / "a.jsonl", tmp_path / "out", split__validation=0.4)
  assert sides(first).items() <= sides(second).items()
  assert second.report["duplicates"]["straddling"] == 1
  assert second.report["duplicates"]["near"] == 1
  assert len(rows(second)) == 31


def test_a_validation_row_that_comes_later_takes_its_like_out_of_training(first, tmp_path):
  ours = texts(first, "train")[0]
  held = write(tmp_path / "held.jsonl", [near(ours)])
  second = update(tmp_path / "a.jsonl", tmp_path / "out", validation=str(held), **HALF)
  assert near(ours) in texts(second, "validation") and ours not in texts(second)
  assert len(second.manifest["removed"]) == 1 and len(second.manifest["added"]) == 1
  moved = sides(first).items() - sides(second).items()
  assert [i for i, _ in moved] == second.manifest["removed"]


def test_diff(first, tmp_path):
  docs = [document(i) for i in range(40)]
  write(tmp_path / "a.jsonl", [*docs[:38], document(300), document(301), document(302)])
  second = update(
    tmp_path / "a.jsonl",
    tmp_path / "out",
    prune=True,
    dedup__threshold=0.9,
    run__memory="1GB",
    **HALF,
  )
  found = preparation.diff(first.name, "LATEST", tmp_path / "out")
  assert (len(found.added), len(found.removed), found.moved) == (3, 2, {})
  assert found.settings == {"dedup.threshold": [0.8, 0.9]}
  assert sorted(found.added) == sorted(second.manifest["added"])
  from rich.console import Console

  from ftjax.data.versions.diff import table

  console = Console(width=160, record=True, file=io.StringIO())
  console.print(table(found))
  shown = console.export_text()
  assert "3 rows added" in shown and "dedup.threshold" in shown and document(300)[:40] in shown
  back = preparation.diff(second.folder, first.folder)
  assert (back.added.keys(), back.removed.keys()) == (found.removed.keys(), found.added.keys())
  assert preparation.diff(first.folder, first.folder).empty


def test_replay_gives_the_same_hash_or_names_the_file_that_changed(first, tmp_path):
  docs = [document(i) for i in range(40)]
  write(tmp_path / "b.jsonl", [document(400)])
  second = update([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")], tmp_path / "out", **HALF)
  assert preparation.replay(second.name, output=tmp_path / "out", said=QUIET()).hash == second.hash
  # Elsewhere: the parent is built first.
  new = preparation.replay(second.folder, output=tmp_path / "copy", said=QUIET())
  assert new.hash == second.hash and new.new
  assert versions.names(tmp_path / "copy") == [first.name, second.name] or set(
    versions.names(tmp_path / "copy")
  ) == {first.name, second.name}
  assert texts(new) == texts(second)
  write(tmp_path / "a.jsonl", docs[:5])
  with pytest.raises(InputError, match=r"a.jsonl is another file now .*SHA-256 [0-9a-f]{64}"):
    preparation.replay(second.folder, output=tmp_path / "third", said=QUIET())
  assert not (tmp_path / "third" / "versions").exists()


def test_replay_from_kept_copies_of_the_inputs(tmp_path):
  folder = tmp_path / "docs"
  folder.mkdir()
  for i in range(3):
    write(folder / f"{i}.jsonl", [document(10 * i + j) for j in range(5)])
  first = prepare(folder, tmp_path / "out", run__keep_inputs=True, **HALF)
  (folder / "0.jsonl").unlink()
  write(folder / "1.jsonl", [document(99)])
  write(folder / "9.jsonl", [document(98)])
  first.shards("train")[0].unlink()
  again = preparation.replay(first.folder, said=QUIET())
  assert again.hash == first.hash and again.new
  assert rows(again)[0]["path"] == str(folder / "0.jsonl")
  assert rows(again.check()) and len(rows(again)) == 15


def test_a_damaged_version_is_refused_by_the_file(first, tmp_path):
  shard = first.shards("train")[0]
  shard.write_bytes(shard.read_bytes()[:-1] + b"!")
  damaged = rf"{shard.name} is not what its manifest says.*--replay"
  with pytest.raises(InputError, match=damaged):
    update(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  with pytest.raises(InputError, match=damaged):
    training.open_version(str(first.folder))
  with pytest.raises(InputError, match=damaged):
    prepare(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
  assert preparation.replay(first.folder, said=QUIET()).hash == first.hash
  versions.read(first.folder).check()
  shard.unlink()
  with pytest.raises(InputError, match=f"{shard.name} is missing"):
    versions.read(first.folder).check()


def test_a_format_is_added_to_a_version_that_lacks_it(tmp_path):
  rows_ = [{"prompt": f"Write of {i}.", "completion": document(i)} for i in range(12)]
  path = write(tmp_path / "p.jsonl", rows_)
  first = prepare(path, tmp_path / "out")
  assert not (first.folder / "alpaca").exists()
  second = prepare(path, tmp_path / "out", write__formats="jsonl,alpaca")
  assert second.hash == first.hash
  line = json.loads((second.folder / "alpaca" / "train.jsonl").read_text().splitlines()[0])
  assert line["output"] == document(0)
  versions.read(first.folder).check()


def test_names_of_versions(first, tmp_path):
  out = tmp_path / "out"
  assert versions.find(first.hash[:6], out).hash == first.hash
  assert versions.find(out).hash == versions.find(first.folder).hash == first.hash
  assert versions.find("LATEST", out).hash == first.hash
  with pytest.raises(InputError, match=f"'ffff' names no version in .*: {first.name}"):
    versions.find("ffff", out)
  with pytest.raises(InputError, match="holds no version of a dataset yet"):
    versions.latest(tmp_path / "nothing")


def test_another_process_in_the_same_folder_is_refused(first, tmp_path):
  with place.held(tmp_path / "out"):
    with pytest.raises(InputError, match="Another process is preparing"):
      prepare(tmp_path / "a.jsonl", tmp_path / "out")


def test_preference_pairs_and_weights_of_messages_come_back_whole(tmp_path):
  import pyarrow as pa

  from ftjax.data.curate import rows as codec
  from ftjax.data.example import Example, Origin

  chat = (
    {"role": "user", "content": "Question?"}, {"role": "assistant", "content": "a\ud800", "weight": 0.0},
    {"role": "user", "content": "And then?"}, {"role": "assistant", "content": "b", "name": "x"},
  )  # fmt: skip
  example = codec.writable(Example(messages=chat, origin=Origin("s", "p", 3), weight=0.5))
  assert example.messages[1] == {"role": "assistant", "content": "a\ufffd", "weight": 0}
  assert codec.from_json(codec.to_json(example)) == example
  row = codec.columns(example, "00" * 16, "train")
  table = pa.Table.from_pylist([row], codec.schema("messages", weighted=True))
  again = codec.from_columns(table.to_pylist()[0])
  assert again == example and again.id == row["id"] and codec.digest(again) == codec.digest(example)
  pair = lambda i: {
    "prompt": f"Question {i}?", "chosen": document(i), "rejected": document(i + 100),
  }  # fmt: skip
  path = write(tmp_path / "pairs.jsonl", [pair(i) for i in range(8)])
  version = prepare(path, tmp_path / "pairs", **HALF)
  assert version.kind == "preference"
  answers = {r["messages"][-1]["content"]: r["rejected"][-1]["content"] for r in rows(version)}
  assert answers == {document(i): document(i + 100) for i in range(8)}
  assert update(path, tmp_path / "pairs", **HALF).hash == version.hash
