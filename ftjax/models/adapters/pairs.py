"""New low-rank pairs: how they begin, and which rank each layer has.

  default    a uniform in +-1/sqrt(inputs), b zero; on a token table a zero, b normal, as in PEFT
  gaussian   a normal, of standard deviation 1 / rank
  pissa      the largest singular values of the weights and their vectors, shared evenly (Meng et al.
             2024, "PiSSA")
  olora      the first columns of the weights' QR decomposition (Buyukakyuz 2024, "OLoRA")
The last two take what they begin with off the base: see low_rank.py. Reference: peft/tuners/lora/layer.py.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.config import InputError, choice, positive
from ftjax.models.adapters import low_rank
from ftjax.models.config import ModelConfig
from ftjax.models.targets import Target

BEGINNINGS = ("default", "gaussian", "pissa", "olora")


class Sizes(NamedTuple):
  """Rank and alpha of one layer's pair."""

  rank: int
  alpha: float

  def scale(self, rslora: bool) -> float:
    """What the product is multiplied by."""
    return self.alpha / (self.rank**0.5 if rslora else self.rank)


def parse(patterns: str) -> list[tuple[str, int | None, float | None]]:
  """[(pattern, rank, alpha)] of "q_proj: rank 4 alpha 8, layers.3: rank 16"; None where one is not
  given."""
  found = []
  for item in filter(None, (x.strip() for x in patterns.split(","))):
    m = re.fullmatch(r"(.+?)\s*:\s*(?:rank\s+(\d+))?\s*(?:alpha\s+([\d.]+))?", item)
    if not m or not (m[2] or m[3]):
      raise InputError(
        f"adapter.patterns: {item!r} is not of the form 'q_proj: rank 4 alpha 8' (either may be left "
        "out); several are separated by commas."
      )
    found.append((m[1], int(m[2]) if m[2] else None, float(m[3]) if m[3] else None))
  return found


def sizes(
  config: ModelConfig, targets: Mapping[str, Target], rank: int, alpha: float, patterns: str = ""
) -> dict[str, list[Sizes]]:
  """{path: rank and alpha of each layer} (one for what stands outside the blocks).

  A pattern is a part of the checkpoint's module name, whole between dots: a regex, such as "q_proj",
  "layers.3" or "layers.[0-3].mlp". The first that matches counts. Raises InputError for one that
  matches nothing, and for a rank above the matrix.
  """
  positive(rank, "adapter.rank")
  rules, used, found = parse(patterns), set(), {}
  for path, t in targets.items():
    found[path] = []
    for module in t.modules(config):
      hit = next((i for i, r in enumerate(rules) if _matches(r[0], module)), None)
      used.add(hit)
      _, own_rank, own_alpha = rules[hit] if hit is not None else (None, None, None)
      own = Sizes(
        rank if own_rank is None else positive(own_rank, "adapter.patterns' rank"),
        positive(alpha, "adapter.alpha")
        if own_alpha is None
        else positive(own_alpha, "adapter.patterns' alpha"),
      )
      if own.rank > min(t.shape):
        key = "adapter.rank" if own_rank is None else "adapter.patterns: rank"
        raise InputError(
          f"{key}={own.rank} is above the size of {module}, which is {t.shape[0]} x {t.shape[1]}."
        )
      found[path].append(own)
  if unused := [r[0] for i, r in enumerate(rules) if i not in used]:
    raise InputError(
      f"adapter.patterns: {unused[0]!r} matches none of the layers that get an adapter (or an earlier "
      f"pattern took them all). They are called {_examples(config, targets)}."
    )
  return found


def _matches(pattern: str, module: str) -> bool:
  try:
    return re.search(rf"(^|\.)({pattern})(\.|$)", module) is not None
  except re.error as e:
    raise InputError(f"adapter.patterns: {pattern!r} is not a pattern: {e}.") from e


