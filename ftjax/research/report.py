"""What a run will do, before it starts, and what it did, after: tables for people."""

from rich.console import Console
from rich.table import Table

from ftjax import tree
from ftjax.parallel.chips import multiplies_bfloat16
from ftjax.sizes import told
from ftjax.train import rates

FAR = 8  # times below what suits a model, from which on a rate is worth a word
FEW = 20  # updates, from which on a short run is worth no word
LARGE = 10_000_000  # parameters, from which on products are most of a step on a CPU


def plan_lines(config, opened, state, plan, warmup: int, tokens: float, mesh, memory) -> list[str]:
  """Parameters trained, updates, tokens, learning rate, devices and bytes.

  tokens: of one update, on average and without padding. memory: the compiled step's memory analysis (bytes per device), or
  None.
  """
  trained, frozen = tree.count(state.trainable), tree.count(state.frozen)
  hf = opened.checkpoint.hf_config
  shape = (
    ", ".join(f"{axis} {size}" for axis, size in mesh.shape.items() if size > 1) or "one device"
  )
  o = config.optim
  every = f"every {plan.eval_every} updates" if plan.eval_every else "at the end"
  patience = (
    f", stops after {config.eval.patience} without improvement" if config.eval.patience else ""
  )
  lines = [
    f"model       {config.model.source} ({hf['model_type']}, {trained + frozen:,} parameters, {config.model.dtype})",
    f"trains      {trained:,} parameters ({trained / (trained + frozen):.1%}): "
    + _what(state.trainable, config.train.only),
    f"run         {plan.total:,} updates of {tokens:,.0f} tokens on average ({plan.total * tokens:,.0f} in all, without "
    "padding)",
    f"rate        {o.name}, {o.learning_rate:g}, {o.schedule} after {warmup} updates of warmup",
    f"evaluates   {every}{patience}; keeps the best",
    f"devices     {mesh.size} x {mesh.devices.flat[0].device_kind} ({shape})",
  ]
  suits = rates.suitable(trained + frozen, config.adapter.kind, o.name) if o.name != "sgd" else 0
  if 0 < o.learning_rate < suits / FAR:
    lines.append(
      f"hint        a rate of {o.learning_rate:g} is {suits / o.learning_rate:.0f} times below what suits a model of this "
      f"size ({suits:g}): with few updates it learns little. --config.optim.learning_rate=0 takes what suits"
    )
  if plan.total < FEW:
    lines.append(
      f"hint        {plan.total} updates teach a model little: --config.train.duration='100 steps' makes more of the same "
      "rows"
      + (", and eval.patience stops once they no longer help" if config.eval.patience else "")
    )
  wide = (config.model.compute_dtype or config.model.dtype) == "float32"
  cpu = mesh.size == 1 and mesh.devices.flat[0].platform == "cpu"
  if cpu and wide and trained + frozen >= LARGE and multiplies_bfloat16():
    lines.append(
      "hint        this processor multiplies bfloat16 several times as fast as float32: try "
      "--config.model.compute_dtype=bfloat16"
    )
  copies = (("their average", state.ema), ("train.kl and optim.l2sp", state.start))
  lines += [
    f"copies      {told(tree.nbytes(x))} of what is trained, for {key}, over all devices"
    for key, x in copies
    if x is not None
  ]
  if memory is not None:
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    lines.append(
      f"memory      {told(held + memory.temp_size_in_bytes)} per device while training: {told(held)} of model and "
      f"optimizer, {told(memory.temp_size_in_bytes)} of activations (train.remat={config.train.remat})"
    )
  return lines


def _what(trainable, only: str) -> str:
  """What is trained; an adapter with its own rank, as adapter.source may bring another than the
  config's."""
  named = tree.flatten(trainable)
  if "params" in trainable:
    return only or "all of them"
  ranks = [x.shape[-1] for n, x in named.items() if n.startswith("lora/") and n.endswith("/a")]
  tokens = max((len(x) for n, x in named.items() if n.startswith("rows/")), default=0)
  parts = (
    [f"{'DoRA' if any(n.endswith('/magnitude') for n in named) else 'LoRA'}, rank {max(ranks)}"]
    if ranks
    else []
  )
  parts += [f"the rows of {tokens} tokens"] if tokens else []
  kinds = {
    "saved": "copies of whole modules", "ia3": "(IA)^3 vectors", "prompt": "virtual tokens",
    "prefix": "keys and values of virtual tokens",
  }  # fmt: skip
  parts += [what for kind, what in kinds.items() if kind in trainable]
  return " and ".join(parts)


def show(table: Table) -> None:
  """Prints a table to standard output."""
  Console().print(table)
