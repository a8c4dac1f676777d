"""The table of everything that is checked against transformers: a new family adds a line.

tests/models/test_table.py measures every line, tests/tiny.py makes its checkpoints, and docs/models.md
quotes its bounds.
"""

from typing import Any, NamedTuple

# Sizes: those of "llama" and "gpt2" divide over a mesh, the others are odd where they may be.
_LLAMA = dict(
  vocab_size=97, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
  num_key_value_heads=2, max_position_embeddings=128,
)  # fmt: skip
_GPT2 = dict(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=128)
_ODD = dict(
  vocab_size=97, hidden_size=36, intermediate_size=41, num_hidden_layers=3, num_attention_heads=6,
  num_key_value_heads=3, max_position_embeddings=128,
)  # fmt: skip
_NEO = dict(
  vocab_size=97, hidden_size=36, num_layers=2, num_heads=3, max_position_embeddings=128,
)  # fmt: skip
_PLAIN = {k: v for k, v in _ODD.items() if k not in ("num_key_value_heads", "intermediate_size")}
_MOE = _ODD | dict(intermediate_size=20, num_local_experts=5, num_experts_per_tok=2)
# bfloat16 sends a token whose scores are close to other experts: a jump, not a rounding.
_ROUTED = dict(exact=2e-4, half=0.3)


class Variant(NamedTuple):
  """A model_type, the fields of its config.json, and how close it must be.

  reach: documents longer than this go past a window or the original length. exact: the largest
  difference of float32 logits. half: that of a model in bfloat16, as a share of the largest logit.
  """

  kind: str
  fields: dict[str, Any]
  reach: int | None
  exact: float
  half: float


def _of(kind: str, sizes: dict, *, reach=None, exact=1e-4, half=0.05, **fields) -> Variant:
  return Variant(kind, sizes | fields, reach, exact, half)


def _rope(kind: str, theta: float = 10_000.0, **fields) -> dict[str, Any]:
  return dict(rope_type=kind, rope_theta=theta) | fields


_LLAMA3 = _rope(
  "llama3", 500_000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
  original_max_position_embeddings=32,
)  # fmt: skip
_YARN = _rope("yarn", 100.0, factor=4.0, original_max_position_embeddings=32)
_LONG = _rope(
  "longrope", short_factor=[1.0, 1.3, 2.5], long_factor=[1.1, 3.0, 9.0],
  original_max_position_embeddings=23,
)  # fmt: skip

