"""jax.jit with shardings and donation spelled out (what pjit was before jit absorbed it)."""

from collections.abc import Callable

import jax
from jax.sharding import Mesh


def pjit(fn: Callable, mesh: Mesh, *, inputs, outputs, donate: tuple[int, ...] = (), static: tuple[int, ...] = ()):
  """Compiles `fn` for `mesh`.

  inputs, outputs: shardings, as prefixes of fn's (non-static) arguments and results; None leaves the choice to XLA.
  donate: arguments whose memory the results may take; they must not be used afterwards.
  The mesh is ambient while fn is traced, so that `mesh.constrain` works inside.
  """
  compiled = jax.jit(
    fn, in_shardings=inputs, out_shardings=outputs, donate_argnums=donate, static_argnums=static
  )

  def call(*args):
    with jax.set_mesh(mesh):
      return compiled(*args)

  def lower(*args):
    with jax.set_mesh(mesh):
      return compiled.lower(*args)

  call.lower = lower
  call.traces = compiled._cache_size
  return call
