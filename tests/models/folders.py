"""Checkpoint folders in tests, read and written again."""

import jax.numpy as jnp

from ftjax.models import export, hf


def written(source, to, dtype=jnp.float32, **kwargs):
  """The folder that reading `source` and writing it again gives."""
  c = hf.open_checkpoint(source)
  export.write(to, hf.read(c, dtype), c.config, c.table, c.hf_config, source=c.folder, **kwargs)
  return to
