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
  """When a completion ends: after `most` tokens (of each prompt its own), or by a stop id after at
  least `least`, or by a stop string."""

  most: tuple[int, ...]
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
    what the longest prompt's bucket and the largest limits.most take together."""
    self._model, self._limits, self._parts = model, limits, sampling.parts
    self._ids: list[list[int]] = [[] for _ in prompts]
    tok = model.tokenizer
    self._texts = [Text(tok, ids) for ids in prompts] if tok is not None else []
    self._ends: dict[int, int] = {}  # row -> where a stop string begins in its text
    self._stop_ids = set(np.asarray(model.stop_ids).tolist())
    self._count, rows, V = 0, len(keys), model.program.config.V
    self._done = np.arange(rows) >= len(prompts)
    self._choice = engine.Choice(keys, sampling.dials, model.stop_ids, jnp.int32(limits.least))
    tokens, segments = engine.pad_left(prompts, rows, engine.bucket(max(map(len, prompts))))
    seen = engine.seen_ids(prompts if self._parts.penalty else [], rows, V)
    most = np.ones(rows, np.int32)
    most[: len(prompts)] = limits.most
    with model.ambient():
      logits, cache = engine.prefill(model.variables, tokens, segments, most, model.program, slots)
    length, done, seen = map(jnp.array, (segments.sum(1), self._done, seen))
    self._state = engine.State(cache, logits, length, done, jnp.int32(0), seen)

  @property
  def finished(self) -> bool:
    """Whether nothing more will come."""
    return bool(self._done.all())

  def advance(self, steps: int) -> None:
    """Decodes up to `steps` tokens (at most engine.CHUNK)."""
    model, most = self._model, self._limits.most
    longest = max(m for m, done in zip(most, self._done, strict=False) if not done)
    steps = min(steps, longest - self._count)
    with model.ambient():
      new, self._state = engine.decode(
        model.variables, self._state, jnp.int32(steps), self._choice, model.program, self._parts
      )
    new, self._done = (
      np.asarray(new),
      np.array(self._state.done),
    )  # a copy: the state will be donated
    self._count += steps
    on_device = self._done.copy()
    for r, ids in enumerate(self._ids):
      ids += [int(t) for t in new[r] if t != engine.NONE]
      del ids[most[r] :]
      self._done[r] |= len(ids) == most[r]
    if self._limits.stops:
      self._look_for_stops()
    if (self._done != on_device).any():
      self._state = self._state._replace(done=jnp.array(self._done))

  def _look_for_stops(self) -> None:
    for r, ids in enumerate(self._ids):
      if r not in self._ends and (found := self._texts[r].stopped(ids, self._limits.stops)):
        used, self._ends[r] = found
        del ids[used:]
        self._done[r] = True

  def text(self, row: int) -> str:
    """The row's text so far, cut at its stop string."""
    return self._texts[row](self._ids[row])[: self._ends.get(row)] if self._texts else ""

  def completions(self) -> list[Completion]:
    """The rows' results."""
    ended = lambda r, ids: r in self._ends or self._stop_ids & set(ids[-1:])
    return [
      Completion(self.text(r), tuple(ids), "stop" if ended(r, ids) else "length")
      for r, ids in enumerate(self._ids)
    ]
