"""A base in eight or four bits: the collection "quant" beside "params".

  params/layers/mlp/down/kernel [L, F, D]  ->  quant/layers/mlp/down/{nf4, scales, step, mean}

The kernels of the blocks are quantized, their experts' among them; embeddings, head, norms, biases
and a router of experts (small, and the whole MLP hangs on what it chooses) stay as they are. The
layers read them by `kernel`, and each makes its matrix anew where it multiplies: see layers.Linear.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.config import InputError, choice
from ftjax.models.quant import codes

COLLECTION = "quant"
_QUANTIZED = re.compile(r"params/(layers/(?:attention|mlp|experts)/(?!router/)[a-z_]+)/kernel")


def check(kind: str, adapter: str = "") -> None:
  """Raises InputError for what is not known, or a quantized base that nothing would be trained
  on."""
  choice(kind, ("", *codes.KINDS), "model.quantize")
  if kind and adapter == "none":
    raise InputError(
      f"model.quantize={kind} with adapter.kind=none: a quantized base is never trained. Set "
      "adapter.kind=lora, or leave model.quantize empty for full fine-tuning."
    )


def quantized(name: str) -> bool:
  """Whether this leaf of params is one that is quantized."""
  return _QUANTIZED.fullmatch(name) is not None


def sides(name: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
  """(dims that count matrices, inputs, outputs) of a kernel's shape, by its name."""
  lead = 2 if "/experts/" in name else 1
  inputs = lead + (2 if "/attention/out/" in name else 1)
  return shape[:lead], shape[lead:inputs], shape[inputs:]


def structs(name: str, shape: tuple[int, ...], kind: str) -> dict[str, jax.ShapeDtypeStruct]:
  """{name of a leaf: its shape and dtype} for one kernel of params."""
  lead, inputs, outputs = sides(name, shape)
  path = f"{COLLECTION}/{_QUANTIZED.fullmatch(name)[1]}"
  found = codes.shapes(kind, math.prod(inputs), outputs)
  return {f"{path}/{n}": jax.ShapeDtypeStruct(lead + s, d) for n, (s, d) in found.items()}


def abstract(params: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """{"params", "quant"} as shape structs for {"params": ...} (arrays or shape structs): what
  reading a base with model.quantize=kind gives, from shapes alone."""
  named = {}
  for name, x in tree.flatten(params).items():
    if kind and quantized(name):
      named |= structs(name, x.shape, kind)
    else:
      named[name] = jax.ShapeDtypeStruct(x.shape, x.dtype)
  return tree.unflatten(named)


def quantize(params: Mapping[str, Any], kind: str) -> dict[str, Any]:
  """{"params", "quant"} of {"params": ...} in memory."""
  named = {}
  for name, x in tree.flatten(params).items():
    if not quantized(name):
      named[name] = x
      continue
    lead, inputs, outputs = sides(name, x.shape)
    flat = x.reshape(-1, math.prod(inputs), *outputs)
    leaves = jax.lax.map(lambda w: codes.quantize(kind, w), flat)
    wanted = structs(name, x.shape, kind)
    named |= {n: leaves[n.rpartition("/")[2]].reshape(s.shape) for n, s in wanted.items()}
  return tree.unflatten(named)


def kernel(
  leaves: codes.Leaves, inputs: tuple[int, ...], outputs: tuple[int, ...], dtype=jnp.float32
) -> jax.Array:
  """[..., *inputs, *outputs] of the leaves of one path, whatever dims count its matrices."""
  kind = next(k for k in leaves if k in codes.KINDS)
  one = lambda leaves: codes.dequantize(leaves, math.prod(inputs), dtype)
  lead = leaves[kind].ndim - len(codes.shapes(kind, math.prod(inputs), outputs)[kind][0])
  for _ in range(lead):
    one = jax.vmap(one)
  return one(leaves).reshape(*leaves[kind].shape[:lead], *inputs, *outputs)


def late(
  product: Callable[..., jax.Array], inputs: tuple[int, ...], outputs: tuple[int, ...], dtype
) -> Callable[..., jax.Array]:
  """product(kernel, x, dropped) as a function of the kernel's leaves, which makes the kernel where it is
  needed, in the backward pass once more: no matrix in full outlives its product.

  To be used inside a scan, whose passes are apart from each other anyway. dropped may be x itself.
  """

  def made(leaves, x, dropped):
    return product(kernel(leaves, inputs, outputs, dtype), x, x if dropped is None else dropped)

  again = jax.checkpoint(made, prevent_cse=False)
  return lambda leaves, x, dropped: again(leaves, x, None if dropped is x else dropped)


def leaf(variables: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> jax.Array:
  """The leaf "params/..." of this shape: float32 where it is quantized, else as it is."""
  path = name.partition("/")[2].removesuffix("/kernel")
  mine = _at(variables.get(COLLECTION, {}), path)
  if mine is None:
    return _at(variables["params"], name.partition("/")[2])
  return kernel(mine, *sides(name, shape)[1:])


def dequantized(variables: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Any]:
  """{"params": ...} in full, of these shapes (arrays or shape structs), and what else there is."""
  params = tree.map_named(lambda n, x: leaf(variables, n, x.shape), {"params": shapes["params"]})
  return {c: x for c, x in variables.items() if c != COLLECTION} | params


def _at(node: Any, path: str) -> Any:
  """What is at a path of nested mappings; None where nothing is."""
  for part in path.split("/"):
    node = node.get(part) if isinstance(node, Mapping) else None
  return node
