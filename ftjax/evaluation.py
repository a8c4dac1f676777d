"""A model measured and shown, beside its base, once or with every checkpoint of a run."""

from collections.abc import Iterator
from pathlib import Path

import jax
from ml_collections import ConfigDict

from ftjax import log, sources, storage
from ftjax.comparison import Comparison, mesh_of
from ftjax.config import InputError, choice, positive
from ftjax.evaluate import cautions, showing
from ftjax.evaluate.floor import FLOOR, floors
from ftjax.evaluate.follow import follow
from ftjax.evaluate.outputs import split_kinds
from ftjax.evaluate.pmapped import PARTITIONS
from ftjax.evaluate.prompts import asked_of
from ftjax.evaluate.table import scores_table
from ftjax.generate.sampling import Sampling
from ftjax.language_model import load
from ftjax.log import say
from ftjax.models import hf, lora
from ftjax.pretrained import computed_in, open_source
from ftjax.research import plots, report
from ftjax.run_models import RunModels, run_config, run_of
from ftjax.text.tokenizer import same_ids
from ftjax.train import run_folder

Scores = dict[str, dict[str, float]]


def evaluate(config: ConfigDict) -> Scores:
  """Evaluates as `config` says (configs/evaluate.py lists the keys).

  Writes evaluation.json, samples.md and samples.html to config.output, prints a table, and returns
  {"floor": {...}, "base": {...}, "tuned": {...}}; a model without a base to compare with is "tuned" alone. With
  config.follow: evaluation.jsonl, a line a checkpoint, and the last line's scores are returned.
  Raises InputError for bad config or input.
  """
  _check(config)
  run = run_of(config.source)
  output = storage.local(config.output or (run or Path()) / "evaluation", "output")
  if config.follow:
    if run is None:
      raise InputError(
        f"follow=True watches a run folder, and source={config.source!r} is not one."
      )
    if jax.process_count() > 1:
      raise InputError(
        "follow=True is for one process: each would see other checkpoints as the newest."
      )
    return _follow(config, run, output)
  source = (
    str(run / run_folder.BEST) if run is not None and Path(config.source) == run else config.source
  )
  if run is not None and not Path(source).is_dir():
    raise InputError(
      f"{run} has no best/ yet. Wait for its end, or evaluate its checkpoints with follow=True."
    )
  judge, scores, texts, tokens, known = None, {}, {}, "", None
  trained = run_config(run).model if run is not None else None
  own = {source, trained.source} if trained is not None else set()
  if trained is not None and lora.settings(Path(source)) is not None:
    own.add(sources.base_of_run(run).source)
  for name, where, adapter, revision in _subjects(config, run, source):
    mine = trained if where in own else None
    revision = config.revision or revision or (mine.revision if mine else "")
    alike = True
    if name == "base":
      theirs = open_source(where, revision).tokenizer
      alike = same_ids(known, theirs, judge.texts)
      tokens = _new_tokens(run, known, theirs) if alike else ""
    dtype, computed = _dtypes(config, trained)
    model = load(
      where, dtype=dtype, compute_dtype=computed, adapter=adapter, mesh=mesh_of(config),
      new_tokens=tokens, revision=revision, quantize=mine.quantize if mine else "",
    )  # fmt: skip
    judge = judge or Comparison(config, run, model)
    known = model.tokenizer
    say(f"Evaluating {where}{f' with {adapter}' if adapter else ''} ...")
    if not alike:
      say(
        f"{where} has another tokenizer: its losses would be of other tokens. It gets the prompts in its own "
        "and is judged by its texts alone."
      )
    scores[name], texts[name] = judge(model, alike)
    del model
  scores[FLOOR] = floors(asked_of(judge.prompts), split_kinds(config.metrics)[1])
  scores = {name: scores[name] for name in (FLOOR, "base", "tuned") if scores.get(name)}
  if jax.process_index():
    return scores  # the first of several processes writes
  storage.write_text(output / "evaluation.json", log.as_json(scores))
  written, warnings, limit = [output / "evaluation.json"], [], config.max_new_tokens
  if judge.prompts:
    warnings += cautions.too_short(
      judge.tokenizer, judge.prompts, texts["tuned"], limit, "max_new_tokens"
    )
    warnings += cautions.no_gain(scores)
    written += showing.write(
      output, judge.prompts, texts, scores, limit=config.shown, warnings=warnings
    )
  if run is not None:
    with log.skip_on_error("Drawing loss.png", "The scores are not touched."):
      written.append(plots.save_loss(run, output))
  report.show(scores_table(scores, f"{config.source} ({judge.rows_note})", warnings))
  say("Written: " + "   ".join(map(str, written)))
  return scores


