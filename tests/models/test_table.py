"""The table: every family variant against transformers and PEFT, with every weight perturbed.

  f32     largest difference of logits, documents alone over there and whole, padded or packed here
  long    the same of the documents that go past a window or the original length
  bf16    the same in bfloat16, as a share of the largest logit
  cached  a row decoded in pieces with a cache, against the whole row
  export  what transformers computes from the folder that is written, against ours
  peft    PEFT's adapter on all linear layers, read here
  back    the same adapter, written here and read by PEFT

The run prints it (tests/conftest.py). Beside what is measured, a folder that is written holds the
tensors and the config that were read, to the bit.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models import decoder, export, hf, lora
from ftjax.models.cache import make_cache
from tests.families import VARIANTS
from tests.models.adapters import by_peft, in_peft
from tests.models.reference import (
  FAST,
  assert_same_bits,
  difference,
  logits,
  ours,
  quiet,
  rows,
  tensors_of,
  theirs,
)
from tests.tiny import torch_model

# transformers asks itself a question that it has deprecated, when peft wraps a model.
# peft warns of patterns that it set itself, for experts, and then follows them.
pytestmark = [
  pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
  pytest.mark.filterwarnings("ignore:The following (rank|alpha)_pattern keys:RuntimeWarning"),
]

BATCH = rows()
PIECE = 9  # tokens that the cache grows by: no divisor of the rows' 53, nor of any document


@pytest.mark.parametrize("name", VARIANTS)
def test_family(variant, tmp_path, record_property, name):
  folder, (_, _, reach, exact, half) = variant(name), VARIANTS[name]
  checkpoint = hf.open_checkpoint(folder)
  config, variables = checkpoint.config, hf.read(checkpoint, jnp.float32)
  with quiet():
    reference = theirs(torch_model(folder), BATCH)
  largest = max(float(np.abs(x).max()) for x in reference)
  assert largest > 0.5  # The comparison is not one of zeros.

  mine = ours(folder, BATCH, variables)
  row = {"f32": difference(mine, reference, BATCH)}
  row["long"] = _of_long_documents(mine, reference, reach)
  row["bf16"] = difference(_in_bfloat16(checkpoint), reference, BATCH) / largest
  seen = BATCH.segments > 0
  row["cached"] = float(np.abs(_cached(config, variables) - mine)[seen].max())
  row["export"] = difference(mine, _exported(checkpoint, variables, tmp_path / "out"), BATCH)
  row["peft"], row["back"] = _adapted(checkpoint, variables, tmp_path)

  record_property("family", (name, row))
  assert 0 < row["bf16"] < half
  beyond = {k: v for k, v in row.items() if k != "bf16" and v is not None and not v < exact}
  assert not beyond, f"more than {exact}: {beyond}"


def _of_long_documents(mine, reference, reach) -> float | None:
  if reach is None:
    return None
  long = [stop - start > reach for _, start, stop in BATCH.documents]
  assert any(long)
  documents, expected = (
    [x for x, is_long in zip(each, long, strict=True) if is_long]
    for each in (BATCH.documents, reference)
  )
  return difference(mine, expected, BATCH._replace(documents=documents))


def _in_bfloat16(checkpoint) -> np.ndarray:
  variables = hf.read(checkpoint, jnp.bfloat16)
  found = logits(decoder.Decoder(checkpoint.config, jnp.bfloat16), variables, *BATCH[:3])
  assert found.dtype == jnp.float32
  return np.asarray(found)


def _cached(config, variables) -> np.ndarray:
  """The logits of BATCH, decoded in pieces. Its packed documents are both on one side of reach."""
  model = decoder.Decoder(config, scan=False)

  @functools.partial(jax.jit, compiler_options=FAST)
  def step(variables, tokens, positions, segments, cache):
    hidden, cache = model.apply(variables, tokens, positions, segments, cache)
    return decoder.logits(hidden, decoder.head(variables, config)), cache

  B, T = BATCH.tokens.shape
  slots = -(-T // PIECE) * PIECE
  lengths = jnp.asarray(BATCH.positions.max(1) + 1)
  cache = make_cache(config, B, slots, jnp.float32, lengths)
  variables = decoder.unstack(variables, config.L)
  tokens, positions, segments = (np.pad(x, ((0, 0), (0, slots - T))) for x in BATCH[:3])
  parts = []
  for at in range(0, slots, PIECE):
    piece = (x[:, at : at + PIECE] for x in (tokens, positions, segments))
    part, cache = step(variables, *piece, cache)
    parts.append(np.asarray(part))
  assert step._cache_size() == 1
  return np.concatenate(parts, 1)[:, :T]


def _exported(checkpoint, variables, to) -> list[np.ndarray]:
  """What transformers computes from a folder written here, which holds what was read."""
  from transformers import AutoConfig

  c = checkpoint
  export.write(to, variables, c.config, c.table, c.hf_config, source=c.folder)
  assert_same_bits(tensors_of(to), tensors_of(c.folder))
  again = hf.read(hf.open_checkpoint(to), jnp.float32)
  jax.tree.map(np.testing.assert_array_equal, again, variables)
  said, expected = (AutoConfig.from_pretrained(x).to_dict() for x in (to, c.folder))
  assert expected | {"_name_or_path": said["_name_or_path"]} == said
  with quiet():
    return theirs(torch_model(to), BATCH)


def _adapted(checkpoint, variables, tmp_path) -> tuple[float, float]:
  """(PEFT's adapter read here, the same written and read by PEFT), both against ours."""
  c = checkpoint
  conv1d = {t.input_first for t in lora.linear_layers(c.config, c.table).values()} == {True}
  settings = dict(r=3, lora_alpha=7, target_modules="all-linear", fan_in_fan_out=conv1d)
  expected = by_peft(c.folder, tmp_path / "peft", **settings)
  adapter = lora.read(tmp_path / "peft", c, variables)
  mine = ours(c.folder, BATCH, variables | adapter)
  assert (
    difference(mine, expected, BATCH)
    < difference(ours(c.folder, BATCH, variables), expected, BATCH) / 100
  )
  lora.write(tmp_path / "back", adapter, c.config, c.table, base=str(c.folder))
  again = lora.read(tmp_path / "back", c, variables)
  jax.tree.map(np.testing.assert_array_equal, again["lora"], adapter["lora"])
  back = theirs(in_peft(c.folder, tmp_path / "back"), BATCH)
  return difference(mine, expected, BATCH), difference(mine, back, BATCH)
