"""What many families have in common: lines of weight tables, and the names that Llama and GPT-2 gave
to fields of config.json and to tensors."""

import re
from collections.abc import Mapping

from ftjax.models.config import ModelConfig, Weight
from ftjax.models.fields import Fields, activation, rope, windows


def linear(name: str, path: str, dims: str, bias: bool, *, outputs: int = 0) -> list[Weight]:
  """The kernel of a linear layer, and its bias where it has one.

  outputs: where the checkpoint's kernel has its outputs: 0 as torch's Linear, -1 as Conv1D.
  """
  rows = [Weight(name + ".weight", path + "/kernel", dims)]
  if bias:
    group = re.findall(r"\([^)]*\)|\w", dims.split("->")[0])[outputs]
    rows.append(Weight(name + ".bias", path + "/bias", f"{group} -> {group.strip('()')}"))
  return rows


def norm(c: ModelConfig, name: str, path: str) -> list[Weight]:
  """A norm over the model's width."""
  rows = [Weight(name + ".weight", path + "/scale", "D -> D")]
  if c.norm == "layer" and c.norm_bias:
    rows.append(Weight(name + ".bias", path + "/bias", "D -> D"))
  return rows


def heads(c: ModelConfig, attention: str) -> list[Weight]:
  """Queries, keys and values apart, as q_proj, k_proj and v_proj of `attention`."""
  rows = []
  for theirs, ours, n in (("q", "query", "N"), ("k", "key", "K"), ("v", "value", "K")):
    name, path = f"{attention}{theirs}_proj", f"layers/attention/{ours}"
    rows += linear(name, path, f"({n} H) D -> D {n} H", c.qkv_bias)
  return rows


def plain_mlp(c: ModelConfig, up: str, down: str) -> list[Weight]:
  """An MLP without a gate."""
  rows = linear(up, "layers/mlp/up", "F D -> D F", c.mlp_bias)
  return rows + linear(down, "layers/mlp/down", "D F -> F D", c.mlp_bias)


def llama_config(f: Fields, **flags) -> ModelConfig:
  """A gated decoder whose config.json has Llama's names; `flags` say where a family differs.

  Norm, activation, rope, F and max_length are read only where `flags` do not give them.
  """
  D, N = f.need("hidden_size"), f.need("num_attention_heads")
  sizes = dict(
    V=f.need("vocab_size"),
    D=D,
    L=f.need("num_hidden_layers"),
    N=N,
    K=f.get("num_key_value_heads", default=N),
    H=f.get("head_dim", default=D // N),
    F=flags.get("F") or f.need("intermediate_size"),
    max_length=flags.get("max_length") or f.need("max_position_embeddings"),
  )
  sizes |= flags
  if "norm" not in flags:
    sizes |= dict(norm="rms", norm_eps=f.get("rms_norm_eps", default=1e-6))
  if "activation" not in flags:
    sizes["activation"] = activation(f.get("hidden_act", default="silu"))
  if "rope" not in flags:
    sizes["rope"] = rope(f, sizes["H"])
  return ModelConfig(**sizes)


LLAMA_NORMS = {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"}


def llama_weights(c: ModelConfig, norms: Mapping[str, str] = LLAMA_NORMS) -> list[Weight]:
  """Llama's names for all that the flags of `c` ask for, but experts, an MLP without a gate, and
  the norms of queries and keys.

  norms: the checkpoint's name of each norm of a layer, and ours.
  """
  layer, mine = "model.layers.{l}.", "layers/"
  table = [Weight("model.embed_tokens.weight", "embed/tokens", "V D -> V D")]
  table += norm(c, "model.norm", "final_norm")
  for theirs, ours in norms.items():
    table += norm(c, layer + theirs, mine + ours)
  qkv = layer + "self_attn.qkv_proj", mine + "attention/qkv", "(M H) D -> D M H", c.qkv_bias
  table += linear(*qkv) if c.fused_qkv else heads(c, layer + "self_attn.")
  out = layer + "self_attn.o_proj"
  table += linear(out, mine + "attention/out", "D (N H) -> N H D", c.out_bias)
  for theirs, ours, dims in _llama_mlp(c):
    table += linear(f"{layer}mlp.{theirs}", f"{mine}mlp/{ours}", dims, c.mlp_bias)
  if not c.tied:
    table += linear("lm_head", "head", "V D -> D V", c.head_bias)
  return table


def _llama_mlp(c: ModelConfig) -> list[tuple[str, str, str]]:
  if c.experts or not c.gated:
    return []
  apart = [("gate_proj", "gate", "F D -> D F"), ("up_proj", "up", "F D -> D F")]
  fused = [("gate_up_proj", "gate_up", "(C F) D -> D C F")]
  return (fused if c.fused_gate_up else apart) + [("down_proj", "down", "D F -> F D")]


def qk_norms(c: ModelConfig, query: str = "q_norm.weight", key: str = "k_norm.weight"):
  """The norms of queries and keys, by their names under self_attn: [H], [N, H] or [N * H] there, or
  one tensor for each head where the name has {n}, {k}."""
  rows = []
  for theirs, ours, n in ((query, "query", "N"), (key, "key", "K")):
    name, path = "model.layers.{l}.self_attn." + theirs, f"layers/attention/{ours}_norm/"
    if c.qk_norm == "head":
      rows.append(Weight(name, path + "scale", "H -> H"))
    elif c.qk_norm != "none":
      stored = "H" if "{" in theirs else f"({n} H)" if c.qk_norm == "width" else f"{n} H"
      rows.append(Weight(name, path + "scales", f"{stored} -> {n} H"))
  return rows


def every_window(f: Fields, window: int | None) -> tuple[int, ...]:
  """The same window in every layer."""
  return (window,) * f.need("num_hidden_layers") if window else ()


def upper_windows(f: Fields) -> tuple[int, ...]:
  """The windows of a config.json that switches them on for layers from max_window_layers up."""
  L, first = f.need("num_hidden_layers"), f.get("max_window_layers", default=28)
  window = f.get("sliding_window", default=4096)
  window = window if f.get("use_sliding_window", default=False) else None
  return windows(f, L, window, [l >= first for l in range(L)])


GEMMA_NORMS = {
  "input_layernorm": "attention_norm",
  "post_attention_layernorm": "attention_post_norm",
  "pre_feedforward_layernorm": "mlp_norm",
  "post_feedforward_layernorm": "mlp_post_norm",
}


def gemma_flags(f: Fields) -> dict:
  """What all of Gemma has in common."""
  f.only("use_bidirectional_attention", False)
  bias = f.get("attention_bias", default=False)
  return dict(
    H=f.get("head_dim", default=256),
    norm_offset=1.0,
    embed_scale=f.need("hidden_size") ** 0.5,
    qkv_bias=bias,
    out_bias=bias,
    tied=f.get("tie_word_embeddings", default=True),
  )


def gpt_config(f: Fields, **flags) -> ModelConfig:
  """A decoder with LayerNorm and a plain MLP whose config.json has GPT-2's names."""
  D, N = f.need("n_embd"), f.need("n_head")
  return ModelConfig(
    V=f.need("vocab_size"),
    D=D,
    L=f.need("n_layer"),
    N=N,
    K=N,
    H=D // N,
    F=f.get("n_inner", default=4 * D),
    max_length=f.need("n_positions"),
    norm="layer",
    norm_eps=f.get("layer_norm_epsilon", default=1e-5),
    activation=activation(f.get("activation_function", default="gelu_new")),
    gated=False,
    mlp_bias=True,
    **flags,
  )
