"""LoRA (Hu et al. 2021) in collections of its own, and PEFT's adapter folders, read and written.

{"lora": {layers/.../a [L, in, r], .../b [L, r, out]}, "lora_scale": {layers/.../scale [L]}};
`in` and `out` stand for the kernel's own dims, such as [N, H]; experts' have E after L. With b = 0,
as at the start, the adapter is the identity.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ftjax import tree
from ftjax.config import InputError, positive
from ftjax.models.config import ModelConfig
from ftjax.models.peft import SETTINGS, WEIGHTS, read, settings, write
from ftjax.models.targets import Target, choose, linear_layers

__all__ = [
  "SETTINGS", "WEIGHTS", "Target", "choose", "init", "linear_layers", "merge", "read",
  "settings", "write",
]  # fmt: skip


def init(
  key: jax.Array,
  config: ModelConfig,
  targets: dict[str, Target],
  *,
  rank: int,
  alpha: float,
  dtype=jnp.float32,
):
  """A new adapter: `a` uniform in +-1/sqrt(inputs) as in PEFT, `b` zero, scale alpha / rank."""
  positive(rank, "adapter.rank")
  ranks = {path: rank * t.sides for path, t in targets.items()}
  shapes = {path: (*t.lead, *t.shape_in, ranks[path]) for path, t in targets.items()}
  ends = np.cumsum([0, *(math.prod(shape) for shape in shapes.values())])
  draw = jax.random.uniform(
    key, (int(ends[-1]),), minval=-1, maxval=1
  )  # One draw: one compilation.
  named = {}
  for (path, t), start, end in zip(targets.items(), ends, ends[1:], strict=False):
    inputs, outputs = math.prod(t.shape_in), math.prod(t.shape_out)
    if rank > min(inputs, outputs):
      raise InputError(
        f"adapter.rank={rank} is above the size of {t.module}, which is {inputs} x {outputs}."
      )
    a = draw[start:end].reshape(shapes[path]) / inputs**0.5
    named[f"lora/{path}/a"] = a.astype(dtype)
    named[f"lora/{path}/b"] = jnp.zeros((*t.lead, ranks[path], *t.shape_out), dtype)
    named[f"lora_scale/{path}/scale"] = jnp.full(t.lead[:1], alpha / rank, jnp.float32)
  return tree.unflatten(named)


def merge(variables) -> dict[str, Any]:
  """{"params": ...} with scale * a b added to each adapted kernel, summed in float32 and kept in
  its dtype."""
  named = tree.flatten(variables)
  merged = {n: x for n, x in named.items() if n.startswith("params/")}
  for name in [n for n in named if n.startswith("lora/") and n.endswith("/a")]:
    path = name.removeprefix("lora/").removesuffix("/a")
    a, b = named[name].astype(jnp.float32), named[f"lora/{path}/b"].astype(jnp.float32)
    kernel = merged[f"params/{path}/kernel"]
    lead = a.shape[: a.ndim + b.ndim - 2 - kernel.ndim]  # layers, and experts
    n, r = math.prod(lead), a.shape[-1]
    delta = jnp.einsum("nIr,nrO->nIO", a.reshape(n, -1, r), b.reshape(n, r, -1))
    scale = named[f"lora_scale/{path}/scale"].reshape((-1,) + (1,) * (kernel.ndim - 1))
    total = kernel.astype(jnp.float32) + scale * delta.reshape(kernel.shape)
    merged[f"params/{path}/kernel"] = total.astype(kernel.dtype)
  return tree.unflatten(merged)
