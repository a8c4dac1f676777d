"""The reading of Hugging Face's config.json: what was not understood must not be ignored in
silence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ftjax.config import InputError
from ftjax.models import known, values
from ftjax.models import rope as ropes
from ftjax.models.rope import Rope
from ftjax.models.values import shown
from ftjax.plugin import did_you_mean

CONFIG = "config.json"


class Fields:
  """config.json, remembering what was read. Whatever is given back is of the type and in the range
  that models/known.py says, else it is an InputError."""

  def __init__(self, hf: dict[str, Any]):
    self._hf = hf
    self._read: set[str] = set()

  def get(self, *names: str, default: Any = None) -> Any:
    """The first of `names` that is present and not null, else the default."""
    self._read.update(names)
    given = [n for n in names if self._hf.get(n) is not None]
    for name in given:
      values.check(CONFIG, name, self._hf[name], known.FIELDS[name])
    return self._hf[given[0]] if given else default

  def ignore(self, *names: str) -> None:
    """Says that these are understood and of no effect here, whatever they hold."""
    self._read.update(names)

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
    if self._hf.get(name) is not None:
      values.check(CONFIG, name, self._hf[name], known.FIELDS[name])
    return self._hf.get(name, default)

  def only(self, name: str, allowed: Any, default: Any = None) -> None:
    """Fails unless the field is absent or equals the one value that is supported."""
    self._read.add(name)
    value = self._hf.get(name)
    value = value if value is not None else allowed if default is None else default
    if value != allowed:
      raise InputError(
        f"config.json says {name}={shown(value)}, which is not supported (only {allowed!r} is)."
      )

  def done(self) -> None:
    """Fails on fields that are switched on and that nobody read."""
    unknown = [
      f"{shown(k)[1:-1]}={shown(v)}" for k, v in self._hf.items()
      if k not in self._read and k not in known.NEUTRAL and v not in (None, False, [], {})
    ]  # fmt: skip
    if unknown:
      raise InputError(
        f"config.json has fields that ftjax does not understand for model_type="
        f"{self._hf.get('model_type')!r}: {', '.join(unknown[:9])}. They might change what the model "
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
      f"config.json asks for the activation {shown(name)}; ftjax has {', '.join(sorted(ACTIVATIONS))}."
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
        f"config.json's layer_types has {shown(strange[0])}; ftjax knows {', '.join(known)}."
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
  given = parameters(outer["rope_scaling"] or outer["rope_parameters"] or {})
  given["rope_theta"] = given.get("rope_theta") or outer["rope_theta"] or theta
  fields.ignore("original_max_position_embeddings")  # of no effect where nothing is scaled
  share = 1.0
  if partial is not None:
    usual = fields.get("partial_rotary_factor", default=partial)
    share = given.pop("partial_rotary_factor", None) or usual
  found = read_rope(fields, int(H * share), given, kinds)
  return replace(found, interleaved=interleaved)


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
  """A rope's parameters that are not null, each of its own type (models/known.py)."""
  found = {k: v for k, v in given.items() if v is not None}
  for name, value in found.items():
    values.check(CONFIG, f"the rope's {name}", value, known.ROPE.get(name, values.ANY))
  return found


def read_rope(
  fields: Fields, dims: int, given: dict[str, Any], kinds: dict[str, str] | None = None
) -> Rope:
  """One rope over `dims` of each head from its parameters; every one of them must be understood."""
  left = parameters(given)
  kind = left.pop("rope_type", None) or left.pop("type", None) or "default"
  left.pop("type", None)
  kind = (kinds or {}).get(kind, kind)
  if kind not in SCALINGS:
    raise InputError(
      f"config.json asks for rope scaling {shown(kind)}; ftjax has {', '.join(SCALINGS)}."
    )

  def need(name):
    if name not in left:
      raise InputError(f"config.json's rope parameters are of type {kind!r} and have no {name!r}.")
    return left.pop(name)

  theta = float(need("rope_theta"))
  if left.get("partial_rotary_factor") == 1:
    del left["partial_rotary_factor"]
  if dims % 2 or dims < 2:
    raise InputError(f"config.json asks for a rope over {dims} dims of a head: they turn in pairs.")
  scaling, factor = SCALINGS[kind](fields, left, need)
  if left:
    raise InputError(
      f"config.json's rope parameters have fields that ftjax does not understand: {shown(left)}."
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
