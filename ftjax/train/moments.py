"""Adam whose moments take four, two or one byte a number, and weights in two bytes that small
updates reach.

  float32    m and v as they are
  bfloat16   rounded
  int8       codes, and a float32 for every group of at most 256 along the last dim: its largest
             size. A code counts down from there in equal ratios: m has 127 for each sign, 2 ** (1/10)
             apart; v 255, 2 ** (1/8) apart. (Block-wise 8-bit optimizers, Dettmers et al. 2022, whose
             codes are finer near the top; here all are as fine.)

What is stored is rounded at random, up or down so that it is right on average: v changes by a
thousandth at a step, and rounding to the nearest would leave it where it is.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ftjax.config import InputError
from ftjax.models.quant.codes import groups

MOMENTS = ("float32", "bfloat16", "int8")
SMALL = 4096  # numbers; fewer are left in float32, and so are those in rows of less than 32
_STEPS = {True: (127, 10.0), False: (255, 8.0)}  # signed: (codes, how many to an octave)


class Coded(NamedTuple):
  """Moments in a byte."""

  codes: jax.Array  # int8 or uint8, of the parameter's shape
  top: jax.Array  # float32 [..., G]


class AdamState(NamedTuple):
  """Moments, leaves as the parameters' or pairs of trees of them."""

  count: jax.Array
  mu: Any
  nu: Any
  mu_top: Any = ()
  nu_top: Any = ()


def scale_by_adam(b1: float, b2: float, eps: float, moments: str) -> optax.GradientTransformation:
  """Adam (Kingma & Ba 2015), bias-corrected, in float32 whatever the moments are stored in."""

  def init(params):
    mu, mu_top = _each(lambda x: _zeros(x, moments, signed=True), params)
    nu, nu_top = _each(lambda x: _zeros(x, moments, signed=False), params)
    return AdamState(jnp.zeros((), jnp.int32), mu, nu, mu_top, nu_top)

  def update(grads, state, params=None):
    del params
    count = optax.safe_increment(state.count)
    now = count.astype(jnp.float32)
    corrections = [-jnp.expm1(now * math.log(b)) if b else 1.0 for b in (b1, b2)]  # 1 - b ** now
    key = jax.random.fold_in(jax.random.key(0), count)
    leaves, treedef = jax.tree.flatten(grads)
    if not leaves:  # all that is trained has another optimizer
      return grads, state._replace(count=count)
    stored = [treedef.flatten_up_to(x) for x in state[1:]]
    out = []
    for i, (g, m, v, m_top, v_top) in enumerate(zip(leaves, *stored, strict=True)):
      g = g.astype(jnp.float32)
      m = b1 * _decoded(m, m_top) + (1 - b1) * g
      v = b2 * _decoded(v, v_top) + (1 - b2) * jnp.square(g)
      step = (m / corrections[0]) / (jnp.sqrt(v / corrections[1]) + eps)
      keys = jax.random.split(jax.random.fold_in(key, i))
      old_m, old_v = stored[0][i], stored[1][i]
      out.append((step, *_stored(m, old_m, keys[0]), *_stored(v, old_v, keys[1])))
    step, mu, mu_top, nu, nu_top = (treedef.unflatten(x) for x in zip(*out, strict=True))
    return step, AdamState(count, mu, nu, mu_top, nu_top)

  return optax.GradientTransformation(init, update)


def _each(make, params) -> tuple[Any, Any]:
  """Two trees, of the first and of the second things that `make` gives for each leaf."""
  leaves, treedef = jax.tree.flatten(params)
  first, second = zip(*map(make, leaves), strict=True) if leaves else ((), ())
  return treedef.unflatten(first), treedef.unflatten(second)


def _zeros(x, moments: str, signed: bool) -> tuple[jax.Array, Any]:
  """(codes or numbers, tops or nothing) of a parameter's moment at the start."""
  if moments == "bfloat16":
    return jnp.zeros(x.shape, jnp.bfloat16), ()
  if moments == "float32" or x.size < SMALL or x.shape[-1] < 32:
    return jnp.zeros(x.shape, jnp.float32), ()
  top = jnp.zeros((*x.shape[:-1], groups(x.shape[-1])), jnp.float32)
  return jnp.zeros(x.shape, jnp.int8 if signed else jnp.uint8), top


def _decoded(x, top) -> jax.Array:
  return x.astype(jnp.float32) if isinstance(top, tuple) else decode(Coded(x, top))


