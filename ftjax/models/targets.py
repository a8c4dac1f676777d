"""Which linear layers an adapter is put on."""

import re
from dataclasses import dataclass

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight


@dataclass(frozen=True)
class Target:
  """One kernel that can take an adapter."""

  weight: Weight
  lead: tuple[int, ...]  # the dims that come first here: layers, and experts
  shape_in: tuple[int, ...]
  shape_out: tuple[int, ...]
  input_first: (
    bool  # the checkpoint stores it [in, out], as GPT-2's Conv1D does (PEFT: fan_in_fan_out)
  )

  @property
  def path(self) -> str:
    """layers/attention/query and the like."""
    return self.weight.path.removesuffix("/kernel")

  @property
  def module(self) -> str:
    """The checkpoint's module (or transformers' parameter), with {l} for the layer."""
    return (self.weight.parameter or self.weight.hf_name).removesuffix(".weight")

  def modules(self, config: ModelConfig) -> list[str]:
    """The checkpoint's modules (or transformers' parameters), one a layer where it is stacked."""
    name = self.weight.parameter or self.module
    return [name.format(l=l) for l in range(config.L)] if self.weight.stacked else [name]

  @property
  def sides(self) -> int:
    """How many of the checkpoint's linear layers lie side by side in it, each with a rank of its
    own."""
    return self.weight.hf_name.count(",") + 1


def linear_layers(config: ModelConfig, table: list[Weight]) -> dict[str, Target]:
  """{our path: target} of every linear layer but the head: what PEFT calls all-linear.

  Experts and their router are among them where the checkpoint has each expert as a linear layer,
  though transformers has them as parameters; where it has all experts in one tensor they are not.
  """
  apart = any("{e}" in w.hf_name for w in table)
  every = adaptable(config, table)
  return {path: t for path, t in every.items() if apart or not t.weight.parameter}


def adaptable(config: ModelConfig, table: list[Weight]) -> dict[str, Target]:
  """{our path: target} of every kernel but the head's."""
  found = {}
  for weight in table:
    if weight.path.endswith("/kernel") and weight.path != "head/kernel":
      theirs, ours = weight.dims.split("->")
      groups = [
        re.findall(r"\w", many or one) for many, one in re.findall(r"\(([^)]*)\)|(\w)", theirs)
      ]
      ours = ours.split()
      lead = list(weight.lead)
      if ours[0] == "E" and groups[0] == ["E"]:  # All experts in one tensor.
        lead, ours, groups = lead + ours[:1], ours[1:], groups[1:]
      dims_in = next(
        group for group in groups if ours[0] in group
      )  # kernels here have their input first
      shapes = [tuple(config.sizes[d] for d in dims) for dims in (lead, ours)]
      n = len(dims_in)
      first = dims_in is groups[0] and not weight.parameter
      target = Target(weight, shapes[0], shapes[1][:n], shapes[1][n:], input_first=first)
      found[target.path] = target
  return found


def choose(config: ModelConfig, table: list[Weight], targets: str) -> dict[str, Target]:
  """The linear layers that `targets` names: "all-linear", or names and patterns separated by
  commas.

  A name is the end of the checkpoint's module name ("q_proj") or of ours ("attention/query"); a
  pattern is a regex for the whole of either. Every item must match something.
  """
  if targets == "all-linear":
    return linear_layers(config, table)
  every = adaptable(config, table)
  chosen = {}
  for item in filter(None, (t.strip() for t in targets.split(","))):
    hits = {path: t for path, t in every.items() if _names(item, path) or _names(item, t.module)}
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


def _names(item: str, name: str) -> bool:
  if re.search(rf"(^|[./]){re.escape(item)}$", name):
    return True
  try:
    return re.fullmatch(item, name.replace("{l}", "0")) is not None
  except re.error as e:
    raise InputError(f"adapter.targets: {item!r} is not a pattern: {e}.") from e
