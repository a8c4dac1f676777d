"""Low-rank pairs: LoRA (Hu et al. 2021), and DoRA (Liu et al. 2024) where there is a magnitude.

  lora/PATH        a [L, in, r]  b [L, r, out]  magnitude [L, out]  bias [L, out]
  lora_scale/PATH  scale [L]

W' = W + scale * a b, then every output's column of W' is given the length `magnitude`; the layer's
output gets scale * bias. `in` and `out` stand for the kernel's own dims, such as [N, H]; outside
the blocks there is no L. A layer of scale 0 has no adapter. With b = 0, as at the start, the
adapter is the identity.

Pairs in the blocks are read by the linear layer itself; those of the token tables and of the head
are worked into them (kinds.effective), so that dropout does not act there.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError
from ftjax.models.adapters import settings
from ftjax.models.adapters.folder import Reader, Writer
from ftjax.models.contract import contract
from ftjax.models.targets import Target, short_name

TRAINED, FROZEN = ("lora",), ("lora_scale",)


def read_by_layers(path: str) -> bool:
  """Whether layers.Linear reads the adapter of this path itself."""
  return path.startswith("layer")


def linear(
  y: jax.Array, x: jax.Array, dropped: jax.Array, kernel: jax.Array, leaves: Mapping
) -> jax.Array:
  """What a linear layer gives with its pair, of y = contract(x, kernel); in y's dtype.

  As in PEFT, the columns' lengths are constants to the gradient (section 4.3 of the paper).
  """
  if "lora" not in leaves:
    return y
  leaves, scale = leaves["lora"], leaves["lora_scale"]["scale"]
  a, b = leaves["a"], leaves["b"]
  dims = a.ndim - 1
  low = contract(contract(dropped, a, dims, y.dtype), b, 1, y.dtype)
  if "bias" in leaves:
    low += _last(leaves["bias"], low).astype(y.dtype)
  low *= scale.astype(y.dtype)
  if "magnitude" not in leaves:
    return y + low
  f32 = jnp.float32
  factor = _last(_factor(_sum(kernel, a, b, scale), leaves["magnitude"], scale, dims), y)
  own = y if dropped is x else contract(dropped, kernel, dims, y.dtype)
  return (y.astype(f32) + (factor - 1) * own.astype(f32) + factor * low.astype(f32)).astype(y.dtype)


def merge(name: str, leaf: jax.Array, adapter: Mapping[str, jax.Array]) -> jax.Array:
  """A leaf of params with its pair (or its bias with the pair's) added: float32, or what is
  wider."""
  path, _, last = name.removeprefix("params/").rpartition("/")
  path, last = (path, last) if last in ("kernel", "bias") else (f"{path}/{last}", "kernel")
  if f"lora/{path}/a" not in adapter:
    return leaf
  scale = adapter[f"lora_scale/{path}/scale"]
  stacked = jax.vmap if scale.ndim else lambda fn: fn
  if last == "bias":
    bias = adapter.get(f"lora/{path}/bias")
    add = lambda leaf, bias, scale: leaf.astype(jnp.float32) + scale * bias.astype(jnp.float32)
    return leaf if bias is None else stacked(add)(leaf, bias, scale)
  pair = [adapter[f"lora/{path}/{part}"] for part in "ab"]
  magnitude = adapter.get(f"lora/{path}/magnitude")
  if magnitude is None:
    return stacked(_sum)(leaf, *pair, scale)
  dims = pair[0].ndim - 1 - scale.ndim

  def dora(leaf, a, b, scale, magnitude):
    w = _sum(leaf, a, b, scale)
    return w * _factor(w, magnitude, scale, dims).reshape((1,) * dims + magnitude.shape)

  return stacked(dora)(leaf, *pair, scale, magnitude)


def check_merge(names, adapter: Mapping[str, jax.Array]) -> None:
  """Raises InputError for what no parameter of the base can take."""
  for name in adapter:
    if name.startswith("lora/") and name.endswith("/bias"):
      if (base := "params/" + name.removeprefix("lora/")) not in names:
        raise InputError(
          f"The adapter has a bias (lora_bias) for {base.removesuffix('/bias')}, which has none: it "
          "cannot be merged. Keep base and adapter apart."
        )


def lengths(kernel: jax.Array, dims: int, stacked: bool) -> jax.Array:
  """float32 [L, out] (or [out]): the length of every output's column, DoRA's first magnitude.

  dims: how many dims of the kernel are inputs.
  """
  return jax.vmap(_lengths, (0, None))(kernel, dims) if stacked else _lengths(kernel, dims)


def _lengths(kernel, dims: int):
  return jnp.sqrt(jnp.square(kernel.astype(jnp.float32)).sum(range(dims)))


def _sum(kernel, a, b, scale):
  """float32: kernel + scale * a b."""
  a, b = a.astype(jnp.float32), b.astype(jnp.float32)
  return kernel.astype(jnp.float32) + scale * jnp.tensordot(a, b, 1, precision="highest")


def _factor(w, magnitude, scale, dims: int):
  """float32 [out]: what the columns of w are multiplied by to have their magnitude."""
  length = jax.lax.stop_gradient(_lengths(w, dims))
  usable = (scale != 0) & (length > 0)
  return jnp.where(usable, magnitude / jnp.where(usable, length, 1), 1)


def _last(vector, y):
  """`vector` with dims of 1 in front, for y's last dims."""
  return vector.reshape((1,) * (y.ndim - vector.ndim) + vector.shape)


def read(r: Reader) -> dict[str, np.ndarray]:
  """The pairs of a PEFT folder. Ranks that differ by layer are padded with zeros, and layers without
  a pair get zeros and scale 0."""
  named = {}
  for path, t in r.targets.items():
    layers = [_take(r, t, module) for module in t.modules(r.config)]
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


def write(w: Writer) -> None:
  """Adds the pairs: of each layer that has one, with the rank that it uses."""
  mine = {path: t for path, t in w.targets.items() if f"lora/{path}/a" in w.adapter}
  others = [t.module for path, t in w.targets.items() if path not in mine]
  ranks, alphas, targets, parts = {}, {}, set(), set()
  for path, t in mine.items():
    lead = slice(None) if t.weight.stacked else None
    leaves = {n.rsplit("/", 1)[1]: x[lead] for n, x in w.adapter.items()
              if n.startswith((f"lora/{path}/", f"lora_scale/{path}/"))}  # fmt: skip
    modules = t.modules(w.config)
    on = [l for l in range(len(modules)) if leaves["scale"][l] != 0]
    parts.add(frozenset(leaves))
    targets |= (
      {short_name(t.module, others)} if len(on) == len(modules) else {modules[l] for l in on}
    )
    for l in on:
      leaf = {part: x[l] for part, x in leaves.items()}
      ranks[modules[l]], alphas[modules[l]] = _put(w, t, modules[l], leaf)
  if not ranks:
    return
  if len(parts) > 1:
    raise ValueError("PEFT knows no adapter with a magnitude or bias on some of its modules only")
  rank, alpha = _usual(ranks), _usual(alphas)
  has = next(iter(parts))
  w.settings = {"bias": "none"} | w.settings | {
    "peft_type": "LORA", "r": rank, "lora_alpha": alpha,
    "rank_pattern": {m: r for m, r in ranks.items() if r != rank},
    "alpha_pattern": {m: x for m, x in alphas.items() if x != alpha},
    "fan_in_fan_out": any(t.input_first and t.weight.stacked for t in mine.values()),
    "target_modules": sorted(targets),
  }  # fmt: skip
  switches = {"use_rslora": w.rslora, "use_dora": "magnitude" in has, "lora_bias": "bias" in has}
  w.settings |= {name: True for name, on in switches.items() if on}


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
  alpha = float(leaf["scale"]) * (r**0.5 if w.rslora else r)
  whole = round(alpha)
  return r, whole if abs(alpha - whole) < 1e-6 * alpha else alpha


def _usual(values: dict[str, int | float]):
  """The most common value."""
  every = list(values.values())
  return max(set(every), key=every.count)
