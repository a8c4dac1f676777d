"""Matrices as single tokens read them fastest: those with the same input side by side as one, since
products of few rows are short, and what they cost is how often they begin; the head by its rows."""

from dataclasses import replace

import jax
import jax.numpy as jnp

from ftjax.models.config import ModelConfig


def fuse(config: ModelConfig, variables: dict) -> dict:
  """The variables of Decoder(scan=False) with query, key and value as one kernel, gate and up as one,
  and a head of its own as [V, D]; as they are where the checkpoint has them so, and under what layers
  read beside params (an adapter, a quantized base), which stands for each matrix apart."""
  if variables.keys() != {"params"}:
    return variables
  c, params = config, dict(variables["params"])
  for name in (f"layer_{l}" for l in range(c.L)):
    layer = dict(params[name])
    if not (c.fused_qkv or c.grouped_qkv):  # [D, N, H] along the heads; biases [N, H].
      join = lambda *x: jnp.concatenate(x, -2)
      layer["attention"] = _as_one(layer["attention"], ("query", "key", "value"), "qkv", join)
    if c.gated and not c.fused_gate_up and not c.experts:  # [D, F] to [D, 2, F]; biases [2, F].
      layer["mlp"] = _as_one(layer["mlp"], ("gate", "up"), "gate_up", lambda *x: jnp.stack(x, -2))
    params[name] = layer
  if not c.tied:
    rest = {k: v for k, v in params["head"].items() if k != "kernel"}
    params["head"] = rest | {"rows": params["head"]["kernel"].T}
  return {"params": params}


def fused(config: ModelConfig, variables: dict) -> ModelConfig:
  """The config that goes with what `fuse` gave."""
  if variables.keys() != {"params"}:
    return config
  layer = variables["params"]["layer_0"]
  return replace(
    config,
    fused_qkv="qkv" in layer["attention"],
    fused_gate_up="gate_up" in layer.get("mlp", {}),
  )


def _as_one(module: dict, names: tuple[str, ...], together: str, join) -> dict:
  rest = {k: v for k, v in module.items() if k not in names}
  return rest | {together: jax.tree.map(join, *(module[n] for n in names))}
