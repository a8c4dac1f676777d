"""Where each parameter lives on the mesh: one table from leaf names to PartitionSpecs.

Every leaf must match exactly one line (tree.match): there is no catch-all, so a new parameter is
placed on purpose. The first dimension of everything under layers/ counts the layers and is never
split.
"""

import re

from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax import tree
from ftjax.parallel.mesh import SHARDS, fit

INSIDE = tuple(axis for axis in SHARDS if axis != "expert")  # of an expert

PARAMETERS = (
  (r"params/embed/tokens", P("tensor", SHARDS)),  # [V, D]
  (r"params/embed/positions", P(None, SHARDS)),  # [P, D]
  (r"params/(embed/project_in|project_out)/kernel", P(SHARDS, None)),  # [W, D] and [D, W]
  (r"params/layers/(attention|mlp)(_post|_sum)?_norm/(scale|bias)", P(None, None)),  # [L, D]
  (r"params/layers/attention/(query|key)_norm/scale", P(None, None)),  # [L, H]
  (r"params/layers/attention/(query|key)_norm/scales", P(None, "tensor", None)),  # [L, N, H]
  (
    r"params/layers/attention/(query|key|value|qkv)/kernel",
    P(None, SHARDS, "tensor", None),
  ),  # [L, D, N, H]
  (r"params/layers/attention/(query|key|value|qkv)/bias", P(None, "tensor", None)),  # [L, N, H]
  (
    r"params/layers/attention/grouped_qkv/kernel",
    P(None, SHARDS, "tensor", None, None),
  ),  # [L, D, K, Q, H]
  (r"params/layers/attention/grouped_qkv/bias", P(None, "tensor", None, None)),  # [L, K, Q, H]
  (r"params/layers/attention/sinks", P(None, "tensor")),  # [L, N]
  (r"params/layers/attention/out/kernel", P(None, "tensor", None, SHARDS)),  # [L, N, H, D]
  (r"params/layers/mlp/(gate|up)/kernel", P(None, SHARDS, "tensor")),  # [L, D, F]
  (r"params/layers/mlp/(gate|up)/bias", P(None, "tensor")),  # [L, F]
  (r"params/layers/mlp/gate_up/kernel", P(None, SHARDS, None, "tensor")),  # [L, D, 2, F]
  (r"params/layers/mlp/down/kernel", P(None, "tensor", SHARDS)),  # [L, F, D]
  (r"params/layers/(attention/out|mlp/down)/bias", P(None, None)),  # [L, D]
  (r"params/layers/experts/router/kernel", P(None, SHARDS, None)),  # [L, D, E]
  (r"params/layers/experts/router/bias", P(None, None)),  # [L, E]
  # Inside each expert as well, whose sizes always divide: there may be fewer experts than devices.
  (
    r"params/layers/experts/gate_up/kernel",
    P(None, "expert", INSIDE, None, "tensor"),
  ),  # [L, E, D, 2, F]
  (r"params/layers/experts/gate_up/bias", P(None, "expert", None, "tensor")),  # [L, E, 2, F]
  (r"params/layers/experts/down/kernel", P(None, "expert", "tensor", INSIDE)),  # [L, E, F, D]
  (r"params/layers/experts/down/bias", P(None, "expert", None)),  # [L, E, D]
  (r"params/final_norm/(scale|bias)", P(None)),
  (r"params/head/kernel", P(SHARDS, "tensor")),  # [D, V]
  (r"params/head/bias", P("tensor")),  # [V]
)

