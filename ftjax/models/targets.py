"""Which linear layers an adapter is put on."""

import re
from dataclasses import dataclass

from ftjax.config import InputError
from ftjax.models.config import ModelConfig, Weight


@dataclass(frozen=True)
class Target:
  """One kernel that can take an adapter."""

  weight: Weight
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
    """The checkpoint's module, with {l} for the layer."""
    return self.weight.hf_name.removesuffix(".weight")


def linear_layers(config: ModelConfig, table: list[Weight]) -> dict[str, Target]:
  """{our path: target} of every linear layer in the blocks: what PEFT calls all-linear."""
  found = {}
  for weight in table:
    if weight.stacked and weight.path.endswith("/kernel"):
      theirs, ours = weight.dims.split("->")
      groups = [
        re.findall(r"\w", many or one) for many, one in re.findall(r"\(([^)]*)\)|(\w)", theirs)
      ]
      ours = ours.split()
      dims_in = next(
        group for group in groups if ours[0] in group
      )  # kernels here have their input first
      shape = [config.sizes[d] for d in ours]
      n = len(dims_in)
      target = Target(weight, tuple(shape[:n]), tuple(shape[n:]), input_first=dims_in is groups[0])
      found[target.path] = target
  return found


def choose(config: ModelConfig, table: list[Weight], targets: str) -> dict[str, Target]:
  """The linear layers that `targets` names: "all-linear", or names and patterns separated by
  commas.

  A name is the end of the checkpoint's module name ("q_proj") or of ours ("attention/query"); a
  pattern is a regex for the whole of either. Every item must match something.
  """
  every = linear_layers(config, table)
  if targets == "all-linear":
    return every
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
