"""Tiny random checkpoints in Hugging Face format, made with transformers and torch."""

from pathlib import Path

_LLAMA = dict(
  vocab_size=97, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
  num_key_value_heads=2, max_position_embeddings=128,
)  # fmt: skip
_OLD = {k: v for k, v in _LLAMA.items() if k not in ("num_key_value_heads", "intermediate_size")}
_SIZES = {
  "llama": dict(
    vocab_size=97, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128,
  ),
  "mixtral": _LLAMA | dict(intermediate_size=24, num_local_experts=5, num_experts_per_tok=2),
  "qwen3_moe": _LLAMA | dict(
    moe_intermediate_size=24, num_experts=5, num_experts_per_tok=3, head_dim=6,
  ),
  "gpt_oss": _LLAMA | dict(
    intermediate_size=24, num_local_experts=5, num_experts_per_tok=2, head_dim=10,
    num_hidden_layers=3, sliding_window=7,
    rope_parameters=dict(
      rope_type="yarn", rope_theta=150.0, factor=4.0, beta_fast=32.0, beta_slow=1.0,
      truncate=False, original_max_position_embeddings=32,
    ),
  ),
  "gpt_neox": _OLD | dict(intermediate_size=56, rotary_pct=0.5),
  "falcon": _OLD,
  "opt": _OLD | dict(ffn_dim=56),
  "gpt_neo": dict(
    vocab_size=97, hidden_size=32, num_layers=2, num_heads=4, max_position_embeddings=128,
    window_size=7, attention_types=[[["global", "local"], 1]],
  ),
  "phi": _LLAMA,
  "starcoder2": _LLAMA | dict(sliding_window=7),
  "gpt2": dict(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=128),
  "gptj": dict(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=128, rotary_dim=4),
}  # fmt: skip
KINDS = ("llama", "gpt2", "gptj")


def tiny_checkpoint(
  kind: str, folder: str | Path, *, seed: int = 0, noise: float = 0.1, **overrides
) -> Path:
  """Writes a random model of this model_type and returns its folder (no tokenizer in it).

  Every weight, norms and biases included, gets normal noise, so that one left out or mixed up shows
  in the logits. overrides: fields of config.json. bos, eos and pad are switched off unless an
  override sets them.
  """
  import torch
  import transformers

  torch.manual_seed(seed)
  special = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
  config = transformers.AutoConfig.for_model(kind, **(special | _SIZES[kind] | overrides))
  model = transformers.AutoModelForCausalLM.from_config(config).eval()
  with torch.no_grad():
    for parameter in model.parameters():
      parameter.add_(noise * torch.randn_like(parameter))
  model.save_pretrained(str(folder))
  return Path(folder)


def torch_model(folder: str | Path):
  """The checkpoint as transformers loads it: float32, eager attention, evaluation mode."""
  import torch
  import transformers

  kwargs = dict(dtype=torch.float32, attn_implementation="eager", local_files_only=True)
  return transformers.AutoModelForCausalLM.from_pretrained(str(folder), **kwargs).eval()
