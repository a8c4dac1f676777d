"""Every leaf that a model of each family, and an adapter of each kind on it, can have."""

import functools

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.models import decoder, hf, lora
from ftjax.models.adapters import ia3
from ftjax.models.targets import adaptable
from tests.families import VARIANTS


@functools.cache
def shapes(name):
  """Everything that can be beside the params as well, as shape structs."""
  import transformers

  kind, fields, *_ = VARIANTS[name]
  config = transformers.AutoConfig.for_model(kind, **fields).to_dict()
  special = {k: None for k in config if k.endswith("_token_id")}
  family = hf.load_family(config)
  c = family.config(config | special)
  targets = adaptable(c, family.weights(c))
  key = jax.random.key(0)

  def everything(key):
    params = decoder.init(c, key)
    experts = {p: t for p, t in targets.items() if t.parameter}
    others = {p: t for p, t in targets.items() if not t.parameter}
    biases = {
      f"lora/{p}/bias": jnp.zeros((c.L, *t.shape_out))
      for p, t in others.items()
      if t.weight.stacked
    }
    return tree.merge(
      params,
      lora.init(key, c, others, rank=2, alpha=4, dora=params),
      lora.init(key, c, experts, rank=2, alpha=4) if experts else {},
      lora.init_rows([1, 2], params),
      _other_kinds(c, {p: t for p, t in others.items() if not t.table}),
      tree.unflatten(biases),
      {"saved": params["params"]},
    )

  return jax.eval_shape(everything, key)


def _other_kinds(c, targets):
  vectors = ia3.init(targets)
  keys = {f"prefix/layers/attention/{x}": jnp.zeros((c.L, 3, c.K, c.H)) for x in ("key", "value")}
  return tree.unflatten(vectors | keys | {"prompt/embed/rows": jnp.zeros((3, c.D))})
