"""What a decoder is, as orthogonal flags, and the lines of a weight table."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ftjax.config import InputError
from ftjax.models.rope import Rope

ROPES = ("none", "main", "local")  # what turns a layer's queries and keys: ModelConfig.layer_ropes


class Layer(NamedTuple):
  """What may set one layer apart from the others: numbers, or int32 [] in a scan over layers."""

  window: Any  # how many tokens a query looks back over, its own included; None = all
  rope: Any  # an index of ROPES


@dataclass(frozen=True)
class Experts:
  """A mixture of experts in the MLP's place (models/moe.py).

  normalised: the gates of a token's experts add up to 1; otherwise they are the softmax over all
  experts. swiglu_alpha, swiglu_limit: where set, (up + 1) * gate * sigmoid(alpha * gate), with gate
  cut off above the limit and up on both sides, in place of activation(gate) * up.
  """

  count: int
  per_token: int
  normalised: bool = True
  bias: bool = False  # of the router and of the experts
  swiglu_alpha: float = 0.0
  swiglu_limit: float = 0.0


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

  # Norms.
  norm: str  # "rms" (Zhang & Sennrich 2019) | "layer" (Ba et al. 2016)
  norm_eps: float
  norm_bias: bool = True  # of LayerNorm
  norm_offset: float = 0.0  # x is multiplied by offset + scale
  pre_norm: bool = True  # attention and MLP read norm(x) ...
  post_norm: bool = False  # ... and their result is normed before it is added
  sum_norm: bool = False  # ... and x itself after that (Vaswani et al. 2017)
  final_norm: bool = True
  qk_norm: str = (
    "none"  # of queries and keys: "head" one scale for all heads | "heads" one for each
  )
  # | "width" one for each, normalised over all heads together; never with a bias

  # Attention.
  rope: Rope | None = None
  local_rope: Rope | None = None  # a second one, for some layers; it turns as many dims
  layer_ropes: tuple[str, ...] = ()  # one of ROPES for each layer; () = "main" for all
  windows: tuple[int, ...] = ()  # sliding window of each layer, 0 = none; () = none for all
  score_scale: float | None = None  # None = H ** -0.5
  score_cap: float = 0.0  # scores become cap * tanh(scores / cap); 0 = as they are
  alibi: bool = False  # scores fall with distance (Press et al. 2022)
  sinks: bool = False  # a learned score for each head that takes part in softmax and is no key's
  fused_qkv: bool = False  # one [D, M, H] kernel, as the checkpoint has it, so that LoRA is PEFT's
  grouped_qkv: bool = False  # one [D, K, Q, H]: each key head's queries, then its key and its value
  qkv_bias: bool = False
  out_bias: bool = False

  # MLP.
  activation: str = "silu"  # "silu" | "gelu" | "gelu_tanh" | "relu"
  gated: bool = True  # down(act(gate(x)) * up(x)) instead of down(act(up(x)))
  experts: Experts | None = None  # each an MLP of width F, in the MLP's place
  fused_gate_up: bool = False  # one [D, 2, F] kernel, as the checkpoint has it
  mlp_bias: bool = False

  # The residual flow.
  residual: str = "serial"  # "parallel": attention and MLP read the same normed input ...
  parallel_norms: bool = False  # ... or the same input, each with a norm of its own
  residual_scale: float = 1.0  # of what attention and MLP add
  learned_positions: bool = False  # a table of max_length absolute positions
  position_offset: int = 0  # rows of that table before position 0
  embed_width: int = 0  # of token vectors, projected to D and back; 0 = D
  embed_scale: float = 1.0  # of token vectors, rounded to the dtype of the computation
  tied: bool = False  # logits read the token table
  head_bias: bool = False
  logits_scale: float = 1.0
  logits_cap: float = 0.0  # logits become cap * tanh(logits / cap), after scaling; 0 = as they are
  vocab_padding: int = 0  # of V, the last rows, which no token has: so that a mesh divides it

  def __post_init__(self):
    wrong = lambda what: InputError(f"The model's sizes do not fit together: {what}.")
    if self.N % self.K:
      raise wrong(f"{self.N} query heads are no multiple of {self.K} key heads")
    if self.H < 1:
      raise wrong(f"{self.N} heads are more than the width, {self.D}")
    for rope in filter(None, (self.rope, self.local_rope)):
      if rope.dims > self.H:
        raise wrong(f"the rope turns {rope.dims} dims of heads that have {self.H}")
    if (e := self.experts) and e.per_token > e.count:
      raise wrong(f"each token goes to {e.per_token} of {e.count} experts")
    for each in (self.windows, self.layer_ropes):
      if each and len(each) != self.L:
        raise wrong(f"something is said of {len(each)} layers, and there are {self.L}")

  @property
  def sizes(self) -> dict[str, int]:
    """The size of each dim that the weight tables name."""
    names = {n: getattr(self, n) for n in "VDLNKHF"}
    return names | {
      "M": self.N + 2 * self.K,  # heads of a fused qkv
      "Q": self.N // self.K + 2,  # heads of a group in a grouped qkv
      "P": self.max_length + self.position_offset,  # rows of the position table
      "W": self.embed_width or self.D,
      "C": 2,  # kernels in a fused gate and up
      "E": self.experts.count if self.experts else 0,
    }

  @property
  def layers(self) -> list[Layer]:
    """What sets each layer apart."""
    windows = [w or None for w in self.windows or (0,) * self.L]
    ropes = self.layer_ropes or ("main" if self.rope else "none",) * self.L
    return [Layer(w, ROPES.index(r)) for w, r in zip(windows, ropes, strict=True)]

  @property
  def vocabulary(self) -> int:
    """How many ids the model knows."""
    return self.V - self.vocab_padding

  def room(self, virtual: int = 0) -> int:
    """How many tokens a document may have: the context, less an adapter's virtual tokens."""
    return self.max_length - virtual

  def with_(self, **changes) -> "ModelConfig":
    """A copy with some fields replaced."""
    return replace(self, **changes)


@dataclass(frozen=True)
class Weight:
  """One tensor of a checkpoint and where it goes; read in both directions.

  hf_name: its name there, "{l}" for the layer and "{e}" for the expert. path: its name here, under
  params/. dims: an einops pattern from there to here, one letter a dim ("(N H) D -> D N H"), which
  also says the shape that the tensor must have. L and E come first here where the name has them.

  A dim that only the right of the pattern has is one that the checkpoint spreads over tensors: its
  letter in the name counts them ("norms.{n}.weight" with "H -> N H"), and "{w1,w3}" chooses between
  names ("F D -> D C F": the leaf is [L, E, D, C, F], w1 its C = 0).
  """

  hf_name: str
  path: str
  dims: str
  # The parameter that PEFT adapts, where transformers has one for it and no linear layer.
  parameter: str = ""
  # Of the leaves of a quantized kernel (models/quant/written.py), which are not under params/:
  collection: str = "params"
  dtype: str = ""  # the only one that the tensor may have, as safetensors calls it
  sizes: tuple[tuple[str, int], ...] = ()  # of letters that mean something else for each line

  @property
  def name(self) -> str:
    """The leaf's name here."""
    return f"{self.collection}/{self.path}"

  @property
  def stacked(self) -> bool:
    """Whether there is one for every layer."""
    return "{l}" in self.hf_name

  @property
  def lead(self) -> str:
    """The dims that come first here and stand in the name there: "", "L", "E" or "LE"."""
    return "".join(d for d in "LE" if f"{{{d.lower()}}}" in self.hf_name)
