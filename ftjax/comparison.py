"""The rows and prompts by which models are compared: the same for each of them."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ftjax.config import InputError
from ftjax.data import loader
from ftjax.data.general import NO_REPLAY, General
from ftjax.data.general import load as load_general
from ftjax.data.versions import training
from ftjax.evaluate.outputs import split_kinds
from ftjax.evaluate.pmapped import make_evaluator
from ftjax.evaluate.prompts import asked_of, validation_prompts
from ftjax.evaluate.samples import generate_and_score
from ftjax.finish import named_scores
from ftjax.generate.sampling import Sampling
from ftjax.judging import general_of
from ftjax.language_model import LanguageModel
from ftjax.log import say
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import Opened, open_run
from ftjax.run_models import run_config
from ftjax.text.tokenizer import encode_prompt
from ftjax.train import inputs


class Comparison:
  """What an evaluation measures models by, and the programs that are compiled for it.

  prompts: those that are written for, as evaluate/prompts.py has them. texts: some of the rows, as
  text. rows_note: what is measured, in words.
  """

  def __init__(self, config: ConfigDict, run: Path | None, model: LanguageModel):
    """model: the first one. Without a run its tokenizer and its room decide what the rows are."""
    self._config = config
    self.tokenizer = model.tokenizer  # of the tuned model, where there is a base as well
    on_tokens, self._on_texts = split_kinds(config.metrics)
    opened = open_run(run_config(run)) if run is not None else None
    data = _data(config, run, opened, model)
    rows = data.validation
    if not len(rows):
      raise InputError(
        f"{run} held no rows out for validation. Name some: data.validation=rows.jsonl, in the "
        "form it was trained on."
      )
    self.rows_note, self._largest = f"{len(rows)} rows", int(rows.ids.max())
    self._longest = int(rows.places_taken.max())
    bins = loader.bins(rows, data.max_length, config.data.pack)
    self._batches = lambda: loader.fixed_batches(rows, bins, config.batch_size, data.max_length)
    self._scoring = bool(on_tokens)
    # An adapter on one of two tied tables has a model of its own form, with both.
    self._score = functools.cache(
      lambda model, dtype: make_evaluator(
        model, dtype, config.attention, config.partition, mesh_of(config), metrics=on_tokens
      )
    )
    self._general = None
    texts = _general(config, run, opened, model) if "perplexity" in on_tokens else None
    if texts is not None:
      packed = loader.bins(texts.measured, texts.max_length, True)
      self._general = lambda: loader.fixed_batches(
        texts.measured, packed, config.batch_size, texts.max_length
      )
      self.rows_note += f", {len(texts.measured)} general texts"
      self._longest = max(self._longest, int(texts.measured.places_taken.max()))
    limit = config.samples if self._on_texts else 0
    self.prompts: list[dict[str, Any]] = validation_prompts(
      data, model.tokenizer, limit, room=min(model.room, opened.room if opened else model.room),
      max_new_tokens=config.max_new_tokens,
    )  # fmt: skip

  @property
  def texts(self) -> list[str]:
    return [text for p in self.prompts[:8] for text in (p["prompt"], *p["references"][:1])]

  def __call__(self, model: LanguageModel, alike: bool = True):
    """({metric: number}, completions of the prompts). alike: whether the rows' ids mean to this model
    what they mean to the first; if not, it has no metrics on tokens, and the prompts in its own ids."""
    if not alike:
      return self._of_texts(model, [self._own_ids(model, p) for p in self.prompts], {})
    if self._scoring and self._longest > model.room:
      raise InputError(
        f"The rows have up to {self._longest} tokens, and {model.folder} has room for {model.room}: it is no model "
        "to compare with. Give another base, or none: --config.base="
      )
    if self._largest >= model.config.vocabulary:
      raise InputError(
        f"The rows have ids up to {self._largest}, and {model.folder} has {model.config.vocabulary} tokens: it is "
        "no model to compare with. Give another base, or none: --config.base="
      )
    score = (
      functools.partial(self._score(model.config, model.dtype), model.variables)
      if self._scoring
      else None
    )
    found = score(self._batches()) if score else {}
    if self._general:
      general = score(self._general())
      found |= named_scores({f"general/{k}": v for k, v in general.items()})
    del score  # It holds the weights, and `generator` wants them for itself.
    return self._of_texts(model, [p["ids"] for p in self.prompts], found)

  def _of_texts(self, model: LanguageModel, ids, found):
    if not self.prompts:
      return found, []
    c = self._config
    most = [min(p["most"], model.room - len(i)) for p, i in zip(self.prompts, ids, strict=True)]
    texts, completions = generate_and_score(
      model.generator, ids, asked_of(self.prompts), most, metrics=self._on_texts,
      sampling=Sampling(c.temperature), seed=c.seed,
    )  # fmt: skip
    return found | texts, completions

  def _own_ids(self, model: LanguageModel, prompt):
    """A prompt as this model is asked, through its own template; of one that leaves no room, the end."""
    asked = "asked" in prompt
    text = prompt["asked"] if asked else prompt["prompt"]
    ids = model.render(text) if asked else encode_prompt(model.tokenizer, text)
    return ids[1 - model.room :]


def mesh_of(config: ConfigDict):
  """The mesh that an evaluation's models are spread over; None where every device has all of them."""
  return make_mesh(data=1, fsdp=-1) if config.partition == "mesh" else None


def _data(config: ConfigDict, run: Path | None, opened: Opened | None, model: LanguageModel):
  """Data whose `validation` are the rows to evaluate on."""
  options = dict(stops=model.stop_ids, vocab_size=model.config.vocabulary)
  if opened is not None:
    # As the run did: with the base's tokenizer (the tuned one has the template that was trained
    # with), and reading the training rows, which decide the split and the separator.
    trained = run_config(run)
    settings = trained.data
    settings.validation = config.data.validation or settings.validation
    settings.train = training.pinned(settings.train, run)
    data = loader.load(
      settings, opened.tokenizer, model_max_length=opened.room, day=inputs.day(run), **options
    )
    if not config.data.validation:
      found = inputs.record(data, opened, trained.adapter.source)
      for difference in inputs.changed(run, found, inputs.JUDGED):
        say(f"WARNING: since the run began, {difference}")
    return data
  if not config.data.validation:
    raise InputError(
      "data.validation is empty, and the source is no run with rows of its own: name a file of "
      "rows."
    )
  settings = config.data.to_dict() | {
    "train": training.held_out(config.data.validation),
    "validation": "",
    "validation_fraction": 0.0,
  }
  data = loader.load(settings, model.tokenizer, model_max_length=model.room, **options)
  return dataclasses.replace(data, validation=data.train)


def _general(
  config: ConfigDict, run: Path | None, opened: Opened | None, model: LanguageModel
) -> General | None:
  """General text to measure: what config.general names, or what the run measured."""
  if opened is not None:
    trained = run_config(run)
    trained.eval.general = config.general or trained.eval.general
    return general_of(trained, opened)
  if config.general in ("", "none"):
    return None
  return load_general(
    config.general, NO_REPLAY, config.data, model.tokenizer, model_max_length=model.room,
    stops=model.stop_ids, vocab_size=model.config.vocabulary,
  )  # fmt: skip