# fmt: off
VARIANTS: dict[str, Variant] = {
  "llama": _of("llama", _LLAMA),
  "llama, tied": _of("llama", _ODD, tie_word_embeddings=True, num_key_value_heads=1),
  "llama, wide heads": _of("llama", _LLAMA, head_dim=14),
  "llama, biases": _of("llama", _LLAMA, attention_bias=True, mlp_bias=True, hidden_act="gelu"),
  "llama, theta": _of("llama", _LLAMA, rope_parameters=_rope("default", 700.0)),
  "llama, linear": _of("llama", _LLAMA, rope_parameters=_rope("linear", factor=4.0)),
  "llama, dynamic": _of(
    "llama", _LLAMA, reach=23, max_position_embeddings=23,
    rope_parameters=_rope("dynamic", factor=4.0)),
  "llama, llama3": _of("llama", _LLAMA, reach=32, rope_parameters=_LLAMA3),
  "llama, yarn": _of("llama", _LLAMA, reach=32, rope_parameters=_YARN),
  "llama, yarn of its own": _of(
    "llama", _LLAMA, reach=32, rope_parameters=_YARN | dict(
      beta_fast=4.0, beta_slow=0.5, mscale=1.3, mscale_all_dim=0.7, truncate=False)),
  "mistral": _of("mistral", _ODD, reach=7, sliding_window=7),
  "mistral, no window": _of("mistral", _ODD, sliding_window=None, head_dim=10),
  "qwen2": _of("qwen2", _ODD, tie_word_embeddings=True),
  "qwen2, windows": _of(
    "qwen2", _ODD, reach=7, use_sliding_window=True, sliding_window=7, max_window_layers=1),
  "qwen3": _of("qwen3", _ODD, head_dim=10),
  "qwen3, windows, biases": _of(
    "qwen3", _ODD, reach=7, head_dim=10, attention_bias=True,
    use_sliding_window=True, sliding_window=7, max_window_layers=2),
  "gemma": _of("gemma", _ODD, head_dim=10),
  "gemma2": _of(
    "gemma2", _ODD, reach=7, head_dim=10, sliding_window=7, query_pre_attn_scalar=11,
    attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
  "gemma2, no caps": _of(
    "gemma2", _ODD, head_dim=10, attn_logit_softcapping=None, final_logit_softcapping=None,
    attention_bias=True),
  "gemma3_text": _of(
    "gemma3_text", _ODD, reach=7, head_dim=10, sliding_window=7, query_pre_attn_scalar=11,
    layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
  "gemma3_text, linear": _of(
    "gemma3_text", _ODD, reach=7, head_dim=10, sliding_window=7, final_logit_softcapping=3.0,
    sliding_window_pattern=3, rope_parameters=dict(
      full_attention=_rope("linear", 1e6, factor=8.0), sliding_attention=_rope("default"))),
  "smollm3": _of("smollm3", _ODD, no_rope_layer_interval=2),
  "smollm3, windows, biases": _of(
    "smollm3", _ODD, reach=7, no_rope_layers=[0, 1, 0], use_sliding_window=True, sliding_window=7,
    attention_bias=True, mlp_bias=True),
  "granite": _of(
    "granite", _ODD, embedding_multiplier=3.0, residual_multiplier=0.22, attention_multiplier=0.3,
    logits_scaling=0.5),
  "granite, tied, biases": _of(
    "granite", _ODD, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
  "olmo2": _of("olmo2", _ODD),
  "olmo2, yarn, biases": _of(
    "olmo2", _ODD, reach=32, attention_bias=True,
    rope_parameters=_YARN | dict(attention_factor=1.2)),
  "phi3": _of("phi3", _ODD, reach=7, sliding_window=7),
  "phi3, longrope": _of(
    "phi3", _ODD, reach=23, original_max_position_embeddings=23, rope_parameters=_LONG,
    tie_word_embeddings=True),
  "phi3, partial": _of("phi3", _ODD, num_attention_heads=3, partial_rotary_factor=0.5),
  "cohere": _of("cohere", _ODD, use_qk_norm=True, logit_scale=0.7),
  "cohere, untied, biases": _of(
    "cohere", _ODD, attention_bias=True, tie_word_embeddings=False, logit_scale=0.7),
  "cohere2": _of(
    "cohere2", _ODD, reach=7, sliding_window=7, sliding_window_pattern=2, logit_scale=0.7),
  "stablelm": _of("stablelm", _ODD, use_qkv_bias=True, partial_rotary_factor=0.4),
  "stablelm, large": _of(
    "stablelm", _ODD, qk_layernorm=True, use_parallel_residual=True, partial_rotary_factor=0.7),
  "gpt2": _of("gpt2", _GPT2),
  "gpt2, untied, inner": _of("gpt2", _GPT2, tie_word_embeddings=False, n_inner=42),
  "gptj": _of("gptj", _GPT2, rotary_dim=4),
  "gptj, inner": _of(
    "gptj", _GPT2, n_inner=42, rotary_dim=2, activation_function="relu"),
  "mixtral": _of("mixtral", _MOE, **_ROUTED),
  "mixtral, tied, window": _of(
    "mixtral", _MOE, reach=7, **_ROUTED, tie_word_embeddings=True, sliding_window=7),
  "qwen3_moe": _of(
    "qwen3_moe", _MOE, **_ROUTED, head_dim=10, moe_intermediate_size=20, norm_topk_prob=True),
  "qwen3_moe, windows, biases": _of(
    "qwen3_moe", _MOE, reach=7, **_ROUTED, head_dim=10, moe_intermediate_size=20,
    num_experts_per_tok=3, attention_bias=True, use_sliding_window=True, sliding_window=7),
  "gpt_oss": _of(
    "gpt_oss", _MOE, reach=7, **_ROUTED, head_dim=10, sliding_window=7,
    rope_parameters=_YARN | dict(rope_theta=150.0, truncate=False)),
  "gpt_oss, clamped, no biases": _of(
    "gpt_oss", _MOE, **_ROUTED, head_dim=10, attention_bias=False, swiglu_alpha=1.3,
    swiglu_limit=0.3, layer_types=["full_attention"] * 3),
  "gpt_neox": _of("gpt_neox", _PLAIN, intermediate_size=41, rotary_pct=0.7),
  "gpt_neox, serial, no biases": _of(
    "gpt_neox", _PLAIN, intermediate_size=41, use_parallel_residual=False, attention_bias=False,
    rotary_pct=1.0, rotary_emb_base=500.0, tie_word_embeddings=True),
  "falcon": _of("falcon", _PLAIN),
  "falcon, two norms": _of(
    "falcon", _PLAIN, new_decoder_architecture=True, num_kv_heads=2, bias=True),
  "falcon, groups, one norm": _of(
    "falcon", _PLAIN, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1,
    ffn_hidden_size=50, tie_word_embeddings=False),
  "falcon, alibi": _of(
    "falcon", _PLAIN, alibi=True, multi_query=False, parallel_attn=False, bias=True),
  "falcon, alibi, one key head": _of("falcon", _PLAIN, alibi=True),
  "opt": _of("opt", _PLAIN, ffn_dim=41),
  "opt, norms after sums": _of(
    "opt", _PLAIN, ffn_dim=41, do_layer_norm_before=False, word_embed_proj_dim=20),
  "opt, no biases": _of(
    "opt", _PLAIN, ffn_dim=41, enable_bias=False, _remove_final_layer_norm=True,
    activation_function="gelu", tie_word_embeddings=False),
  "gpt_neo": _of(
    "gpt_neo", _NEO, reach=7, window_size=7, attention_types=[[["global", "local"], 1]]),
  "gpt_neo, local": _of(
    "gpt_neo", _NEO, reach=7, window_size=7, attention_types=[[["local"], 2]],
    intermediate_size=50, tie_word_embeddings=False),
  "phi": _of("phi", _ODD, partial_rotary_factor=0.7),
  "phi, one key head each": _of("phi", _ODD, hidden_size=48, num_key_value_heads=None, hidden_act="gelu"),
  "starcoder2": _of("starcoder2", _ODD, reach=7, sliding_window=7),
  "starcoder2, no biases": _of(
    "starcoder2", _ODD, use_bias=False, tie_word_embeddings=False),
}
# fmt: on


def sizes(kind: str) -> dict[str, Any]:
  """The fields of the first variant of a model_type."""
  return next(v.fields for v in VARIANTS.values() if v.kind == kind)
