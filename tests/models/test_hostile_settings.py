"""Fields of every type and size in the JSON of a stranger's folder: a folder opens, or one message says
which field is wrong."""

import copy
import json
import os
import shutil
import time

import jax
import numpy as np
import pytest
import safetensors.numpy

from ftjax.config import InputError
from ftjax.models import hf, known, lora, tensors
from ftjax.models.adapters import ia3, prompt, settings
from ftjax.models.tensors import INDEX, SINGLE
from ftjax.text.tokenizer import load_tokenizer
from ftjax.tree import unflatten
from tests.families import VARIANTS

WRONG = (
  "text", "", "(", [], [1], ["a"], [[1]], [None], ["("], {}, {"a": 1}, {"(": 1}, {"a": "b"}, None,
  True, False, 0, 1, -1, 0.5, float("nan"), float("inf"), 10**12, 2**31, 10**400,
)  # fmt: skip
SECONDS = 2.0  # of which nothing here takes a hundredth, on a free machine


def opens_or_says(what, do) -> None:
  start = time.process_time()
  try:
    do()
  except InputError as e:
    assert len(str(e)) < 900, what
  except Exception as e:
    raise AssertionError(f"{what}: {type(e).__name__}: {e}") from e
  assert time.process_time() - start < SECONDS, what


def shaped(hf_config) -> None:
  """Everything that is known of a model before its weights."""
  family = hf.load_family(hf_config)
  config = family.config(hf_config)
  for weight in family.weights(config):
    tensors.names_of(weight, config), tensors.hf_shape(weight, config)
  assert len(config.layers) == config.L


# One of every family, and of every form of rope.
NAMES = {
  *{v.kind: name for name, v in reversed(VARIANTS.items())}.values(), "llama, dynamic", "llama, llama3", "llama, yarn of its own", "gemma3_text, linear", "phi3, longrope",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_field_of_config_json(name):
  import transformers

  kind, fields, *_ = VARIANTS[name]
  good = transformers.AutoConfig.for_model(kind, **fields).to_dict()
  shaped(good)
  inner = [("rope_parameters", key) for key in good.get("rope_parameters") or {}]
  for path in [(key,) for key in sorted(good.keys() - known.NEUTRAL)] + inner:
    for wrong in WRONG:
      bad = copy.deepcopy(good)
      (bad if len(path) == 1 else bad[path[0]])[path[-1]] = wrong
      opens_or_says((path, wrong), lambda bad=bad: shaped(bad))


@pytest.mark.parametrize(
  "field, wrong, message",
  [
    (
      "num_hidden_layers",
      2147483648,
      "num_hidden_layers=2147483648, .* whole number from 1 to 1024",
    ),
    ("num_hidden_layers", True, "num_hidden_layers=True, .* whole number"),
    ("hidden_size", "big", "hidden_size='big', .* whole number from 1 to 16777216"),
    ("rms_norm_eps", float("nan"), "rms_norm_eps=nan, and it must be a number from 0"),
    ("tie_word_embeddings", "no", "tie_word_embeddings='no', and it must be true or false"),
    ("rope_scaling", [8.0], r"rope_scaling=\[8.0\], and it must be a mapping"),
    ("num_key_value_heads", 3, "4 query heads are no multiple of 3 key heads"),
  ],
)
def test_what_the_message_says(field, wrong, message):
  with pytest.raises(InputError, match=message):
    shaped(VARIANTS["llama"].fields | {"model_type": "llama", field: wrong})


@pytest.fixture
def copied(variant, tmp_path):
  return shutil.copytree(variant("llama"), tmp_path / "copy")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda x: repr(x)[:20])
def test_what_else_opening_a_folder_reads(copied, wrong):
  good = json.loads((copied / "config.json").read_text())
  for field in ("model_type", "quantization_config"):
    (copied / "config.json").write_text(json.dumps(good | {field: wrong}))
    opens_or_says((field, wrong), lambda: hf.open_checkpoint(copied))
  (copied / "config.json").write_text(json.dumps(good))
  for index in ({"weight_map": wrong}, {"weight_map": {"x": wrong}}, wrong):
    (copied / INDEX).write_text(json.dumps(index))
    opens_or_says(index, lambda: hf.open_checkpoint(copied))


@pytest.mark.parametrize(
  "text, message",
  [
    ("[" * 100_000 + "]" * 100_000, "is not valid JSON: .*recursion"),
    ('{"a": ' * 40 + "1" + "}" * 40, "nests more than 32 lists and objects"),
    ('{"a": ' + "1" * 10_000 + "}", "is not valid JSON: .*digits"),
  ],
)
@pytest.mark.parametrize("file", ["config.json", INDEX])
def test_json_that_no_file_needs(copied, file, text, message):
  (copied / file).write_text(text)
  with pytest.raises(InputError, match=f"{file} {message}"):
    hf.open_checkpoint(copied)


def test_a_name_in_the_index_that_no_file_can_have(copied):
  (copied / INDEX).write_text(json.dumps({"weight_map": {"x": "a" * 5000 + ".safetensors"}}))
  with pytest.raises(InputError, match="is missing"):
    hf.open_checkpoint(copied)


