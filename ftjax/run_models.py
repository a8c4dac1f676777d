"""The checkpoints of a run as models, read by a process that is not the run."""

from pathlib import Path

from ml_collections import ConfigDict

from ftjax import sources, tree
from ftjax.defaults import get_config as defaults
from ftjax.language_model import LanguageModel
from ftjax.models import hf, stacked
from ftjax.models.quant import base as quant
from ftjax.pretrained import computed_in, open_run, variables_of
from ftjax.train import run_folder
from ftjax.train.checkpoint import abstract, restore_trainable


def run_of(source: str) -> Path | None:
  """The run folder that a source is, or whose best/ or final/ it is; None for any other source."""
  path = Path(source)
  inside = path.name in (run_folder.BEST, run_folder.FINAL)
  return next((p for p in (path, path.parent)[: 1 + inside] if sources.is_run(p)), None)


def run_config(run: Path) -> ConfigDict:
  """The config that a run was started with."""
  config = defaults()
  with config.ignore_type():
    config.update_from_flattened_dict(run_folder.read(run))
  return config


class RunModels:
  """A run's checkpoints, `load`ed one at a time. The base is read once; an adapter's is shared by
  all."""

  def __init__(self, run: Path, mesh=None):
    config = run_config(run)
    self._run = run
    opened = open_run(config)
    trainable, self._frozen = variables_of(config, opened, mesh)
    self._like = abstract(trainable)
    self.base = LanguageModel(
      opened.checkpoint,
      {
        c: x
        for c, x in stacked.joined(tree.merge(trainable, self._frozen)).items()
        if c in ("params", quant.COLLECTION)
      },
      opened.tokenizer,
      dtype=computed_in(config.model),
      mesh=mesh,
      generation_config=hf.generation_config(opened.checkpoint.folder),
    )

  @property
  def finished(self) -> bool:
    """Whether the run will write no more."""
    return (self._run / run_folder.FINAL).is_dir()

  def steps(self) -> list[int]:
    """Steps of the checkpoints that are there now, ascending."""
    return run_folder.saved(self._run)

  def load(self, step: int) -> LanguageModel:
    """The model as it was after `step`. What is raised for a checkpoint that the run is deleting at
    that moment can be anything."""
    mine = restore_trainable(self._run / run_folder.CHECKPOINTS, step, self._like)
    variables = stacked.joined(tree.merge(self._frozen, mine))
    b = self.base
    return LanguageModel(
      b.checkpoint,
      variables,
      b.tokenizer,
      dtype=b.dtype,
      mesh=b.mesh,
      generation_config=b.generation_config,
    )
