"""What a decoder is, as orthogonal flags, and the reading of Hugging Face's config.json into
them."""

from dataclasses import dataclass, replace
from typing import Any

from ftjax.config import InputError
from ftjax.plugin import did_you_mean


@dataclass(frozen=True)
class Rope:
  """Rotary position embedding (Su et al. 2021) and its scaling to longer contexts.

  dims: how many of each head's H dimensions turn. interleaved: pairs are (0, 1), (2, 3), ...
  instead of (0, H/2), (1, H/2 + 1), .... scaling: none, linear (Chen et al. 2023) or llama3 (Llama
  3.1's smooth interpolation between low and high frequencies).
  """

  theta: float
  dims: int
  interleaved: bool = False
  scaling: str = "none"
  factor: float = 1.0
  low_frequency_factor: float = 1.0
  high_frequency_factor: float = 4.0
  original_length: int = 0


@dataclass(frozen=True)
class ModelConfig:
  """A decoder-only transformer. Sizes use the legend of ftjax/batch.py."""

  V: int
  D: int
  L: int
  N: int
  K: int
  H: int
  F: int
  max_length: int  # the context the model was pretrained for
  norm: str  # "rms" (Zhang & Sennrich 2019) | "layer" (Ba et al. 2016)
  norm_eps: float
  activation: str  # "silu" | "gelu" | "gelu_tanh" | "relu"
  gated: bool  # down(act(gate(x)) * up(x)) instead of down(act(up(x)))
  residual: str = (
    "serial"  # "parallel": attention and MLP read the same normed input and are added together
  )
  rope: Rope | None = None
  learned_positions: bool = False  # a table of max_length absolute positions
  fused_qkv: bool = (
    False  # one [D, N + 2K, H] kernel, as the checkpoint has it, so that LoRA is PEFT's
  )
  qkv_bias: bool = False
  out_bias: bool = False
  mlp_bias: bool = False
  head_bias: bool = False
  tied: bool = False  # logits read the token table
  vocab_padding: int = 0  # of V, the last rows, which no token has: so that a mesh divides it

  @property
  def sizes(self) -> dict[str, int]:
    """The size of each dim that the weight tables name."""
    names = {n: getattr(self, n) for n in "VDNKHF"}
    return names | {
      "M": self.N + 2 * self.K,
      "P": self.max_length,
    }  # M heads of a fused qkv, P positions

  @property
  def vocabulary(self) -> int:
    """How many ids the model knows."""
    return self.V - self.vocab_padding

  def with_(self, **changes) -> "ModelConfig":
    """A copy with some fields replaced."""
    return replace(self, **changes)


@dataclass(frozen=True)
class Weight:
  """One tensor of a checkpoint and where it goes; read in both directions.

  hf_name: its name there, "{l}" for the layer. path: its name here, under params/. dims: an einops
  pattern from there to here, one letter a dim ("(N H) D -> D N H"), which also says the shape that
  the tensor must have.
  """

  hf_name: str
  path: str
  dims: str

  @property
  def stacked(self) -> bool:
    """Whether there is one for every layer."""
    return "{l}" in self.hf_name


# Fields of config.json that do not change what the model computes when it is used as ftjax uses it.
_NEUTRAL = frozenset(
  """architectures auto_map model_type torch_dtype dtype transformers_version _name_or_path
  _commit_hash use_cache bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id
  decoder_start_token_id initializer_range attention_dropout hidden_dropout resid_pdrop embd_pdrop
  attn_pdrop embedding_dropout attn_implementation _attn_implementation_autoset _attn_implementation
  pretraining_tp gradient_checkpointing task_specific_params output_attentions output_hidden_states
  return_dict torchscript use_bfloat16 pruned_heads id2label label2id num_labels _num_labels
  problem_type is_encoder_decoder is_decoder cross_attention_hidden_size add_cross_attention
  tie_encoder_decoder chunk_size_feed_forward finetuning_task prefix tokenizer_class
  summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj
  n_ctx max_sequence_length unsloth_version unsloth_fixed max_length min_length do_sample
  early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p
  repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
  num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id
  remove_invalid_values exponential_decay_length_penalty suppress_tokens
  begin_suppress_tokens""".split()
)


