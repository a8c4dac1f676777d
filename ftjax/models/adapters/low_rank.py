"""Low-rank pairs: LoRA (Hu et al. 2021), and DoRA (Liu et al. 2024) where there is a magnitude.

  lora/PATH        a [L, in, r]  b [L, r, out]  magnitude [L, out]  bias [L, out]
                   a [L, E, in, r]  b [L, E, r, out]  of experts, which have nothing else
  lora_scale/PATH  scale [L]
  lora_start/PATH  a, b as above: what the pair was at the start, where that was not zero

W' = W + scale * (a b - start's a b), then every output's column of W' is given the length `magnitude`; the layer's
output gets scale * bias. `in` and `out` stand for the kernel's own dims, such as [N, H]; outside
the blocks there is no L. A layer of scale 0 has no adapter. With b = 0, or as the start's,
the adapter is the identity. PiSSA (Meng et al. 2024) and OLoRA (Buyukakyuz 2024) take the start's
product off the base's weights; to keep it beside them is the same sum, and leaves the base as it is.

The linear layer itself reads its pair (of experts: models/moe.py); those of the token tables and of
the head are worked into them (kinds.effective), so that dropout does not act there. PEFT's folders:
adapters/modules.py and, for experts, adapters/parameters.py.
"""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import modules, parameters
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.adapters.plain import embedded as embedded
from ftjax.models.adapters.plain import inputs as inputs
from ftjax.models.adapters.plain import keys as keys
from ftjax.models.adapters.plain import outputs as outputs
from ftjax.models.adapters.plain import virtual as virtual
from ftjax.models.contract import contract
from ftjax.models.targets import HEAD, TABLES

TRAINED, FROZEN = ("lora",), ("lora_scale", "lora_start")


def read_by_layers(path: str) -> bool:
  """Whether layers.Linear reads the adapter of this path itself."""
  return path.rpartition("/")[0] not in (*TABLES, HEAD)


def linear(
  y: jax.Array, x: jax.Array, dropped: jax.Array, kernel: jax.Array, leaves: Mapping
) -> jax.Array:
  """What a linear layer gives with its pair, of y = contract(x, kernel); in y's dtype.

  As in PEFT, the columns' lengths are constants to the gradient (section 4.3 of the paper).
  """
  if "lora" not in leaves:
    return y
  start, leaves, scale = leaves.get("lora_start"), leaves["lora"], leaves["lora_scale"]["scale"]
  a, b = leaves["a"], leaves["b"]
  dims = a.ndim - 1
  low = contract(contract(dropped, a, dims, y.dtype), b, 1, y.dtype)
  if start is not None:
    low -= contract(contract(x, start["a"], dims, y.dtype), start["b"], 1, y.dtype)
  if "bias" in leaves:
    low += _last(leaves["bias"], low).astype(y.dtype)
  low *= scale.astype(y.dtype)
  if "magnitude" not in leaves:
    return y + low
  f32 = jnp.float32
  factor = _last(_factor(_sum(kernel, a, b, scale), leaves["magnitude"], scale, dims), y)
  own = y if dropped is x else contract(dropped, kernel, dims, y.dtype)
  return (y.astype(f32) + (factor - 1) * own.astype(f32) + factor * low.astype(f32)).astype(y.dtype)


def pair(leaves: Mapping, dtype) -> tuple[jax.Array, jax.Array] | tuple[None, None]:
  """(a, scale * b) in `dtype` of the leaves of one layer, or nothing: for experts, whose kernels no
  Linear holds."""
  if "lora" not in leaves:
    return None, None
  a, b = leaves["lora"]["a"], leaves["lora"]["b"]
  return a.astype(dtype), (b * leaves["lora_scale"]["scale"].astype(b.dtype)).astype(dtype)


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """A leaf of params with its pair (or its bias with the pair's) added: float32, or what is
  wider."""
  path, _, last = name.removeprefix("params/").rpartition("/")
  path, last = (path, last) if last in ("kernel", "bias") else (f"{path}/{last}", "kernel")
  if f"lora/{path}/a" not in adapter:
    return leaf
  scale = adapter[f"lora_scale/{path}/scale"]
  stacked = jax.vmap if scale.ndim else lambda fn: fn  # over layers
  if last == "bias":
    bias = adapter.get(f"lora/{path}/bias")
    add = lambda leaf, bias, scale: leaf.astype(jnp.float32) + scale * bias.astype(jnp.float32)
    return leaf if bias is None else stacked(add)(leaf, bias, scale)
  pair = modules.since_start(adapter, path)
  magnitude = adapter.get(f"lora/{path}/magnitude")
  if magnitude is None:
    experts = (
      sum(x.ndim - 1 for x in pair) - leaf.ndim - scale.ndim
    )  # as many dims count them: 0 or 1
    return stacked(jax.vmap(_sum, (0, 0, 0, None)) if experts else _sum)(leaf, *pair, scale)
  dims = pair[0].ndim - 1 - scale.ndim

  def dora(leaf, a, b, scale, magnitude):
    w = _sum(leaf, a, b, scale)
    return w * _factor(w, magnitude, scale, dims).reshape((1,) * dims + magnitude.shape)

  return stacked(dora)(leaf, *pair, scale, magnitude)


