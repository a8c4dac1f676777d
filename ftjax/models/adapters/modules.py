"""Low-rank pairs as PEFT keeps them for modules: linear layers, embeddings, and the head."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import settings
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.targets import Target, short_name


def read(r: Reader) -> dict[str, np.ndarray]:
  """The pairs of a PEFT folder. Ranks that differ by layer are padded with zeros, and layers without
  a pair get zeros and scale 0."""
  named = {}
  for path, t in r.targets.items():
    layers = [] if t.parameter else [_take(r, t, module) for module in t.modules(r.config)]
    if any(layers):
      pick = (lambda xs: np.stack(xs)) if t.weight.stacked else (lambda xs: xs[0])
      for part, xs in _filled(layers).items():
        collection = "lora_scale" if part == "scale" else "lora"
        named[f"{collection}/{path}/{part}"] = pick(xs)
  return named


def _take(r: Reader, t: Target, module: str) -> dict[str, np.ndarray]:
  """One module's a, b, scale, and what else there is, with our dims; {} where it has none."""
  hf = r.settings
  names = {
    p: f"lora_embedding_{p.upper()}" if t.table else f"lora_{p.upper()}.weight" for p in "ab"
  }
  names |= {"magnitude": "lora_magnitude_vector"} if hf.get("use_dora") else {}
  names |= {"bias": "lora_B.bias"} if hf.get("lora_bias") else {}
  found = {part: r.left.pop(f"{module}.{name}", None) for part, name in names.items()}
  if all(x is None for x in found.values()):
    return {}
  if missing := [names[part] for part, x in found.items() if x is None]:
    raise InputError(f"{r.folder} has a part of an adapter for {module}: {missing[0]} is missing.")
  if not settings.selects(hf, module):
    raise InputError(
      f"{r.folder} has an adapter for {module}, which its settings leave out (target_modules, "
      "exclude_modules, layers_to_transform): PEFT would not use it. Remove its tensors."
    )
  rank, alpha = settings.rank_and_alpha(hf, module)
  if found["a"].shape[0] != rank:
    raise InputError(
      f"{r.folder} has a rank of {found['a'].shape[0]} for {module}, and its settings say {rank}."
    )
  inputs, outputs = t.shape
  wanted = {"a": (rank, inputs), "b": (outputs, rank), "magnitude": (outputs,), "bias": (outputs,)}
  if any(x.shape != wanted[part] for part, x in found.items()):
    raise InputError(f"{r.folder} is for another base: {module} here is {outputs} x {inputs}.")
  if not t.weight.stacked and "bias" in found or (not alpha and "magnitude" in found):
    field = "lora_bias=True" if "bias" in found else "lora_alpha=0 with use_dora"
    raise InputError(f"{r.folder} says {field}, which is not supported for {module}.")
  ours = {part: t.ours(x.T if part == "b" else x, "in" if part == "a" else "out")
          for part, x in found.items()}  # fmt: skip
  return ours | {
    "a": np.moveaxis(ours["a"], 0, -1), "scale": np.float32(settings.scale(hf, module))
  }  # fmt: skip


def _filled(layers: list[dict[str, np.ndarray]]) -> dict[str, list[np.ndarray]]:
  """{part: its array of every layer}, all of one shape."""
  first = next(filter(None, layers))
  rank = max(len(x["b"]) for x in layers if x)

  def fill(x, part):
    if part not in ("a", "b"):
      return x.get(part, np.zeros_like(first[part]))
    x = x.get(part, first[part][..., :0] if part == "a" else first[part][:0])
    axis = x.ndim - 1 if part == "a" else 0
    return np.pad(x, [(0, rank - n if i == axis else 0) for i, n in enumerate(x.shape)])

  return {part: [fill(x, part) for x in layers] for part in first}


def write(w: Writer) -> dict[str, tuple[int, int | float]]:
  """Adds the pairs, of each layer that has one, with the rank that it uses: {module: (rank, alpha)}."""
  mine = {path: t for path, t in w.targets.items()
          if f"lora/{path}/a" in w.adapter and not t.parameter}  # fmt: skip
  others = [t.module for path, t in w.targets.items() if path not in mine]
  written, targets, parts = {}, set(), set()
  for path, t in mine.items():
    lead = slice(None) if t.weight.stacked else None
    leaves = {n.rsplit("/", 1)[1]: x[lead] for n, x in w.adapter.items()
              if n.startswith((f"lora/{path}/", f"lora_scale/{path}/"))}  # fmt: skip
    a, b = (np.asarray(x) for x in since_start(w.adapter, path))
    leaves |= {"a": a[lead], "b": b[lead]}
    modules = t.modules(w.config)
    on = [l for l in range(len(modules)) if leaves["scale"][l] != 0]
    parts.add(frozenset(leaves))
    targets |= (
      {short_name(t.module, others)} if len(on) == len(modules) else {modules[l] for l in on}
    )
    for l in on:
      written[modules[l]] = _put(w, t, modules[l], {part: x[l] for part, x in leaves.items()})
  if not written:
    return {}
  if len(parts) > 1:
    raise ValueError("PEFT knows no adapter with a magnitude or bias on some of its modules only")
  has = next(iter(parts))
  w.settings |= {
    "fan_in_fan_out": any(t.input_first and not t.table for t in mine.values()),
    "target_modules": sorted(targets),
  }
  switches = {"use_dora": "magnitude" in has, "lora_bias": "bias" in has}
  w.settings |= {name: True for name, on in switches.items() if on}
  return written


def _put(w: Writer, t: Target, module: str, leaf) -> tuple[int, int | float]:
  """Adds one module's tensors; (rank, alpha)."""
  a = t.theirs(np.moveaxis(leaf["a"], -1, 0), "in")
  b = t.theirs(leaf["b"], "out")
  used = np.flatnonzero(np.any(a, axis=1) | np.any(b, axis=1))
  r = int(used[-1]) + 1 if len(used) else 1
  names = (
    ("lora_embedding_A", "lora_embedding_B") if t.table else ("lora_A.weight", "lora_B.weight")
  )
  tensors = {names[0]: a[:r], names[1]: b[:r].T}
  if "magnitude" in leaf:
    tensors["lora_magnitude_vector"] = t.theirs(leaf["magnitude"], "out")
  if "bias" in leaf:
    tensors["lora_B.bias"] = t.theirs(leaf["bias"], "out")
  w.tensors |= {f"{module}.{name}": np.ascontiguousarray(x) for name, x in tensors.items()}
  return r, settings.alpha(leaf["scale"], r, w.rslora)


def since_start(adapter: Mapping[str, jax.Array], path: str) -> tuple[jax.Array, jax.Array]:
  """(a, b) of one path; where it began as something else than nothing, as one pair of twice the rank
  for what was added since: [a, start's a] and [b, -start's b]."""
  a, b = (adapter[f"lora/{path}/{part}"] for part in "ab")
  if f"lora_start/{path}/a" not in adapter:
    return a, b
  start_a, start_b = (adapter[f"lora_start/{path}/{part}"] for part in "ab")
  lead = adapter[f"lora_scale/{path}/scale"].ndim
  return jnp.concatenate([a, start_a], -1), jnp.concatenate([b, -start_b], lead)