class Fields:
  """config.json, remembering what was read: a field nobody understood must not be ignored in
  silence."""

  def __init__(self, hf: dict[str, Any]):
    self._hf = hf
    self._read: set[str] = set()

  def get(self, *names: str, default: Any = None) -> Any:
    """The first of `names` that is present and not null, else the default."""
    self._read.update(names)
    return next((self._hf[n] for n in names if self._hf.get(n) is not None), default)

  def need(self, *names: str) -> Any:
    """Like get, but absence is an InputError."""
    value = self.get(*names)
    if value is None:
      raise InputError(
        f"config.json has no {' or '.join(map(repr, names))}, which the model needs."
      )
    return value

  def only(self, name: str, allowed: Any, default: Any = None) -> None:
    """Fails unless the field is absent or equals the one value that is supported."""
    value = self.get(name, default=allowed if default is None else default)
    if value != allowed:
      raise InputError(
        f"config.json says {name}={value!r}, which is not supported (only {allowed!r} is)."
      )

  def done(self) -> None:
    """Fails on fields that are switched on and that nobody read."""
    unknown = [
      f"{k}={v!r}" for k, v in self._hf.items()
      if k not in self._read and k not in _NEUTRAL and v not in (None, False, [], {})
    ]  # fmt: skip
    if unknown:
      raise InputError(
        f"config.json has fields that ftjax does not understand for model_type="
        f"{self._hf.get('model_type')!r}: {', '.join(unknown)}. They might change what the model "
        "computes. If one has no effect, remove it from config.json."
      )


ACTIVATIONS = {
  "silu": "silu", "swish": "silu", "relu": "relu", "gelu": "gelu",
  "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh",
}  # fmt: skip


def activation(name: str) -> str:
  """Our name of a Hugging Face activation."""
  if name not in ACTIVATIONS:
    raise InputError(
      f"config.json asks for the activation {name!r}; ftjax has {', '.join(sorted(ACTIVATIONS))}."
      f"{did_you_mean(name, ACTIVATIONS)}"
    )
  return ACTIVATIONS[name]


def rope(fields: Fields, head_dim: int) -> Rope:
  """Reads rope_parameters (transformers 5) or rope_theta with rope_scaling (transformers 4).

  Where a config has both, rope_scaling is the one that counts, as in transformers.
  """
  outer = {k: fields.get(k) for k in ("rope_parameters", "rope_scaling", "rope_theta")}
  params = dict(outer["rope_scaling"] or outer["rope_parameters"] or {})
  theta = params.pop("rope_theta", None) or outer["rope_theta"] or 10000.0
  kinds = params.pop("rope_type", None), params.pop("type", None)
  kind = kinds[0] or kinds[1] or "default"

  def need(name):
    if params.get(name) is None:
      raise InputError(f"config.json's rope parameters are of type {kind!r} and have no {name!r}.")
    return float(params.pop(name))

  base = Rope(theta=float(theta), dims=head_dim)
  if kind == "linear":
    base = replace(base, scaling="linear", factor=need("factor"))
  elif kind == "llama3":
    params.setdefault("original_max_position_embeddings", fields.get("max_position_embeddings"))
    base = replace(
      base,
      scaling="llama3",
      factor=need("factor"),
      low_frequency_factor=need("low_freq_factor"),
      high_frequency_factor=need("high_freq_factor"),
      original_length=int(need("original_max_position_embeddings")),
    )
  elif kind != "default":
    raise InputError(
      f"config.json asks for rope scaling {kind!r}; ftjax has default, linear and llama3."
    )
  if left := {k: v for k, v in params.items() if v is not None}:
    raise InputError(
      f"config.json's rope parameters have fields that ftjax does not understand: {left}."
    )
  return base
