"""Matrices as single tokens read them fastest: those with the same input side by side as one, since
products of few rows are short, and what they cost is how often they begin; the head by its rows."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig


def fuse(config: ModelConfig, variables: dict) -> None:
  """Puts into the variables of Decoder(scan=False) query, key and value as one kernel, gate and up as
  one, and a head of its own as [V, D]; nothing where the checkpoint has them so, nor where layers read
  more than params (an adapter, a quantized base), which stands for each matrix apart."""
  if variables.keys() != {"params"}:
    return
  params = variables["params"]
  for name in (f"layer_{l}" for l in range(config.L)):
    params[name] = _fused_layer(params[name], config)  # one layer at a time is there twice
  if not config.tied:
    params["head"]["rows"] = params["head"].pop("kernel").T


def fused(config: ModelConfig, variables: dict) -> ModelConfig:
  """The config that goes with what `fuse` left."""
  if variables.keys() != {"params"}:
    return config
  layer = variables["params"]["layer_0"]
  return replace(
    config,
    fused_qkv="qkv" in layer["attention"],
    fused_gate_up="gate_up" in layer.get("mlp", {}),
  )


def part_of(config: ModelConfig, layer: dict, path: list[str]) -> jax.Array:
  """A leaf of a layer by its path, also where `fuse` made it a part of another."""
  module, name, *rest = path
  N, K = config.sizes["N"], config.sizes["K"]
  parts = {
    "query": ("qkv", slice(0, N)), "key": ("qkv", slice(N, N + K)), "value": ("qkv", slice(N + K, None)),
    "gate": ("gate_up", 0), "up": ("gate_up", 1),
  }  # fmt: skip
  together, which = parts.get(name, ("", None))
  if together not in layer[module]:
    return functools.reduce(lambda node, key: node[key], path, layer)
  return layer[module][together][rest[0]][..., which, :]


def give_up(layer: dict, path: list[str]) -> None:
  """Removes a leaf of a layer by its path, where it is one of its own."""
  *modules, last = path
  functools.reduce(lambda node, key: node.get(key, {}), modules, layer).pop(last, None)


@functools.partial(jax.jit, static_argnames="config")
def _fused_layer(layer: dict, config: ModelConfig) -> dict:
  c, layer = config, dict(layer)
  if not (c.fused_qkv or c.grouped_qkv):  # [D, N, H] along the heads; biases [N, H].
    join = lambda *x: jnp.concatenate(x, -2)
    layer["attention"] = _as_one(layer["attention"], ("query", "key", "value"), "qkv", join)
  if c.gated and not c.fused_gate_up and not c.experts:  # [D, F] to [D, 2, F]; biases [2, F].
    layer["mlp"] = _as_one(layer["mlp"], ("gate", "up"), "gate_up", lambda *x: jnp.stack(x, -2))
  return layer


def _as_one(module: dict, names: tuple[str, ...], together: str, join) -> dict:
  rest = {k: v for k, v in module.items() if k not in names}
  return rest | {together: jax.tree.map(join, *(module[n] for n in names))}