def _examples(config: ModelConfig, targets: Mapping[str, Target]) -> str:
  names = [t.modules(config)[0] for t in targets.values()]
  return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def init(
  key: jax.Array,
  targets: Mapping[str, Target],
  own: Mapping[str, list[Sizes]],
  *,
  rslora: bool = False,
  begin: str = "default",
  kernel: Callable[[Target], jax.Array] | None = None,
  dora: bool = False,
  dtype=jnp.float32,
) -> dict[str, jax.Array]:
  """New pairs by name, which are the identity. Ranks that differ by layer are filled up with zeros,
  which get no gradient.

  kernel: the base's kernel of a target, for dora, pissa and olora.
  """
  choice(begin, BEGINNINGS, "adapter.init")
  _check(targets, begin, dora)
  shapes = {}
  for path, t in targets.items():
    r = max(s.rank for s in own[path]) * t.sides
    shapes[path] = (*t.shape_lead, *t.shape_in, r), (*t.shape_lead, r, *t.shape_out)
  drawn = [math.prod(shapes[path][t.table]) for path, t in targets.items()]
  ends = np.cumsum([0, *drawn])
  draw = jax.random.uniform(key, (int(ends[-1]),), minval=-1, maxval=1)  # one draw: one compilation
  named = {}
  for (path, t), low, high in zip(targets.items(), ends, ends[1:], strict=False):
    a, b = shapes[path]
    lead = t.shape_lead[:1]
    pick = (lambda xs: np.stack(xs)) if lead else (lambda xs: xs[0])
    ranks = np.array([s.rank * t.sides for s in own[path]])
    scales = pick([np.float32(s.scale(rslora)) for s in own[path]])
    on = pick([np.arange(b[len(t.shape_lead)]) < r for r in ranks])  # [L, r]: which ranks there are
    # The normal distribution's inverse makes normal numbers of uniform ones.
    normal = lambda x: 2**0.5 * jax.lax.erf_inv(x)
    if t.table:
      pair = jnp.zeros(a), normal(draw[low:high].reshape(b)) * _for(on, b, len(t.shape_lead))
    elif begin in ("pissa", "olora"):
      pair = _of_weights(begin, kernel(t), t, own[path], rslora, a, b)
      named |= {
        f"lora_start/{path}/{p}": jnp.array(x, dtype) for p, x in zip("ab", pair, strict=True)
      }
    else:
      spread = draw[low:high].reshape(a)
      if begin == "gaussian":
        spread = normal(spread) / _for(pick(ranks), a, None)
      else:
        spread = spread / t.shape[0] ** 0.5
      pair = spread * _for(on, a, len(a) - 1), jnp.zeros(b)
    named |= {f"lora/{path}/{p}": x.astype(dtype) for p, x in zip("ab", pair, strict=True)}
    if dora:
      length = low_rank.lengths(kernel(t), len(t.shape_in), bool(lead))
      named[f"lora/{path}/magnitude"] = length.astype(dtype)
    named[f"lora_scale/{path}/scale"] = jnp.asarray(scales)
  return named


def _for(x, shape: tuple[int, ...], axis: int | None) -> jax.Array:
  """x [L, r] (or [r], or [L]) as it is to be multiplied with an array of this shape, whose dim `axis`
  is r."""
  x = jnp.asarray(x, jnp.float32)
  if axis is None:
    return x.reshape(x.shape + (1,) * (len(shape) - x.ndim))
  dims = [1] * len(shape)
  dims[axis] = shape[axis]
  if x.ndim == 2:
    dims[0] = shape[0]
  return x.reshape(dims)


def _check(targets: Mapping[str, Target], begin: str, dora: bool) -> None:
  experts = sorted(t.module for t in targets.values() if t.parameter)
  if dora and experts:
    raise InputError(
      f"adapter.dora=True with adapters on experts ({experts[0]}): like PEFT, ftjax has none there. "
      "Set adapter.dora=False, or leave experts and router out of adapter.targets."
    )
  if begin in ("pissa", "olora") and (dora or experts):
    what = "adapter.dora=True" if dora else f"adapters on experts ({experts[0]})"
    raise InputError(
      f"adapter.init={begin} with {what}: there is no such beginning. Use adapter.init=default."
    )


def _of_weights(begin, weights, t: Target, own, rslora: bool, a, b) -> tuple[jax.Array, jax.Array]:
  """(a, b) that hold a part of the weights, layer by layer."""
  inputs, outputs = t.shape
  parts = []
  for l, s in enumerate(own):
    layer = weights[l] if t.weight.stacked else weights  # No iteration: parts may be elsewhere.
    flat = layer.astype(jnp.float32).reshape(*t.shape_in, outputs)
    theirs = t.theirs(jnp.moveaxis(flat, -1, 0), "in")  # [out, in]: QR depends on the inputs' order
    if begin == "pissa":
      u, s_, vh = jnp.linalg.svd(theirs, full_matrices=False)
      root = jnp.sqrt(s_[: s.rank] / s.scale(rslora))
      down, up = root[:, None] * vh[: s.rank], u[:, : s.rank] * root[None]
    else:
      q, r = jnp.linalg.qr(theirs)
      down, up = r[: s.rank], q[:, : s.rank]
    down = jnp.moveaxis(t.ours(down, "in"), 0, -1)
    rank = a[-1]
    down = jnp.pad(down, [(0, 0)] * (down.ndim - 1) + [(0, rank - s.rank)])
    up = jnp.pad(up.T, [(0, rank - s.rank), (0, 0)])
    parts.append((down, up.reshape(rank, *t.shape_out)))
  pick = jnp.stack if t.weight.stacked else (lambda xs: xs[0])
  return tuple(pick(x) for x in zip(*parts, strict=True))