def _pairs(c):
  targets = lora.linear_layers(c.config, c.table)
  return lora.init(jax.random.key(0), c.config, targets, rank=2, alpha=4)


MADE = {
  "pairs": _pairs,
  "vectors": lambda c: unflatten(ia3.init(lora.linear_layers(c.config, c.table))),
  "prompt": lambda c: unflatten(
    prompt.init(jax.random.key(0), c.config, np.zeros((c.config.V, c.config.D), "f4"), 3)
  ),
}


@pytest.fixture(scope="module")
def made(variant, tmp_path_factory):
  """fn(kind) -> the folder of an adapter of that kind, made once."""
  c, root = hf.open_checkpoint(variant("llama")), tmp_path_factory.mktemp("made")

  def make(kind):
    if not (root / kind).is_dir():
      lora.write(root / kind, MADE[kind](c), c.config, c.table, base="the/base")
    return root / kind

  return make


def used(folder, c) -> None:
  found = lora.open_folder(str(folder))
  checkpoint = lora.base_for(found, c)
  lora.virtual_tokens(found)
  lora.read(found, checkpoint)


@pytest.mark.parametrize("kind", MADE)
def test_every_field_of_adapter_config_json(variant, made, tmp_path, kind):
  c, folder = hf.open_checkpoint(variant("llama")), shutil.copytree(made(kind), tmp_path / "a")
  path = folder / lora.SETTINGS
  good = json.loads(path.read_text())
  read = settings._READ[good["peft_type"]]
  grow = {"trainable_token_indices"}  # compiles the rows of a token that follows
  for field in sorted({*read, *settings._NEUTRAL, "unknown"}):
    for wrong in WRONG:
      bad = good | {field: wrong}
      path.write_text(json.dumps(bad))
      do = lambda bad=bad: settings.check(bad, folder)
      if field in read and not (field in grow and wrong):
        do = lambda: used(folder, c)
      opens_or_says((field, wrong), do)


BACKTRACKS = r"((.|..)+)+[!?]"


@pytest.mark.parametrize(
  "changes, message",
  [
    (dict(target_modules=BACKTRACKS), "has the pattern .*takes more than 0.1 s on model.layers.0"),
    (dict(exclude_modules=BACKTRACKS), "has the pattern .*takes more than 0.1 s"),
    (dict(rank_pattern={BACKTRACKS: 3}), "has the pattern .*takes more than 0.1 s"),
    (dict(modules_to_save=[BACKTRACKS]), "has the pattern .*takes more than 0.1 s"),
    (dict(target_modules="("), "has '.', which is not a pattern: missing"),
    (dict(trainable_token_indices=[10**9]), "a row for the token 1000000000 .* has 97 tokens"),
    (dict(trainable_token_indices={"embed_tokens": [4, 10**8]}), "a row for the token 100000000"),
    (dict(r=True), "says r=True, and it must be a whole number from 1 to 65536"),
  ],
)
def test_patterns_and_tokens_without_bounds(variant, made, tmp_path, changes, message):
  c, folder = hf.open_checkpoint(variant("llama")), shutil.copytree(made("pairs"), tmp_path / "a")
  path = folder / lora.SETTINGS
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))
  start = time.process_time()
  with pytest.raises(InputError, match=message):
    used(folder, c)
  assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.bool_])
def test_an_adapter_whose_numbers_are_none(variant, made, tmp_path, dtype):
  folder = shutil.copytree(made("pairs"), tmp_path / "a")
  found = safetensors.numpy.load_file(folder / lora.WEIGHTS)
  name = next(iter(found))
  found[name] = found[name].astype(dtype)
  safetensors.numpy.save_file(found, folder / lora.WEIGHTS)
  with pytest.raises(InputError, match="has tensors of a type other than F64, F32, F16, BF16: "):
    used(folder, hf.open_checkpoint(variant("llama")))


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_tokenizers_that_cannot_be_read(tmp_path, file):
  from ftjax.models.hub import STARTER

  folder = shutil.copytree(STARTER, tmp_path / "starter")
  path = folder / file
  good = json.loads(path.read_text())
  broken = [
    "[" * 100_000, "{" + os.urandom(9).hex(), json.dumps({**good, "model": 5, "bos_token": 5}),
    json.dumps({**good, "pre_tokenizer": [1], "chat_template": 7}),
  ]  # fmt: skip
  for text in broken:
    path.write_text(text)
    with pytest.raises(InputError, match=f"The tokenizer in {folder} cannot be read"):
      load_tokenizer(folder)


def test_weights_are_what_a_config_is_compared_with(copied):
  """A size that fits its bounds and not the files."""
  good = json.loads((copied / "config.json").read_text())
  (copied / "config.json").write_text(json.dumps(good | {"num_hidden_layers": 1000}))
  assert (copied / SINGLE).is_file()
  with pytest.raises(InputError, match="do not fit its config.json. missing: model.layers"):
    hf.open_checkpoint(copied)
