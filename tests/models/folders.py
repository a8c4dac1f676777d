"""Checkpoint folders in tests: read, written again, compared to the bit."""

import jax.numpy as jnp
import safetensors.numpy

from ftjax.models import export, hf


def tensors_of(folder) -> dict:
  """Every tensor in every safetensors file of a folder."""
  files = sorted(folder.glob("*.safetensors"))
  return {k: v for f in files for k, v in safetensors.numpy.load_file(f).items()}


def assert_same_bits(x: dict, y: dict):
  """The same names, dtypes, shapes and bytes."""
  assert x.keys() == y.keys()
  for name in x:
    assert x[name].dtype == y[name].dtype, name
    assert x[name].shape == y[name].shape, name
    assert x[name].tobytes() == y[name].tobytes(), name


def written(source, to, dtype=jnp.float32, **kwargs):
  """The folder that reading `source` and writing it again gives."""
  c = hf.open_checkpoint(source)
  export.write(to, hf.read(c, dtype), c.config, c.table, c.hf_config, source=c.folder, **kwargs)
  return to
