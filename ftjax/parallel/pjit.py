"""jax.jit with shardings and donation spelled out (what pjit was before jit absorbed it)."""

from collections.abc import Callable

import jax
from jax.sharding import Mesh


class Partitioned:
  """A function compiled for a mesh, which is ambient while it is traced, so that `mesh.constrain`
  works inside."""

  def __init__(self, compiled, mesh: Mesh):
    self._compiled, self.mesh = compiled, mesh

  def __call__(self, *args):
    with jax.set_mesh(self.mesh):
      return self._compiled(*args)

  def compile(self, *args):
    """The executable for arguments of these shapes (arrays or shape structs), before anything runs.

    It is called like the function, takes no other shapes, and its `memory_analysis()` says what it
    needs.
    """
    with jax.set_mesh(self.mesh):
      return self._compiled.lower(*args).compile()

  @property
  def traces(self) -> int:
    """How many shapes have been traced by calls."""
    return self._compiled._cache_size()


def pjit(fn: Callable, mesh: Mesh, *, inputs, outputs, donate: tuple[int, ...] = ()) -> Partitioned:
  """Compiles `fn` for `mesh`.

  inputs, outputs: shardings, as prefixes of fn's arguments and results; None leaves the choice to
  XLA. donate: arguments whose memory the results may take; they must not be used afterwards.
  """
  compiled = jax.jit(fn, in_shardings=inputs, out_shardings=outputs, donate_argnums=donate)
  return Partitioned(compiled, mesh)
