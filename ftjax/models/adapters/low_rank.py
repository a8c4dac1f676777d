"""Low-rank pairs: LoRA (Hu et al. 2021), and DoRA (Liu et al. 2024) where there is a magnitude.

  lora/PATH        a [L, in, r]  b [L, r, out]  magnitude [L, out]  bias [L, out]
  lora_scale/PATH  scale [L]

W' = W + scale * a b, then every output's column of W' is given the length `magnitude`; the layer's
output gets scale * bias. `in` and `out` stand for the kernel's own dims, such as [N, H]; outside
the blocks there is no L. A layer of scale 0 has no adapter. With b = 0, as at the start, the
adapter is the identity.

Pairs in the blocks are read by the linear layer itself; those of the token tables and of the head
are worked into them (kinds.effective), so that dropout does not act there.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ftjax.config import InputError
from ftjax.models.contract import contract

TRAINED, FROZEN = ("lora",), ("lora_scale",)


def read_by_layers(path: str) -> bool:
  """Whether layers.Linear reads the adapter of this path itself."""
  return path.startswith("layer")


def linear(
  y: jax.Array, x: jax.Array, dropped: jax.Array, kernel: jax.Array, leaves: Mapping
) -> jax.Array:
  """What a linear layer gives with its pair, of y = contract(x, kernel); in y's dtype.

  As in PEFT, the columns' lengths are constants to the gradient (section 4.3 of the paper).
  """
  if "lora" not in leaves:
    return y
  leaves, scale = leaves["lora"], leaves["lora_scale"]["scale"]
  a, b = leaves["a"], leaves["b"]
  dims = a.ndim - 1
  low = contract(contract(dropped, a, dims, y.dtype), b, 1, y.dtype)
  if "bias" in leaves:
    low += _last(leaves["bias"], low).astype(y.dtype)
  low *= scale.astype(y.dtype)
  if "magnitude" not in leaves:
    return y + low
  f32 = jnp.float32
  factor = _last(_factor(_sum(kernel, a, b, scale), leaves["magnitude"], scale, dims), y)
  own = y if dropped is x else contract(dropped, kernel, dims, y.dtype)
  return (y.astype(f32) + (factor - 1) * own.astype(f32) + factor * low.astype(f32)).astype(y.dtype)


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """A leaf of params with its pair (or its bias with the pair's) added: float32, or what is
  wider."""
  path, _, last = name.removeprefix("params/").rpartition("/")
  path, last = (path, last) if last in ("kernel", "bias") else (f"{path}/{last}", "kernel")
  if f"lora/{path}/a" not in adapter:
    return leaf
  scale = adapter[f"lora_scale/{path}/scale"]
  stacked = jax.vmap if scale.ndim else lambda fn: fn
  if last == "bias":
    bias = adapter.get(f"lora/{path}/bias")
    add = lambda leaf, bias, scale: leaf.astype(jnp.float32) + scale * bias.astype(jnp.float32)
    return leaf if bias is None else stacked(add)(leaf, bias, scale)
  pair = [adapter[f"lora/{path}/{part}"] for part in "ab"]
  magnitude = adapter.get(f"lora/{path}/magnitude")
  if magnitude is None:
    return stacked(_sum)(leaf, *pair, scale)
  dims = pair[0].ndim - 1 - scale.ndim

  def dora(leaf, a, b, scale, magnitude):
    w = _sum(leaf, a, b, scale)
    return w * _factor(w, magnitude, scale, dims).reshape((1,) * dims + magnitude.shape)

  return stacked(dora)(leaf, *pair, scale, magnitude)


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
