"""Llama as Meta ships it: params.json and one consolidated.NN.pth for each model-parallel rank.

Source: transformers' convert_llama_weights_to_hf.py, and Meta's llama/model.py for which dim
each tensor is split along. Meta turns rotary pairs that stand side by side and transformers turns a
head's halves, so the rows of wq and wk come in another order.
"""

import re
from pathlib import Path
from typing import Any

from ftjax.config import InputError
from ftjax.models import known, values
from ftjax.models.formats import torch_bin
from ftjax.models.formats.stored import Interleaved, Joined, Raw, Stored
from ftjax.models.tensors import read_json
from ftjax.models.values import FLAG, number, shown

NAME = "Meta .pth"
PARAMS = "params.json"
FILES = f"consolidated.00.pth with {PARAMS}"
_LAYER = "model.layers.{}."
# Meta's name -> transformers' name, and the dim that ranks split (None: each has all of it).
_NAMES = {
  "norm.weight": ("model.norm.weight", None),
  "output.weight": ("lm_head.weight", 0),
  "attention.wq.weight": (_LAYER + "self_attn.q_proj.weight", 0),
  "attention.wk.weight": (_LAYER + "self_attn.k_proj.weight", 0),
  "attention.wv.weight": (_LAYER + "self_attn.v_proj.weight", 0),
  "attention.wo.weight": (_LAYER + "self_attn.o_proj.weight", 1),
  "feed_forward.w1.weight": (_LAYER + "mlp.gate_proj.weight", 0),
  "feed_forward.w2.weight": (_LAYER + "mlp.down_proj.weight", 1),
  "feed_forward.w3.weight": (_LAYER + "mlp.up_proj.weight", 0),
  "attention_norm.weight": (_LAYER + "input_layernorm.weight", None),
  "ffn_norm.weight": (_LAYER + "post_attention_layernorm.weight", None),
}
_TOKENS = "tok_embeddings.weight"
_FREQUENCIES = "rope.freqs"  # computed from params.json
_NEEDED = {
  "dim": known.SIZE, "n_layers": known.COUNT, "n_heads": known.COUNT,
  "norm_eps": number(0, 1, above=True),
}  # fmt: skip
_KNOWN = _NEEDED | {
  "n_kv_heads": known.COUNT, "rope_theta": known.ABOVE, "use_scaled_rope": FLAG,
  "rope_scaling_factor": known.ABOVE,
}  # fmt: skip
_UNREAD = "vocab_size multiple_of ffn_dim_multiplier max_seq_len max_batch_size".split()


def find(folder: Path) -> list[Path]:
  """The files of all ranks, in order; none where the folder has no such weights."""
  paths = sorted(p for p in folder.glob("consolidated.*.pth") if p.is_file())
  numbers = [int(m[1]) for p in paths if (m := re.fullmatch(r"consolidated\.(\d+)\.pth", p.name))]
  if paths and numbers != list(range(len(paths))):
    raise InputError(f"{folder} lacks some of its consolidated.*.pth: it has {numbers}.")
  return paths


def headers(paths: list[Path]) -> dict[str, Stored]:
  """Every tensor by transformers' name, joined over the ranks and turned to its order of rows."""
  params = _params(paths[0].parent)
  ranks = [torch_bin.tensors(path) for path in paths]
  for path, rank in zip(paths, ranks, strict=True):
    if rank.keys() != ranks[0].keys():
      raise InputError(f"{path} does not have the tensors that {paths[0].name} has.")
  width = params["dim"] // params["n_heads"]
  found: dict[str, Stored] = {}
  for theirs, first in ranks[0].items():
    if theirs == _FREQUENCIES:
      continue
    parts = tuple(rank[theirs] for rank in ranks)
    name, axis = _place(theirs, first, params["dim"])
    tensor = first if axis is None or len(parts) == 1 else _join(name, parts, axis)
    turned = theirs.endswith(("attention.wq.weight", "attention.wk.weight"))
    if turned and (len(tensor.shape) != 2 or tensor.shape[0] % width):
      raise InputError(f"{first.file} has {theirs} of shape {tensor.shape}: no heads of {width}.")
    found[name] = Interleaved(tensor, width, name) if turned else tensor
  return found