def part(adapter: Mapping[str, jax.Array], index: tuple[int | slice, ...]) -> dict[str, jax.Array]:
  """What of a leaf's adapter belongs to leaf[index]: numbers of layer and expert, then, behind whole
  dims of inputs, perhaps a number among the outputs."""
  lead = tuple(itertools.takewhile(lambda i: isinstance(i, int), index))
  out = {n: x[lead[: x.ndim]] if n.endswith("/scale") else x[lead] for n, x in adapter.items()}
  dims = next((x.ndim - 1 for n, x in out.items() if n.endswith("/a")), 0)
  outputs = index[len(lead) + dims :]
  of = {"b": (slice(None), *outputs), "magnitude": outputs, "bias": outputs}
  return {n: x[of.get(n.rpartition("/")[2], ())] for n, x in out.items()}


def check_merge(names, adapter: Mapping[str, jax.Array]) -> None:
  """Raises InputError for what no parameter of the base can take."""
  for name in adapter:
    if name.startswith("lora/") and name.endswith("/bias"):
      if (base := "params/" + name.removeprefix("lora/")) not in names:
        raise InputError(
          f"The adapter has a bias (lora_bias) for {base.removesuffix('/bias')}, which has none: it "
          "cannot be merged. Keep base and adapter apart."
        )


def lengths(kernel: jax.Array, dims: int, stacked: bool) -> jax.Array:
  """float32 [L, out] (or [out]): the length of every output's column, DoRA's first magnitude.

  dims: how many dims of the kernel are inputs.
  """
  return jax.vmap(_lengths, (0, None))(kernel, dims) if stacked else _lengths(kernel, dims)


def _lengths(kernel, dims: int):
  return jnp.sqrt(jnp.square(kernel.astype(jnp.float32)).sum(range(dims)))


def _sum(kernel, a, b, scale):
  """float32: kernel + scale * a b."""
  a, b = a.astype(jnp.float32), b.astype(jnp.float32)
  return kernel.astype(jnp.float32) + scale * jnp.tensordot(a, b, 1, precision="highest")


def _factor(w, magnitude, scale, dims: int):
  """float32 [out]: what the columns of w are multiplied by to have their magnitude."""
  length = jax.lax.stop_gradient(_lengths(w, dims))
  usable = (scale != 0) & (length > 0)
  return jnp.where(usable, magnitude / jnp.where(usable, length, 1), 1)


def _last(vector, y):
  """`vector` with dims of 1 in front, for y's last dims."""
  return vector.reshape((1,) * (y.ndim - vector.ndim) + vector.shape)


def read(r: Reader) -> dict[str, np.ndarray]:
  """The pairs of a PEFT folder."""
  return modules.read(r) | parameters.read(r)


def write(w: Writer) -> None:
  """Adds the pairs, and the settings that all of them share."""
  found = modules.write(w) | parameters.write(w)
  if not found:
    return
  ranks, alphas = ({m: x[i] for m, x in found.items()} for i in (0, 1))
  rank, alpha = _usual(ranks), _usual(alphas)
  w.settings = {"bias": "none", "target_modules": []} | w.settings | {
    "peft_type": "LORA", "r": rank, "lora_alpha": alpha,
    "rank_pattern": {m: r for m, r in ranks.items() if r != rank},
    "alpha_pattern": {m: x for m, x in alphas.items() if x != alpha},
  } | ({"use_rslora": True} if w.rslora else {})  # fmt: skip


def _usual(values: dict[str, int | float]):
  """The most common value."""
  every = list(values.values())
  return max(set(every), key=every.count)
