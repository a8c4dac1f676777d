"""What users name as a model: a folder, a hub id, "starter", an adapter, or a run; and what is meant."""

from pathlib import Path
from typing import NamedTuple

from ftjax.config import InputError
from ftjax.models import hf, hub, lora
from ftjax.train import run_folder


class Base(NamedTuple):
  """The model that an adapter belongs to: its source, and of a hub id the revision ("" is main)."""

  source: str
  revision: str = ""


def find(source: str | Path, revision: str = "") -> Path:
  """The folder of a model or of an adapter; of a run that of its best one."""
  folder = hf.resolve(str(source), revision)
  if not is_run(folder):
    return folder
  best = folder / run_folder.BEST
  if not best.is_dir():
    raise InputError(
      f"{folder} is a run that has no {run_folder.BEST}/ yet. Wait for its end, or name a model."
    )
  return hf.resolve(str(best))


def find_full(source: str, revision: str = "") -> Path:
  """As `find`, of a model that has weights of its own; an adapter's is an InputError."""
  folder = find(source, revision)
  if is_adapter(folder):
    base = base_of(folder)
    pinned = f" model.revision={base.revision}" if base.revision else ""
    raise InputError(
      f"model.source={str(source)!r} is an adapter, and a model is needed. To go on training the adapter: "
      f"model.source={base.source}{pinned} adapter.source={folder}, with its adapter.kind. To train what the two "
      f"are together: scripts/export.py --base={base.source} --adapter={folder} --merge --output=FOLDER, and "
      "model.source=FOLDER."
    )
  return folder


def is_run(folder: Path) -> bool:
  """Whether a folder's config.json is a run's and not a model's; a run that has only begun counts."""
  return (folder / run_folder.CONFIG).is_file() and "model.source" in run_folder.read(folder)


def is_adapter(folder: Path) -> bool:
  """Whether a folder holds a PEFT adapter and no model."""
  return (folder / lora.SETTINGS).is_file() and not (folder / "config.json").is_file()


def base_of(adapter: Path) -> Base:
  """The base that adapter_config.json names."""
  found = lora.settings(adapter) or {}
  name = found.get("base_model_name_or_path")
  if not name or not isinstance(name, str):
    raise InputError(
      f"{adapter / lora.SETTINGS} names no base_model_name_or_path. Give the base as source, and "
      "adapter=..."
    )
  source = hub.named_in(adapter, name)
  if name.startswith(".") and not Path(source).is_dir():
    raise InputError(
      f"{adapter / lora.SETTINGS} names the base {name!r}, and from there it is no folder: one of the two "
      f"was moved. Give the base as source, and adapter={str(adapter)!r}, or correct the file."
    )
  revision = found.get("revision")
  return Base(source, revision if isinstance(revision, str) else "")


def base_of_run(run: Path) -> Base:
  """The base of a run's best adapter: as the run had it or, where it is gone from there, as the
  adapter names it."""
  config = run_folder.read(run)
  source, revision = config["model.source"], config["model.revision"]
  if hub.is_local(source):
    return Base(source, revision)
  best = base_of(run / run_folder.BEST)
  return best if Path(best.source).is_dir() else Base(source, best.revision or revision)


def as_written(source: str, revision: str, checkpoint: hf.Checkpoint, folder: Path) -> Base:
  """How an adapter in `folder` names its base: a hub id with the commit that was trained on, or the
  path from there, which still holds where both are moved together.

  PEFT cannot read what we quantized: of such a base the one that it was made from is named.
  """
  if checkpoint.quantized:
    source = checkpoint.quantized.base
    return Base(hub.source_name(source, Path(source), folder))
  name = hub.source_name(source, checkpoint.folder, folder)
  return Base(name, "" if hub.is_local(source) else hub.commit(checkpoint.folder) or revision)