def _stored(x: jax.Array, like: jax.Array, key) -> tuple[jax.Array, Any]:
  if like.dtype == jnp.float32:
    return x, ()
  if like.dtype == jnp.bfloat16:
    return round_at_random(x, key), ()
  last = x.shape[-1]
  return tuple(encode(x, groups(last), key, signed=like.dtype == jnp.int8))


def encode(x: jax.Array, groups: int, key, signed: bool) -> Coded:
  """float32 [..., last] in codes; `decode` gives x back on average."""
  most, octave = _STEPS[signed]
  grouped = jnp.abs(x).reshape(*x.shape[:-1], groups, -1)
  top = grouped.max(-1)
  share = (grouped / jnp.where(top > 0, top, 1)[..., None]).reshape(x.shape)
  # The code below and the one above, counted from the top; below the last one there is zero.
  below = jnp.ceil(-jnp.log2(jnp.maximum(share, 1e-30)) * octave)
  value = lambda k: jnp.where(k < most, jnp.exp2(-k / octave), 0)
  below = jnp.minimum(below, most)
  low, high = value(below), value(below - 1)
  up = jax.random.uniform(key, x.shape) * (high - low) < share - low
  code = jnp.where(share > 0, most - (below - up), 0)
  code = jnp.where(signed & (x < 0), -code, code)
  return Coded(code.astype(jnp.int8 if signed else jnp.uint8), top)


def decode(coded: Coded) -> jax.Array:
  """float32, of the codes' shape."""
  signed = coded.codes.dtype == jnp.int8
  most, octave = _STEPS[signed]
  code = coded.codes.astype(jnp.float32)
  size = jnp.where(code != 0, jnp.exp2((jnp.abs(code) - most) / octave), 0) * jnp.sign(code)
  grouped = size.reshape(*coded.top.shape, -1) * coded.top[..., None]
  return grouped.reshape(code.shape)


def round_at_random(x: jax.Array, key) -> jax.Array:
  """bfloat16: one of the two numbers next to each float32, x itself on average."""
  bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.uint32)
  noise = jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.uint32)
  cut = (bits + noise) & jnp.uint32(0xFFFF0000)
  rounded = jax.lax.bitcast_convert_type(cut, jnp.float32).astype(jnp.bfloat16)
  return jnp.where(jnp.isfinite(x), rounded, x.astype(jnp.bfloat16))


class RoundingState(NamedTuple):
  count: jax.Array


def round_weights(seed: int = 0) -> optax.GradientTransformation:
  """Updates of bfloat16 weights, such that the sums are weights rounded at random; other weights'
  stay as they are. To come last.

  In eight bits a weight does not notice what is smaller than a 256th of it; so it does, in that
  share of the updates (Gupta et al. 2015; bfloat16: Zamirai et al. 2020).
  """

  def update(updates, state, params):
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 2), state.count)
    leaves, treedef = jax.tree.flatten(updates)
    weights = treedef.flatten_up_to(params)
    rounded = [
      _to_rounded(u, w, jax.random.fold_in(key, i))
      for i, (u, w) in enumerate(zip(leaves, weights, strict=True))
    ]
    return treedef.unflatten(rounded), RoundingState(state.count + 1)

  return optax.GradientTransformation(lambda _: RoundingState(jnp.zeros((), jnp.int32)), update)


def _to_rounded(update, weight, key):
  if weight.dtype != jnp.bfloat16:
    return update
  old = weight.astype(jnp.float32)
  # The difference of two neighbours of eight bits is exact in float32, and so is its sum with one.
  return round_at_random(old + update.astype(jnp.float32), key).astype(jnp.float32) - old


def check(name: str, moments: str, stochastic_rounding: bool, dtype: str, adapter: str) -> None:
  """Raises InputError for settings that would do nothing."""
  if moments not in MOMENTS:
    raise InputError(f"optim.moments={moments!r} is not known. Use one of: {', '.join(MOMENTS)}.")
  if moments != "float32" and name != "adamw":
    raise InputError(
      f"optim.moments={moments} is for optim.name=adamw; {name} keeps its own. Leave it at float32."
    )
  if stochastic_rounding and (dtype != "bfloat16" or adapter != "none"):
    raise InputError(
      "optim.stochastic_rounding rounds weights that are trained in bfloat16: it needs "
      f"model.dtype=bfloat16 and adapter.kind=none, not model.dtype={dtype} and "
      f"adapter.kind={adapter} (adapters are trained in float32)."
    )
