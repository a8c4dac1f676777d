"""One batch of prompts on its way to completions."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.generate import engine
from ftjax.generate.sampling import Sampling
from ftjax.generate.stop import Text

if TYPE_CHECKING:
  from jax.sharding import Mesh
  from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Completion:
  """What followed a prompt.

  text: without special tokens, and without the stop string that ended it; "" where there is no
  tokenizer. ids: all new ids, the stop id or those of the stop string included. reason: "stop" if
  it ended by itself, "length" if it was cut.
  """

  text: str
  ids: tuple[int, ...]
  reason: Literal["stop", "length"]

  @property
  def finished(self) -> bool:
    """Whether it ended by itself."""
    return self.reason == "stop"


class Limits(NamedTuple):
  """When a completion ends: after `most` tokens, or by a stop id after at least `least`, or by a
  stop string."""

  most: int
  least: int
  stops: tuple[str, ...]


@dataclass(frozen=True)
class Model:
  """What every batch of a generator shares. variables: of weights.Weights. stop_ids: int32 [E]."""

  program: engine.Program
  variables: Any
  tokenizer: PreTrainedTokenizerBase | None
  stop_ids: jax.Array
  mesh: Mesh | None

  def ambient(self):
    """The mesh, as a context, where there is one."""
    return jax.set_mesh(self.mesh) if self.mesh is not None else contextlib.nullcontext()


class Run:
  """One batch on its way: what the device holds, and what it has written so far."""

  def __init__(
    self,
    model: Model,
    prompts: list[list[int]],
    limits: Limits,
    sampling: Sampling,
    keys: jax.Array,
    slots: int,
  ):
    """Prefills. keys: a key a row; rows without a prompt only fill up the batch. slots: at least
    what the longest prompt's bucket and limits.most take together."""
    self._model, self._limits, self._parts = model, limits, sampling.parts
    self._ids: list[list[int]] = [[] for _ in prompts]
    tok = model.tokenizer
    self._texts = [Text(tok, ids) for ids in prompts] if tok is not None else []
    self._ends: dict[int, int] = {}  # row -> where a stop string begins in its text
    self._count, rows, V = 0, len(keys), model.program.config.V
    self._done = np.arange(rows) >= len(prompts)
    self._choice = engine.Choice(keys, sampling.dials, model.stop_ids, jnp.int32(limits.least))
    tokens, segments = engine.pad_left(prompts, rows, engine.bucket(max(map(len, prompts))))
    seen = engine.seen_ids(prompts if self._parts.penalty else [], rows, V)
    with model.ambient():
      most = jnp.int32(limits.most)
      logits, cache = engine.prefill(model.variables, tokens, segments, most, model.program, slots)
    length, done, seen = map(jnp.array, (segments.sum(1), self._done, seen))
    self._state = engine.State(cache, logits, length, done, jnp.int32(0), seen)

  @property
  def finished(self) -> bool:
    """Whether nothing more will come."""
    return bool(self._done.all()) or self._count >= self._limits.most

  def advance(self, steps: int) -> None:
    """Decodes up to `steps` tokens (at most engine.CHUNK)."""
    steps = min(steps, self._limits.most - self._count)
    model = self._model
    with model.ambient():
      new, self._state = engine.decode(
        model.variables, self._state, jnp.int32(steps), self._choice, model.program, self._parts
      )
    new, self._done = (
      np.asarray(new),
      np.array(self._state.done),
    )  # a copy: the state will be donated
    self._count += steps
    for r, ids in enumerate(self._ids):
      ids += [int(t) for t in new[r] if t != engine.NONE]
    if self._limits.stops:
      self._look_for_stops()

  def _look_for_stops(self) -> None:
    for r, ids in enumerate(self._ids):
      if r not in self._ends and (found := self._texts[r].stopped(ids, self._limits.stops)):
        used, self._ends[r] = found
        del ids[used:]
        self._done[r] = True
    self._state = self._state._replace(done=jnp.array(self._done))

  def text(self, row: int) -> str:
    """The row's text so far, cut at its stop string."""
    return self._texts[row](self._ids[row])[: self._ends.get(row)] if self._texts else ""

  def completions(self) -> list[Completion]:
    """The rows' results."""
    return [
      Completion(self.text(r), tuple(ids), "stop" if self._done[r] else "length")
      for r, ids in enumerate(self._ids)
    ]
