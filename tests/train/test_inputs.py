"""What a run began with: recorded, and compared before it goes on."""

import datetime
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from ftjax.config import InputError
from ftjax.data import encode, prepare
from ftjax.finetuning import _day
from ftjax.models import hf
from ftjax.train import inputs
from tests.text.conftest import make


def rows_of(ids):
  unit = encode.Unit(np.asarray(ids, np.int32), np.ones(len(ids), bool), "rows.jsonl:1", "", 0)
  return encode.Rows.of([unit])


@pytest.fixture
def base(source, tmp_path):
  """A copy of the toy model, with a tokenizer's files."""
  folder = tmp_path / "base"
  shutil.copytree(source, folder)
  (folder / "tokenizer.json").write_text("{}")
  return folder


def record_of(folder, train=(1, 2, 3), validation=(4, 5), separator="\n", stops=(2,)):
  template = SimpleNamespace(kind="plain", separator=separator)
  data = SimpleNamespace(
    train=rows_of(train), validation=rows_of(validation), general=None, template=template
  )
  return inputs.record(data, SimpleNamespace(checkpoint=hf.open_checkpoint(folder), stops=stops))


def edited(path, change):
  content = bytearray(path.read_bytes())
  change(content)
  path.write_bytes(content)


def test_every_input_that_changes_is_named_with_its_mend(base, tmp_path):
  run = tmp_path / "run"
  run.mkdir()
  before = record_of(base)
  inputs.write(run, before)
  inputs.check(run, record_of(base))  # the same again

  def last_weight(content):
    content[-1] ^= 1

  other = {
    "training rows": dict(train=(1, 2, 9)),
    "validation rows": dict(validation=(4,)),
    "template": dict(separator=" "),
    "ids that end a text": dict(stops=(1, 2)),
  }
  for what, arguments in other.items():
    (line,) = inputs.changed(run, record_of(base, **arguments))
    assert line.startswith(f"the {what} changed: ") and "restore" in line
  with pytest.raises(
    InputError, match=r"(?s)rows changed: 1 rows \(\w+\) then, 1 rows \(\w+\) now.*--workdir"
  ):
    inputs.check(run, record_of(base, train=(7, 8)))
  for name, what in (("model.safetensors", "base's weights"), ("tokenizer.json", "tokenizer")):
    kept = (base / name).read_bytes()
    edited(base / name, last_weight if "weights" in what else lambda c: c.extend(b"\n"))
    (line,) = inputs.changed(run, record_of(base))
    assert line.startswith(f"the {what} changed: "), line
    (base / name).write_bytes(kept)
  (base / "README.md").write_text("not an input")
  assert inputs.changed(run, record_of(base)) == []


def test_a_moved_base_is_the_same_and_an_edited_config_is_not(base, tmp_path):
  inputs.write(tmp_path, record_of(base))
  moved = base.rename(tmp_path / "elsewhere")
  assert inputs.changed(tmp_path, record_of(moved)) == []
  config = json.loads((moved / "config.json").read_text())
  (moved / "config.json").write_text(json.dumps(config | {"rope_theta": 500.0}))
  (line,) = inputs.changed(tmp_path, record_of(moved))
  assert line.startswith("the base's config.json changed: ")


def test_large_weights_are_read_in_pieces_from_end_to_end(tmp_path, monkeypatch):
  monkeypatch.setattr(inputs, "_PIECE", 16)
  monkeypatch.setattr(inputs, "_PIECES", 8)
  path = tmp_path / "model.safetensors"
  path.write_bytes(bytes(16 * 64))
  before = inputs._files([path])
  for at in (0, 16 * 8, 16 * 56):  # every eighth piece
    edited(path, lambda content, at=at: content.__setitem__(at, 1))
    assert inputs._files([path]) != before
    edited(path, lambda content, at=at: content.__setitem__(at, 0))
  assert inputs._files([path]) == before


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"x": 3}', b"\xff", b'{"x"'])
def test_a_record_that_cannot_be_read_is_named_with_the_mend(base, tmp_path, damage):
  (tmp_path / inputs.INPUTS).write_bytes(damage)
  with pytest.raises(InputError, match="inputs.json.* cannot be read .*remove it to go on"):
    inputs.check(tmp_path, record_of(base))


def test_a_run_without_a_record_goes_on_and_says_so(base, tmp_path, capsys):
  inputs.check(tmp_path, record_of(base))
  assert "inputs.json is missing" in capsys.readouterr().err


DATED = (
  "Today: {{ strftime_now('%d %b %Y') }}\n{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
  "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_template_that_writes_the_date_writes_the_day_on_which_the_run_began(base, tmp_path):
  (tmp_path / "rows.jsonl").write_text('{"prompt": "q", "completion": "a"}\n')
  config = {"train": str(tmp_path / "rows.jsonl"), "validation_fraction": 0.0}
  tok = make(DATED, eos="<|im_end|>", adds_bos=False)
  opened = SimpleNamespace(checkpoint=hf.open_checkpoint(base), stops=(2,))
  of = lambda day: inputs.record(prepare.load(config, tok, day=day), opened)
  run = tmp_path / "run"
  run.mkdir()
  assert _day(run, begun=False) == datetime.date.today().isoformat()
  inputs.write(run, of("2024-02-29"))
  assert any("training rows changed" in line for line in inputs.changed(run, of("2024-03-01")))
  assert _day(run, begun=True) == "2024-02-29"
  inputs.check(run, of(_day(run, begun=True)))  # begun years ago, it goes on
