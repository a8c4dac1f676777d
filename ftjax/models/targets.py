"""Which matrices an adapter can be put on, and which of them it is put on."""

import re
from dataclasses import dataclass

import einops
import numpy as np

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight
from ftjax.models.tensors import dims_of

TABLES = ("embed/tokens", "embed/positions")  # looked up, not multiplied with
HEAD = "head"


@dataclass(frozen=True)
class Target:
  """One matrix that can take an adapter, or as many of one form: those of all layers, or of all
  layers' experts. A token table is one too, from ids to D."""

  weight: Weight
  lead: tuple[str, ...]  # the kernel's first dims, which count matrices: (), ("L",) or ("L", "E")
  dims_in: tuple[str, ...]  # its other dims here, as the weight table names them
  dims_out: tuple[str, ...]
  input_first: bool  # the checkpoint stores it [in, out], as GPT-2's Conv1D does
  sizes: dict[str, int]

  @property
  def path(self) -> str:
    """layers/attention/query, embed/tokens, head."""
    return self.weight.path.removesuffix("/kernel")

  @property
  def module(self) -> str:
    """The checkpoint's module (or transformers' parameter), with {l} for the layer."""
    return (self.weight.parameter or self.weight.hf_name).removesuffix(".weight")

  @property
  def table(self) -> bool:
    """Whether it is an embedding."""
    return self.path in TABLES

  @property
  def parameter(self) -> bool:
    """Whether PEFT adapts it as a parameter, having no linear layer for it: adapters/parameters.py."""
    return bool(self.weight.parameter)

  @property
  def sides(self) -> int:
    """How many of the checkpoint's linear layers lie side by side in it, each with a rank of its
    own."""
    return self.weight.hf_name.count(",") + 1

  @property
  def shape_lead(self) -> tuple[int, ...]:
    """How many matrices there are: layers, and experts."""
    return tuple(self.sizes[d] for d in self.lead)

  @property
  def shape_in(self) -> tuple[int, ...]:
    """The kernel's dims that are contracted."""
    return tuple(self.sizes[d] for d in self.dims_in)

  @property
  def shape_out(self) -> tuple[int, ...]:
    """The kernel's other dims."""
    return tuple(self.sizes[d] for d in self.dims_out)

  @property
  def shape(self) -> tuple[int, int]:
    """(inputs, outputs) of one."""
    return int(np.prod(self.shape_in)), int(np.prod(self.shape_out))

  def modules(self, config: ModelConfig) -> list[str]:
    """The checkpoint's modules (or transformers' parameters), one a layer in the blocks, else one."""
    layers = range(config.L) if self.weight.stacked else [0]
    name = self.weight.parameter or self.module
    return [name.format(l=l) for l in layers]

  def ours(self, inputs_or_outputs: np.ndarray, side: str) -> np.ndarray:
    """[..., flat] as the checkpoint has a module's inputs (side "in") or outputs ("out") ->
    [..., dims here]."""
    flat, dims = self._sides(side)
    return einops.rearrange(inputs_or_outputs, f"... ({flat}) -> ... {dims}", **self._known(dims))

  def theirs(self, leaf: np.ndarray, side: str) -> np.ndarray:
    """The inverse of `ours`."""
    flat, dims = self._sides(side)
    return einops.rearrange(leaf, f"... {dims} -> ... ({flat})", **self._known(dims))

  def _sides(self, side: str) -> tuple[str, str]:
    """Their order of the dims of a side, and ours; tensors that the checkpoint has apart follow each
    other."""
    dims = self.dims_in if side == "in" else self.dims_out
    stored = [d for group in dims_of(self.weight)[0] for d in group if d in dims]
    return " ".join([d for d in dims if d not in stored] + stored), " ".join(dims)

  def _known(self, dims: str) -> dict[str, int]:
    return {d: self.sizes[d] for d in dims.split()}


def adaptable(config: ModelConfig, table: list[Weight]) -> dict[str, Target]:
  """{our path: target} of every matrix that can take an adapter."""
  found = {}
  for weight in table:
    if not (weight.path.endswith("/kernel") or weight.path in TABLES):
      continue
    theirs, _ = dims_of(weight)
    lead, ours = tuple(weight.lead), tuple(weight.dims.split("->")[1].split())
    if ours[0] == "E" and theirs[0] == ["E"]:  # all experts in one tensor
      lead, ours, theirs = (*lead, "E"), ours[1:], theirs[1:]
    inputs = next(group for group in theirs if ours[0] in group)  # kernels here have them first
    n, first = len(inputs), inputs is theirs[0] and not weight.parameter
    target = Target(weight, lead, ours[:n], ours[n:], first, config.sizes)
    found[target.path] = target
  return found


def linear_layers(config: ModelConfig, table: list[Weight]) -> dict[str, Target]:
  """{our path: target} of every linear layer but the head: what PEFT calls all-linear.

  Experts and their router are among them where the checkpoint has each expert as a linear layer,
  though transformers has them as parameters; where it has all experts in one tensor they are not.
  """
  apart = any("{e}" in w.hf_name for w in table)
  return {
    path: t
    for path, t in adaptable(config, table).items()
    if not t.table and path != HEAD and (apart or not t.parameter)
  }


def choose(config: ModelConfig, table: list[Weight], targets: str) -> dict[str, Target]:
  """The matrices that `targets` names: "all-linear", or names and patterns separated by commas.

  A name is the end of the checkpoint's module name ("q_proj", "embed_tokens", "lm_head") or of ours
  ("attention/query"); a pattern is a regex for the whole of either. Every item must match
  something. "all-linear" is every linear layer but the head.
  """
  if targets == "all-linear":
    return linear_layers(config, table)
  every, chosen = adaptable(config, table), {}
  for item in filter(None, (t.strip() for t in targets.split(","))):
    hits = {path: t for path, t in every.items() if named(item, path) or named(item, t.module)}
    if not hits:
      known = ", ".join(sorted({t.module.rsplit(".", 1)[-1] for t in every.values()}))
      raise InputError(
        f"adapter.targets: {item!r} matches no linear layer. Use 'all-linear' or some of: {known}."
      )
    chosen |= hits
  if not chosen:
    raise InputError(
      "adapter.targets is empty: nothing would be trained. Use 'all-linear' or names of layers."
    )
  return chosen


def short_name(module: str, others: list[str]) -> str:
  """The shortest end of a module's name that is no end of the others': GPT-2 has attn.c_proj and
  mlp.c_proj."""
  parts = module.split(".")
  ends = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
  return next(end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others))


def named(item: str, name: str, key: str = "adapter.targets") -> bool:
  """Whether an item of a list of targets means this name."""
  if re.search(rf"(^|[./]){re.escape(item)}$", name):
    return True
  try:
    return re.fullmatch(item, name.replace("{l}", "0")) is not None
  except re.error as e:
    raise InputError(f"{key}: {item!r} is not a pattern: {e}.") from e
