"""The reading of Hugging Face's config.json: what was not understood must not be ignored in
silence."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ftjax.config import InputError
from ftjax.models import rope as ropes
from ftjax.models.rope import Rope
from ftjax.plugin import did_you_mean

# Fields of config.json that do not change what the model computes when it is used as ftjax uses it.
_NEUTRAL = frozenset(
  """architectures auto_map model_type torch_dtype dtype transformers_version _name_or_path
  _commit_hash use_cache cache_implementation bos_token_id eos_token_id pad_token_id sep_token_id
  unk_token_id decoder_start_token_id initializer_range attention_dropout hidden_dropout resid_pdrop
  embd_pdrop attn_pdrop embedding_dropout attn_implementation _attn_implementation_autoset
  _attn_implementation pretraining_tp gradient_checkpointing task_specific_params output_attentions
  output_hidden_states return_dict torchscript use_bfloat16 pruned_heads id2label label2id num_labels
  _num_labels problem_type is_encoder_decoder is_decoder cross_attention_hidden_size
  add_cross_attention tie_encoder_decoder chunk_size_feed_forward finetuning_task prefix
  tokenizer_class summary_activation summary_first_dropout summary_proj_to_labels summary_type
  summary_use_proj n_ctx max_sequence_length unsloth_version unsloth_fixed max_length min_length
  do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
  typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size
  bad_words_ids num_return_sequences output_scores return_dict_in_generate forced_bos_token_id
  forced_eos_token_id remove_invalid_values exponential_decay_length_penalty suppress_tokens
  begin_suppress_tokens""".split()
)


class Fields:
  """config.json, remembering what was read."""

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

  def nullable(self, name: str, default: Any) -> Any:
    """The field where null is a choice of its own: the default stands for its absence alone."""
    self._read.add(name)
    return self._hf.get(name, default)

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


def windows(fields: Fields, L: int, window: int | None, sliding: Sequence[bool]) -> tuple[int, ...]:
  """ModelConfig.windows: `window` for the layers that layer_types calls sliding_attention.

  sliding: which layers slide where config.json has no layer_types. () where no layer has a window.
  """
  kinds = fields.get("layer_types")
  if kinds is None:
    found = sliding
  else:
    known = {"sliding_attention": True, "full_attention": False}
    if strange := [k for k in kinds if k not in known]:
      raise InputError(
        f"config.json's layer_types has {strange[0]!r}; ftjax knows {', '.join(known)}."
      )
    found = [known[k] for k in kinds]
  if len(found) != L:
    raise InputError(f"config.json's layer_types names {len(found)} layers of {L}.")
  if kinds is not None and any(found) and not window:
    raise InputError(
      "config.json's layer_types has sliding_attention, and no sliding_window is set."
    )
  return tuple(window if s else 0 for s in found) if window and any(found) else ()


def rope(
  fields: Fields,
  H: int,
  *,
  partial: float | None = None,
  theta: float = 10000.0,
  interleaved: bool = False,
  kinds: dict[str, str] | None = None,
) -> Rope:
  """Reads rope_parameters (transformers 5) or rope_theta with rope_scaling (transformers 4).

  Where a config has both, rope_scaling is the one that counts, as in transformers. partial: the
  share of H that turns where config.json does not say; None for models whose reference turns all of
  it whatever config.json says. theta: the family's default. kinds: scalings that the family calls
  by another name.
  """
  outer = {k: fields.get(k) for k in ("rope_parameters", "rope_scaling", "rope_theta")}
  given = dict(outer["rope_scaling"] or outer["rope_parameters"] or {})
  given["rope_theta"] = given.get("rope_theta") or outer["rope_theta"] or theta
  fields.get("original_max_position_embeddings")  # of no effect where nothing is scaled
  share = 1.0
  if partial is not None:
    usual = fields.get("partial_rotary_factor", default=partial)
    share = given.pop("partial_rotary_factor", None) or usual
  found = read_rope(fields, int(H * share), given, kinds)
  return replace(found, interleaved=interleaved)


def read_rope(
  fields: Fields, dims: int, given: dict[str, Any], kinds: dict[str, str] | None = None
) -> Rope:
  """One rope over `dims` of each head from its parameters; every one of them must be understood."""
  left = {k: v for k, v in given.items() if v is not None}
  kind = left.pop("rope_type", None) or left.pop("type", None) or "default"
  left.pop("type", None)
  kind = (kinds or {}).get(kind, kind)
  if kind not in SCALINGS:
    raise InputError(
      f"config.json asks for rope scaling {kind!r}; ftjax has {', '.join(SCALINGS)}."
    )

  def need(name):
    if name not in left:
      raise InputError(f"config.json's rope parameters are of type {kind!r} and have no {name!r}.")
    return left.pop(name)

  theta = float(need("rope_theta"))
  if left.get("partial_rotary_factor") == 1:
    del left["partial_rotary_factor"]
  if dims % 2:
    raise InputError(f"config.json asks for a rope over {dims} dims of a head: they turn in pairs.")
  scaling, factor = SCALINGS[kind](fields, left, need)
  if left:
    raise InputError(
      f"config.json's rope parameters have fields that ftjax does not understand: {left}."
    )
  if isinstance(scaling, ropes.LongRope) and {len(scaling.short), len(scaling.long)} != {dims // 2}:
    raise InputError(
      f"config.json's short_factor and long_factor have {len(scaling.short)} and "
      f"{len(scaling.long)} numbers; the rope has {dims // 2} pairs."
    )
  return Rope(theta=theta, dims=dims, scaling=scaling, attention_factor=factor)


def _original_length(fields: Fields, left: dict) -> int:
  """The length that was pretrained; outside the rope's own parameters it counts for more."""
  inner = left.pop("original_max_position_embeddings", None)
  outer = fields.get("original_max_position_embeddings")
  return int(outer or inner or fields.need("max_position_embeddings"))


