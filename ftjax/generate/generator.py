"""Prompts in, completions out: the host's half of generation."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp

from ftjax.config import InputError
from ftjax.generate import engine
from ftjax.generate.fuse import fused
from ftjax.generate.run import Completion, Limits, Model, Run
from ftjax.generate.sampling import Sampling
from ftjax.generate.stop import check_stops, settled
from ftjax.generate.weights import Weights
from ftjax.models import prefixes
from ftjax.models.config import ModelConfig
from ftjax.text.tokenizer import encode_prompt

if TYPE_CHECKING:
  from jax.sharding import Mesh
  from transformers import PreTrainedTokenizerBase

Prompt = str | Sequence[int]


class Generator:
  """Generates with one model. Programs are compiled once for each size of batch, prompt and cache,
  and shared between generators of the same ModelConfig.

  config, variables: of a stacked Decoder ({"params": ..., and "lora", "lora_scale" for an
  adapter}). tokenizer: None for a model that takes and gives ids alone. dtype: of the computation
  and the cache. stop_ids: ids that end a text. mesh: where the variables are sharded. release: the
  variables are emptied, so that the weights are not in memory twice; `stacked` gives them back.
  """

  def __init__(
    self,
    config: ModelConfig,
    variables,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    dtype=jnp.float32,
    stop_ids: Sequence[int] = (),
    attention: str = "auto",
    mesh: Mesh | None = None,
    release: bool = False,
  ):
    self.config, self.tokenizer = config, tokenizer
    self.room = config.room(prefixes.count(variables))  # tokens that a prompt and its text may have
    one = mesh is None or mesh.size == 1  # Else heads and widths are split, of each matrix apart.
    weights = Weights(variables, config, jnp.dtype(dtype), one, release)
    self.stacked = weights.stacked
    prepared = prefixes.as_prefix(weights.prepared, config, jnp.dtype(dtype))
    self._model = Model(
      engine.Program(fused(config, prepared), jnp.dtype(dtype), attention),
      prepared,
      tokenizer,
      jnp.asarray(stop_ids, jnp.int32),
      mesh,
    )

  def generate(
    self,
    prompts: Prompt | Sequence[Prompt],
    *,
    max_new_tokens: int | Sequence[int] = 128,
    min_new_tokens: int = 0,
    sampling: Sampling | None = None,
    seed: int = 0,
    stop: str | Sequence[str] = (),
    batch_size: int = 32,
  ) -> list[Completion]:
    """One completion for each prompt (a text, or a list of ids taken as they are), in order. A text
    alone, or a list of ids alone, is one prompt.

    Prompts run by length, `batch_size` at a time; a result depends on neither. max_new_tokens: for
    all prompts, or a number for each. seed: with one seed a prompt gets the same sample anywhere, and
    its second occurrence in the list another one.
    Raises InputError for prompts that do not fit the context together with max_new_tokens, for
    texts or stop strings without a tokenizer, for empty ids, and for what is no prompt.
    """
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if prompts and all(map(_is_id, prompts)):
      prompts = [prompts]
    one = not isinstance(max_new_tokens, Sequence)
    each = [max_new_tokens] * len(prompts) if one else max_new_tokens
    limits = self._limits(each, min_new_tokens, stop)
    if not isinstance(batch_size, int) or batch_size < 1:
      raise InputError(f"batch_size={batch_size!r} must be a whole number of at least 1.")
    encoded = [
      self._encode(p, i, most) for i, (p, most) in enumerate(zip(prompts, limits.most, strict=True))
    ]
    names = engine.names(encoded)
    longest = max(map(len, encoded), default=1)
    slots = engine.bucket(
      engine.bucket(longest) + max(limits.most, default=1)
    )  # of all batches, which share one program
    out: list[Completion | None] = [None] * len(encoded)
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    for at in range(0, len(order), batch_size):
      members = order[at : at + batch_size]
      rows = min(batch_size, 1 << (len(members) - 1).bit_length())
      keys = engine.row_keys(seed, [names[i] for i in members], rows)
      some = [encoded[i] for i in members]
      own = limits._replace(most=tuple(limits.most[i] for i in members))
      run = Run(self._model, some, own, sampling or Sampling(), keys, slots)
      while not run.finished:
        run.advance(engine.CHUNK)
      for i, completion in zip(members, run.completions(), strict=True):
        out[i] = completion
    return out

  def stream(
    self,
    prompt: Prompt,
    *,
    max_new_tokens: int = 128,
    min_new_tokens: int = 0,
    sampling: Sampling | None = None,
    seed: int = 0,
    stop: str | Sequence[str] = (),
    every: int = 1,
  ) -> Iterator[str]:
    """The text of one completion as it grows, `every` so many tokens; the pieces together are
    `generate`'s text.

    Characters whose bytes are not complete, and what may become a stop string, are held back.
    Errors as in `generate`, raised at once.
    """
    limits = self._limits([max_new_tokens], min_new_tokens, stop)
    self._need_tokenizer("stream")
    ids = self._encode(prompt, 0, max_new_tokens)
    keys = engine.row_keys(seed, engine.names([ids]), 1)
    slots = engine.bucket(engine.bucket(len(ids)) + max_new_tokens)

    def pieces() -> Iterator[str]:
      run = Run(self._model, [ids], limits, sampling or Sampling(), keys, slots)
      given = 0
      while not run.finished:
        run.advance(min(every, engine.CHUNK))
        text = run.text(0)
        certain = len(text) if run.finished else settled(text, limits.stops)
        if certain > given:
          yield text[given:certain]
          given = certain

    return pieces()

  def _limits(self, each, min_new_tokens, stop) -> Limits:
    """each: of every prompt its max_new_tokens."""
    for most in each:
      if not isinstance(most, int) or most < 1:
        raise InputError(f"max_new_tokens={most!r} must be a whole number of at least 1.")
      if not isinstance(min_new_tokens, int) or not 0 <= min_new_tokens <= most:
        raise InputError(
          f"min_new_tokens={min_new_tokens!r} must be a whole number from 0 to "
          f"max_new_tokens={most}."
        )
    stops = check_stops(stop)
    if stops:
      self._need_tokenizer("a stop string")
    return Limits(tuple(each), min_new_tokens, stops)

  def _need_tokenizer(self, what: str) -> None:
    if self.tokenizer is None:
      raise InputError(
        f"The model folder has no tokenizer, and {what} needs one. Give lists of token ids, or "
        "add tokenizer.json and "
        "tokenizer_config.json to the folder."
      )

  def _encode(self, prompt: Prompt, i: int, new: int) -> list[int]:
    if isinstance(prompt, str):
      self._need_tokenizer("a text")
      ids = encode_prompt(self.tokenizer, prompt)
    elif hasattr(prompt, "__len__") and all(map(_is_id, prompt)):
      ids = [int(t) for t in prompt]
    else:
      raise InputError(
        f"Prompt {i} is {str(prompt)[:60]!r} ({type(prompt).__name__}). A prompt is a text or a list "
        "of token ids; messages go through `model.render(messages)` or `model.chat(messages)`."
      )
    if not ids:
      raise InputError(
        f"Prompt {i} has no token: a model needs at least one to start from, such as BOS."
      )
    if bad := [t for t in ids if not 0 <= t < self.config.vocabulary]:
      raise InputError(
        f"Prompt {i} has the id {bad[0]}, and the model knows ids from 0 to {self.config.vocabulary - 1}."
      )
    if len(ids) + new > self.room:
      raise InputError(
        f"Prompt {i} has {len(ids)} tokens, and with max_new_tokens={new} that makes "
        f"{len(ids) + new}: more than the "
        f"model's context of {self.room}. Shorten the prompt to "
        f"{max(0, self.room - new)} "
        "tokens, or lower max_new_tokens."
      )
    return ids


def _is_id(x) -> bool:
  try:
    return operator.index(x) is not None and not isinstance(x, bool)
  except TypeError:
    return False
