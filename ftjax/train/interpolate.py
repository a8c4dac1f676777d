"""Models between the base and the tuned one, after training (WiSE-FT: Wortsman et al. 2022)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ftjax import tree
from ftjax.train.state import Variables


def between(start: Variables, tuned: Variables) -> Callable[[float], Variables]:
  """fn(alpha) -> the trainable collections at alpha between `start` (0) and `tuned` (1).

  Every number is on the straight line between its two values. Of a low-rank pair (names ending in
  /a and /b) whose one factor began at zero, that factor alone goes along the line and the other is
  the tuned one: the adapter's difference is scaled by alpha.
  """
  first = tree.flatten(start)
  zero = lambda name: name in first and not jnp.any(first[name])
  pairs = [n.removesuffix("/a") for n in first if n.endswith("/a") and f"{n[:-1]}b" in first]
  whole = {f"{p}/a" for p in pairs if zero(f"{p}/b")}
  whole |= {f"{p}/b" for p in pairs if zero(f"{p}/a") and f"{p}/a" not in whole}
  mix = jax.jit(lambda x0, x, alpha: _mix(x0, x, alpha))

  def at(alpha: float) -> Variables:
    go = lambda name, x0, x: x if name in whole or alpha == 1 else mix(x0, x, jnp.float32(alpha))
    return tree.map_named(go, start, tuned)

  return at


def _mix(x0, x, alpha):
  y = x0.astype(jnp.float32)
  return (y + alpha * (x.astype(jnp.float32) - y)).astype(x0.dtype)