# Each takes what it understands out of `left` and returns (scaling, attention factor).


def _linear(fields, left, need):
  return ropes.Linear(float(need("factor"))), 1.0


def _dynamic(fields, left, need):
  left.pop("original_max_position_embeddings", None)  # the reference does not read it here
  return ropes.Dynamic(float(need("factor")), int(fields.need("max_position_embeddings"))), 1.0


def _llama3(fields, left, need):
  numbers = [float(need(n)) for n in ("factor", "low_freq_factor", "high_freq_factor")]
  return ropes.Llama3(*numbers, _original_length(fields, left)), 1.0


def _yarn(fields, left, need):
  length = _original_length(fields, left)
  factor = float(left.pop("factor", None) or fields.need("max_position_embeddings") / length)
  scaling = ropes.Yarn(
    factor, length, float(left.pop("beta_fast", 0) or 32), float(left.pop("beta_slow", 0) or 1),
    bool(left.pop("truncate", True)),
  )  # fmt: skip
  scale = lambda by: 0.1 * by * math.log(factor) + 1.0 if factor > 1 else 1.0
  one, all_dims = left.pop("mscale", None), left.pop("mscale_all_dim", None)
  usual = scale(one) / scale(all_dims) if one and all_dims else scale(1.0)
  return scaling, float(left.pop("attention_factor", usual))


def _longrope(fields, left, need):
  length = _original_length(fields, left)
  factor = float(left.pop("factor", None) or fields.need("max_position_embeddings") / length)
  usual = math.sqrt(1 + math.log(factor) / math.log(length)) if factor > 1 else 1.0
  short, long = (tuple(map(float, need(name))) for name in ("short_factor", "long_factor"))
  return ropes.LongRope(short, long, length), float(left.pop("attention_factor", usual))


SCALINGS = {
  "default": lambda fields, left, need: (None, 1.0), "linear": _linear, "dynamic": _dynamic,
  "llama3": _llama3, "yarn": _yarn, "longrope": _longrope,
}  # fmt: skip