# A low-rank pair follows its kernel: `a` is split as the kernel's input, `b` and the vectors as its
# output. Full copies (saved/...) follow the parameter that they stand in for.
ADAPTERS = (
  (
    r"lora/layers/attention/(query|key|value|qkv|grouped_qkv)/a",
    P(None, SHARDS, None),
  ),  # [L, D, r]
  (r"lora/layers/attention/(query|key|value|qkv)/b", P(None, None, "tensor", None)),  # [L, r, N, H]
  (
    r"lora/layers/attention/(query|key|value|qkv)/(magnitude|bias)",
    P(None, "tensor", None),
  ),  # [L, N, H]
  (
    r"lora/layers/attention/grouped_qkv/b",
    P(None, None, "tensor", None, None),
  ),  # [L, r, K, Q, H]
  (
    r"lora/layers/attention/grouped_qkv/(magnitude|bias)",
    P(None, "tensor", None, None),
  ),  # [L, K, Q, H]
  (r"lora/layers/attention/out/a", P(None, "tensor", None, None)),  # [L, N, H, r]
  (r"lora/layers/mlp/(gate|up|gate_up)/a", P(None, SHARDS, None)),  # [L, D, r]
  (r"lora/layers/mlp/(gate|up)/b", P(None, None, "tensor")),  # [L, r, F]
  (r"lora/layers/mlp/(gate|up)/(magnitude|bias)", P(None, "tensor")),  # [L, F]
  (r"lora/layers/mlp/gate_up/b", P(None, None, None, "tensor")),  # [L, r, 2, F]
  (r"lora/layers/mlp/gate_up/(magnitude|bias)", P(None, None, "tensor")),  # [L, 2, F]
  (r"lora/layers/mlp/down/a", P(None, "tensor", None)),  # [L, F, r]
  (r"lora/layers/(attention/out|mlp/down)/b", P(None, None, SHARDS)),  # [L, r, D]
  (r"lora/layers/(attention/out|mlp/down)/(magnitude|bias)", P(None, SHARDS)),  # [L, D]
  (r"lora/layers/experts/router/a", P(None, SHARDS, None)),  # [L, D, r]
  (r"lora/layers/experts/router/b", P(None, None, None)),  # [L, r, E]
  (r"lora/layers/experts/gate_up/a", P(None, "expert", INSIDE, None)),  # [L, E, D, r]
  (r"lora/layers/experts/gate_up/b", P(None, "expert", None, None, "tensor")),  # [L, E, r, 2, F]
  (r"lora/layers/experts/down/a", P(None, "expert", "tensor", None)),  # [L, E, F, r]
  (r"lora/layers/experts/down/b", P(None, "expert", None, INSIDE)),  # [L, E, r, D]
  (r"lora_scale/layers/(attention|mlp|experts)/[a-z_]+/scale", P(None)),  # [L]
  (r"lora/embed/tokens/a", P("tensor", None)),  # [V, r]
  (r"lora/embed/positions/a", P(None, None)),  # [P, r]
  (r"lora/embed/(tokens|positions)/b", P(None, SHARDS)),  # [r, D]
  (r"lora/embed/(tokens|positions)/magnitude", P(SHARDS)),  # [D]
  (r"lora/(embed/project_in|project_out)/a", P(SHARDS, None)),  # [W, r] and [D, r]
  (r"lora/(embed/project_in|project_out)/b", P(None, None)),  # [r, D] and [r, W]
  (r"lora/(embed/project_in|project_out)/magnitude", P(None)),  # [D] and [W]
  (r"lora/head/a", P(SHARDS, None)),  # [D, r]
  (r"lora/head/b", P(None, "tensor")),  # [r, V]
  (r"lora/head/magnitude", P("tensor")),  # [V]
  (r"lora_scale/(embed/[a-z_]+|project_out|head)/scale", P()),
  (r"rows/(embed/tokens|head)/rows", P(None, SHARDS)),  # [n, D]
  (r"row_ids/(embed/tokens|head)/ids", P(None)),  # [n]
  # Vectors for a layer's outputs or inputs; virtual tokens: all small, and everywhere.
  (
    r"ia3(_on)?/(layers/(attention|mlp)/[a-z_]+|embed/project_in|project_out|head)/(inputs|outputs|on)",
    P(),
  ),
  (r"prompt/embed/rows", P(None, None)),  # [P, D]
  (r"prefix/layers/attention/(key|value)", P(None, None, "tensor", None)),  # [L, P, K, H]
)


def like(name: str) -> str:
  """The name that the table has for a leaf: that of the parameter that it stands in for, of the pair
  whose start it is, or of all layers where it is of the last."""
  name = re.sub("^(saved|params)/(last_(?=layers/))?", "params/", name)
  return re.sub("^lora_start/", "lora/", name)


def _quantized(name: str, leaf) -> P:
  """Where a leaf of quant/... (models/quant) lives: as the kernel that it is made of, whose inputs
  are one dim here and in four bits blocks, none of which is ever split."""
  path, part = name.removeprefix("quant/").rsplit("/", 1)
  kernel = tuple(tree.match(f"params/{path}/kernel", PARAMETERS))
  lead = 2 if "/experts/" in path else 1
  inputs = lead + (2 if path.endswith("attention/out") else 1)
  outputs = kernel[inputs:]
  if part == "scale":  # [L, *out], of int8
    return P(*kernel[:lead], *outputs)
  inside = (None,) * (leaf.ndim - lead - 1 - len(outputs))  # of a block: [L, n, 32, *out]
  return P(*kernel[: lead + 1], *inside, *outputs)


def shardings(variables, mesh: Mesh):
  """A NamedSharding for every leaf of {collection: {...}} (arrays or shape structs)."""

  def place(name, leaf):
    own = name.startswith("quant/")
    spec = _quantized(name, leaf) if own else tree.match(like(name), PARAMETERS + ADAPTERS)
    return NamedSharding(mesh, fit(spec, leaf.shape, mesh))

  return tree.map_named(place, variables)