def _place(theirs: str, first: Raw, dim: int) -> tuple[str, int | None]:
  if theirs == _TOKENS:  # Llama 3 splits the vocabulary, its predecessors the width.
    return "model.embed_tokens.weight", 0 if first.shape[-1:] == (dim,) else 1
  layer = re.fullmatch(r"layers\.(\d+)\.(.*)", theirs)
  name, axis = _NAMES.get(layer[2] if layer else theirs, (theirs, None))
  return name.format(layer[1]) if layer else name, axis


def _join(name: str, parts: tuple[Raw, ...], axis: int) -> Joined:
  other = lambda p: (p.dtype, *p.shape[:axis], *p.shape[axis + 1 :])
  if axis >= len(parts[0].shape) or any(other(p) != other(parts[0]) for p in parts):
    raise InputError(
      f"{parts[0].file.parent} has parts of {parts[0].name} that do not fit together."
    )
  return Joined(name, parts, axis)


def _params(folder: Path) -> dict[str, Any]:
  path = folder / PARAMS
  if not path.is_file():
    raise InputError(f"{folder} has consolidated.*.pth but no {PARAMS}, which says what they are.")
  params = read_json(path)
  for name, kind in _KNOWN.items():
    if name in _NEEDED or params.get(name) is not None:
      values.check(path, name, params.get(name), kind)
  unknown = params.keys() - _KNOWN.keys() - set(_UNREAD)
  if strange := [f"{k}={shown(params[k])}" for k in sorted(unknown) if params[k]]:
    raise InputError(f"{path} has fields that ftjax does not understand: {', '.join(strange[:9])}.")
  if params["dim"] % params["n_heads"]:
    raise InputError(f"{path}: dim {params['dim']} is no multiple of n_heads {params['n_heads']}.")
  return params


def config(paths: list[Path]) -> dict[str, Any]:
  """What config.json would say, from params.json and the tensors' shapes.

  Whether the head is tied shows in its storage, which is then the token table's. The context length
  is in no file: it is taken from the generation (rope scaling: Llama 3.1 and later; theta of Code
  Llama and Llama 3; the norm's epsilon of Llama 1). Llama 3.2's small models, which are the tied
  ones, stretch rope by 32 and Llama 3.1 by 8.
  """
  params, stored = _params(paths[0].parent), headers(paths)
  shape = lambda name: stored[name].shape if name in stored else (0, 0)
  theta, scaled = params.get("rope_theta") or 10_000.0, params.get("use_scaled_rope")
  head, tokens = stored.get("lm_head.weight"), stored.get("model.embed_tokens.weight")
  place = lambda x: x and [(p.extents, p.offset) for p in getattr(x, "parts", (x,))]
  tied = head is None or place(head) == place(tokens)
  if scaled:
    length = 131_072
  elif theta > 10_000:
    length = 8_192 if theta < 1_000_000 else 16_384
  else:
    length = 2_048 if params["norm_eps"] < 1e-5 else 4_096
  rope: dict[str, Any] = {"rope_type": "default", "rope_theta": theta}
  if scaled:
    factor = params.get("rope_scaling_factor") or (32.0 if tied else 8.0)
    rope |= {
      "rope_type": "llama3", "factor": float(factor), "low_freq_factor": 1.0,
      "high_freq_factor": 4.0, "original_max_position_embeddings": 8_192,
    }  # fmt: skip
  return {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama",
    "vocab_size": shape("model.embed_tokens.weight")[0], "hidden_size": params["dim"],
    "intermediate_size": shape(_LAYER.format(0) + "mlp.gate_proj.weight")[0],
    "num_hidden_layers": params["n_layers"], "num_attention_heads": params["n_heads"],
    "num_key_value_heads": params.get("n_kv_heads") or params["n_heads"],
    "max_position_embeddings": length, "rms_norm_eps": params["norm_eps"], "hidden_act": "silu",
    "rope_parameters": rope, "tie_word_embeddings": tied,
  }  # fmt: skip
