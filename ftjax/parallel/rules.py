"""Where each parameter lives on the mesh: one table from leaf names to PartitionSpecs.

Every leaf must match exactly one line (tree.match): there is no catch-all, so a new parameter is
placed on purpose. The first dimension of everything under layers/ counts the layers and is never
split.
"""

import re

from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax import tree
from ftjax.parallel.mesh import fit

PARAMETERS = (
  (r"params/embed/tokens", P("tensor", "fsdp")),  # [V, D]
  (r"params/embed/positions", P(None, "fsdp")),  # [P, D]
  (r"params/layers/(attention_norm|mlp_norm)/(scale|bias)", P(None, None)),
  (
    r"params/layers/attention/(query|key|value|qkv)/kernel",
    P(None, "fsdp", "tensor", None),
  ),  # [L, D, N, H]
  (r"params/layers/attention/(query|key|value|qkv)/bias", P(None, "tensor", None)),  # [L, N, H]
  (r"params/layers/attention/out/kernel", P(None, "tensor", None, "fsdp")),  # [L, N, H, D]
  (r"params/layers/mlp/(gate|up)/kernel", P(None, "fsdp", "tensor")),  # [L, D, F]
  (r"params/layers/mlp/(gate|up)/bias", P(None, "tensor")),  # [L, F]
  (r"params/layers/mlp/down/kernel", P(None, "tensor", "fsdp")),  # [L, F, D]
  (r"params/layers/(attention/out|mlp/down)/bias", P(None, None)),  # [L, D]
  (r"params/final_norm/(scale|bias)", P(None)),
  (r"params/head/kernel", P("fsdp", "tensor")),  # [D, V]
  (r"params/head/bias", P("tensor")),  # [V]
)

# A low-rank pair follows its kernel: `a` is split as the kernel's input, `b` and the vectors as its
# output. Full copies (saved/...) follow the parameter that they stand in for.
ADAPTERS = (
  (r"lora/layers/attention/(query|key|value|qkv)/a", P(None, "fsdp", None)),  # [L, D, r]
  (r"lora/layers/attention/(query|key|value|qkv)/b", P(None, None, "tensor", None)),  # [L, r, N, H]
  (
    r"lora/layers/attention/(query|key|value|qkv)/(magnitude|bias)",
    P(None, "tensor", None),
  ),  # [L, N, H]
  (r"lora/layers/attention/out/a", P(None, "tensor", None, None)),  # [L, N, H, r]
  (r"lora/layers/mlp/(gate|up)/a", P(None, "fsdp", None)),  # [L, D, r]
  (r"lora/layers/mlp/(gate|up)/b", P(None, None, "tensor")),  # [L, r, F]
  (r"lora/layers/mlp/(gate|up)/(magnitude|bias)", P(None, "tensor")),  # [L, F]
  (r"lora/layers/mlp/down/a", P(None, "tensor", None)),  # [L, F, r]
  (r"lora/layers/(attention/out|mlp/down)/b", P(None, None, "fsdp")),  # [L, r, D]
  (r"lora/layers/(attention/out|mlp/down)/(magnitude|bias)", P(None, "fsdp")),  # [L, D]
  (r"lora_scale/layers/(attention|mlp)/[a-z]+/scale", P(None)),  # [L]
  (r"lora/embed/tokens/a", P("tensor", None)),  # [V, r]
  (r"lora/embed/positions/a", P(None, None)),  # [P, r]
  (r"lora/embed/(tokens|positions)/b", P(None, "fsdp")),  # [r, D]
  (r"lora/embed/(tokens|positions)/magnitude", P("fsdp")),  # [D]
  (r"lora/head/a", P("fsdp", None)),  # [D, r]
  (r"lora/head/b", P(None, "tensor")),  # [r, V]
  (r"lora/head/magnitude", P("tensor")),  # [V]
  (r"lora_scale/(embed/tokens|embed/positions|head)/scale", P()),
  (r"rows/(embed/tokens|head)/rows", P(None, "fsdp")),  # [n, D]
  (r"row_ids/(embed/tokens|head)/ids", P(None)),  # [n]
)


def shardings(variables, mesh: Mesh):
  """A NamedSharding for every leaf of {collection: {...}} (arrays or shape structs)."""

  def place(name, leaf):
    spec = tree.match(re.sub("^saved/", "params/", name), PARAMETERS + ADAPTERS)
    return NamedSharding(mesh, fit(spec, leaf.shape, mesh))

  return tree.map_named(place, variables)