def _check(config: ConfigDict) -> None:
  if not config.source:
    raise InputError(
      "source is empty: name a run folder, a model's folder or hub id, as in "
      "--config.source=runs/mine."
    )
  choice(config.partition, PARTITIONS, "partition")
  positive(config.batch_size, "batch_size")
  positive(config.max_new_tokens, "max_new_tokens")
  Sampling(config.temperature)
  split_kinds(config.metrics)


def _subjects(
  config: ConfigDict, run: Path | None, source: str
) -> Iterator[tuple[str, str, str | None, str]]:
  """(name, source, adapter, revision) of what is evaluated: the tuned model, then its base where there is
  one."""
  adapter, revision = config.adapter or None, ""
  if run is not None and not adapter and lora.settings(Path(source)) is not None:
    # On the run's own base: the adapter names what PEFT can read, which a quantized one was made from.
    (source, revision), adapter = sources.base_of_run(run), source
  yield "tuned", source, adapter, revision
  base = config.base
  if base == "auto":
    folder = hf.resolve(source, config.revision)
    if adapter:
      base = source
    elif lora.settings(folder) is not None:
      base, revision = sources.base_of(folder)
    else:
      base = run_config(run).model.source if run is not None else ""
  if base:
    yield "base", base, None, revision


def _dtypes(config: ConfigDict, trained: ConfigDict | None) -> tuple[str, str]:
  """(of parameters, of computation): config.dtype, or what the run had, or float32."""
  if config.dtype or trained is None:
    return config.dtype or "float32", ""
  return trained.dtype, computed_in(trained)


def _new_tokens(run: Path | None, tokenizer, base) -> str:
  """What a base needs to read the tuned model's rows: the run's model.new_tokens, or the tokens that
  the tuned model's tokenizer has and the base's lacks."""
  if run is not None:
    return run_config(run).model.new_tokens
  if tokenizer is None or base is None:
    return ""
  vocabulary, known = tokenizer.get_vocab(), base.get_vocab()
  return ", ".join(t for t in sorted(vocabulary, key=vocabulary.get) if t not in known)


def _follow(config: ConfigDict, run: Path, output: Path) -> Scores:
  """Evaluates each checkpoint of a run, and goes on where an earlier call stopped."""
  models = RunModels(run, mesh_of(config))
  judge = Comparison(config, run, models.base)
  path = output / "evaluation.jsonl"
  path.parent.mkdir(parents=True, exist_ok=True)
  lines = log.read(path)
  storage.write_text(path, "".join(map(log.as_line, lines)))  # without what a crash has cut short
  found = follow(
    models.steps,
    models.load,
    lambda model: judge(model)[0],
    lambda: models.finished,
    skip={line["step"] for line in lines},
    poll_seconds=config.poll_seconds,
  )
  with open(path, "a", encoding="utf-8") as f:
    for step, metrics in found:
      lines.append({"step": step} | metrics)
      f.write(log.as_line(lines[-1]))
      f.flush()
      say(f"step {step}  " + "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))
  if not lines:
    raise InputError(f"{run} ended, and none of its checkpoints could be read.")
  last = max(lines, key=lambda line: line["step"])
  return {"tuned": {k: v for k, v in last.items() if k != "step"}}
