"""The end of a run: the last and the best model written, the best one judged beside the base, and
shown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ftjax import interpolation, sources, storage, tree
from ftjax.evaluate import cautions, showing
from ftjax.evaluate.floor import FLOOR, floors
from ftjax.evaluate.prompts import asked_of, validation_prompts
from ftjax.evaluate.samples import TEXT_METRICS, generate_and_score
from ftjax.evaluate.table import scores_table
from ftjax.generate.generator import Completion, Generator
from ftjax.log import METRICS, as_json, read, say, skip_on_error
from ftjax.models import export, lora, stacked, vocabulary
from ftjax.models.quant import base as quant
from ftjax.pretrained import Opened, computed_in, dtype_of, read_weights
from ftjax.research import plots, report
from ftjax.text.tokenizer import save_tokenizer
from ftjax.train import run_folder
from ftjax.train.checkpoint import abstract, restore_trainable

SHOWN = 24  # prompts in samples.md and samples.html
GENERAL = ("general/loss", "general/perplexity")


class Written(NamedTuple):
  """Prompts (evaluate/prompts.py), what "base" and "tuned" wrote for them, and the scores of both
  and of the floor."""

  prompts: list[dict[str, Any]]
  texts: dict[str, list[Completion]]
  scores: dict[str, dict[str, float]]


def finish(
  config, workdir: Path, opened: Opened, data, outcome, stopping, mesh, initial, evaluate, objective
) -> dict[str, dict]:
  """Writes final/, best/, samples.md, samples.html, evaluation.json and loss.png; prints and returns
  {"floor": ..., "base": ..., "tuned": ...}.

  outcome: its state is taken out of it, and given up as soon as it can be. initial: fn() -> the
  trainable collections as they were before the first update, for the case that no evaluation beat
  the base. evaluate and objective: what the loop judged by; with
  train.interpolate they choose a point between the base and the best. final/ says that the run is
  complete: it appears when both models are written, and what fails after that is said and skipped.
  """
  state, outcome.state, best = outcome.state, None, stopping.best_step
  final, unfinished = workdir / run_folder.FINAL, workdir / run_folder.UNFINISHED
  again = f"Repeat it: python scripts/evaluate.py --config.source={workdir}"
  if jax.process_index() == 0:
    for left in (unfinished, workdir / run_folder.BEST):  # of an earlier try that died here
      storage.remove(left)
  frozen, mine = state.frozen, state.evaluated()
  del state  # What the optimizer holds is room for two models.
  variables = tree.merge(frozen, mine)
  write_model(unfinished, variables, config, opened, data.template)
  if 0 <= best != outcome.step:
    mine = abstract(mine)
    del variables  # Two whole models need not fit side by side.
    best, mine = _best(workdir, best, outcome.step, mine, initial)
    variables = tree.merge(frozen, mine)
  point, points = {}, []
  if config.train.interpolate and best > 0:
    judge = lambda mine, frozen=frozen: evaluate(tree.merge(frozen, mine))
    with skip_on_error("train.interpolate", "best/ is the best checkpoint.", together=True):
      mine, point, points = interpolation.choose(
        initial(), mine, judge, objective, config.train.interpolate, workdir
      )
    variables = tree.merge(frozen, mine)
    del judge
  del mine, frozen
  write_model(workdir / run_folder.BEST, variables, config, opened, data.template)
  if jax.process_index() == 0:
    unfinished.replace(final)
  if best < 0 and stopping.waited:
    say("warning: no evaluation gave a number, so that none is the best: best/ is the last model.")

  # The models are written. What follows measures and shows them, and no failure there may take them.
  scores: dict[str, dict] = {}
  written, warnings = Written([], {}, {}), []
  if best == 0:
    warnings += [
      "No evaluation was better than the base's: best/ is the base itself. Try another optim.learning_rate."
    ]
  with skip_on_error("Reading the losses", again):
    scores = validation_scores(workdir, best)
  if point:
    scores["tuned"] = named_scores(point)
  with skip_on_error("Writing texts for validation prompts", again, together=True):
    written = write_texts(config, opened, variables, data, mesh)
    scores = {n: scores.get(n, {}) | written.scores.get(n, {}) for n in (FLOOR, "base", "tuned")}
    scores = {name: some for name, some in scores.items() if some}
    warnings += _warnings(config, data, opened, written, scores)
  if jax.process_index() == 0:
    title = f"validation, step {best}" if best >= 0 else "general text, last step"
    title += f", {point['alpha']:g} of the way from the base" if point else ""
    title += f", stopped early after step {outcome.step}" if outcome.reason == "early" else ""
    found = {"best_step": best} | scores
    if point:
      found["interpolation"] = {"alpha": point["alpha"], "points": points}
    _show(workdir, title, found, scores, written, warnings, again)
  return scores


def _best(workdir: Path, best: int, last: int, like, initial):
  """(the step, the trainable collections) of best/: of the last step where the best one's checkpoint
  is gone or cannot be read."""
  if best == 0:
    return best, initial()
  checkpoints = workdir / run_folder.CHECKPOINTS
  try:
    return best, restore_trainable(checkpoints, best, like)
  except Exception as e:
    why = " ".join(str(e).split())
    say(
      f"warning: the best evaluation was that of step {best}, and its checkpoint in {checkpoints} cannot be read "
      f"({why}). best/ is the last model, of step {last}."
    )
    return last, restore_trainable(checkpoints, last, like)


def _warnings(config, data, opened: Opened, written: Written, scores) -> list[str]:
  """What a reader of the scores should know before believing them."""
  found = cautions.cut_rows(data.report)
  if written.prompts:
    found += cautions.too_short(
      opened.tokenizer, written.prompts, written.texts["tuned"], config.eval.max_new_tokens,
      "eval.max_new_tokens",
    )  # fmt: skip
  return found + cautions.no_gain(scores)


def _show(workdir: Path, title: str, found, scores, written: Written, warnings, again: str) -> None:
  """Writes evaluation.json (`found`), samples and loss.png, and prints the table."""
  with skip_on_error("Writing evaluation.json", again):
    storage.write_text(workdir / "evaluation.json", as_json(found))
  if written.prompts:
    with skip_on_error("Writing samples.md and samples.html", again):
      showing.write(workdir, written.prompts, written.texts, scores, limit=SHOWN, warnings=warnings)
  with skip_on_error("Drawing loss.png", again):
    plots.save_loss(workdir)
  if scores:
    with skip_on_error("Printing the table", again):
      report.show(scores_table(scores, title, warnings))
  shown = [
    workdir / name
    for name in ("samples.html", "samples.md", "loss.png")
    if (workdir / name).is_file()
  ]
  say("   ".join(map(str, [f"The tuned model: {workdir / run_folder.BEST}", *shown])))


def write_model(folder: Path, variables, config, opened: Opened, template) -> None:
  """A Hugging Face folder, or a PEFT adapter where there is one, with the tokenizer and the
  template trained with."""
  checkpoint = opened.checkpoint
  if lora.on(variables):
    base = sources.as_written(config.model.source, config.model.revision, checkpoint, folder)
    lora.write(
      folder,
      variables,
      checkpoint.config,
      checkpoint.table,
      base=base.source,
      revision=base.revision,
      dropout=config.adapter.dropout,
      rslora=config.adapter.rslora,
    )
  else:
    real, variables = vocabulary.trimmed(checkpoint.config, stacked.joined(variables))
    export.write(
      folder,
      variables,
      real,
      checkpoint.table,
      checkpoint.hf_config,
      source=checkpoint.folder,
      ends=opened.stops,
      carried=export.LEGAL if opened.tokenizer is not None else export.CARRIED,
    )
  if lora.on(variables) and jax.process_index() == 0:
    export.write_ends(folder, checkpoint.hf_config, opened.stops)
  if opened.tokenizer is not None and jax.process_index() == 0:
    if template is not None:
      template.attach(opened.tokenizer)
    save_tokenizer(opened.tokenizer, folder)


def validation_scores(workdir: Path, best: int) -> dict[str, dict[str, float]]:
  """{"base": step 0's metrics of an evaluation, "tuned": the best step's}, from metrics.jsonl."""
  lines = {
    m["step"]: m for m in read(workdir / METRICS) if m.keys() & {"validation/loss", "general/loss"}
  }
  best = best if best >= 0 else max(lines, default=0)
  return {
    name: named_scores(lines[step])
    for name, step in (("base", 0), ("tuned", best))
    if step in lines
  }


def named_scores(metrics: Mapping[str, float]) -> dict[str, float]:
  """An evaluation's metrics as tables name them: "loss" on the validation rows, "general_loss" on
  general text."""
  found = {
    k.removeprefix("validation/"): v for k, v in metrics.items() if k.startswith("validation/")
  }
  general = {k.replace("/", "_"): v for k, v in metrics.items() if k in GENERAL}
  return found | general


def write_texts(config, opened: Opened, variables, data, mesh) -> Written:
  """Generates greedily for validation prompts with the base and the tuned model. `variables` is
  emptied: no model is in memory twice."""
  checkpoint, m = opened.checkpoint, config.model
  prompts = validation_prompts(
    data, opened.tokenizer, config.eval.samples, room=opened.room,
    max_new_tokens=config.eval.max_new_tokens,
  )  # fmt: skip
  if not prompts:
    return Written([], {}, {})
  say(f"Writing for {len(prompts)} validation prompts, with the base and with the tuned model ...")
  ids, most, asked = [p["ids"] for p in prompts], [p["most"] for p in prompts], asked_of(prompts)
  dtype = dtype_of(computed_in(m))

  def write(variables):
    generator = Generator(
      checkpoint.config, variables, opened.tokenizer, dtype=dtype, stop_ids=opened.stops, mesh=mesh,
      release=True,
    )  # fmt: skip
    return generator, *generate_and_score(generator, ids, asked, most)

  own, scores, texts = lora.on(variables), {}, {}
  generator, scores["tuned"], texts["tuned"] = write(variables)
  if own:
    given = generator.stacked(release=True).items()
    variables = {c: x for c, x in given if c in ("params", quant.COLLECTION)}
    del given
  del generator
  if not own:
    variables = read_weights(checkpoint, dtype_of(m.dtype), mesh)
  _, scores["base"], texts["base"] = write(variables)
  return Written(prompts, texts, scores | {FLOOR: floors(asked, TEXT_METRICS)})
