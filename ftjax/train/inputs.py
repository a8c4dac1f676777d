"""What a run was begun with, beside its config: rows, base, adapter, tokenizer, template. Kept as
inputs.json in the run's folder, so that a run never goes on with other ones unnoticed."""

import datetime
import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ftjax import storage
from ftjax.config import InputError
from ftjax.log import say
from ftjax.models import export, lora

INPUTS = "inputs.json"
_PIECE = 2**18
_PIECES = 2**8  # 64 MiB: of files that are larger together, so many pieces are read
_TEMPLATES = ("chat_template*", "additional_chat_templates/*")
_MENDS = {
  "training rows": "restore the file that data.train names",
  "validation rows": "restore the file that data.validation (or data.train) names",
  "general text": "restore the file that eval.general names",
  "base's config.json": "restore the folder that model.source names",
  "base's weights": "restore the folder that model.source names, or name the old commit in model.revision",
  "adapter": "restore the folder that adapter.source names",
  "tokenizer": "restore the tokenizer's files in the folder that model.source names",
  "template": "restore the chat template that the run began with",
  "ids that end a text": "restore eos_token_id in generation_config.json or config.json of model.source",
}

JUDGED = tuple(what for what in _MENDS if what not in ("training rows", "general text"))

Record = dict[str, dict[str, Any]]  # {what: {"digest": ..., facts for people ...}}


def record(data, opened, adapter: str = "") -> Record:
  """The inputs of a run. data: of data.prepare. opened: of pretrained. adapter: adapter.source.

  Takes well under a second for files on a disk: of large weights, pieces are hashed.
  """
  checkpoint = opened.checkpoint
  folder, suffixes = checkpoint.folder, {x.file.suffix for x in checkpoint.stored.values()}
  commit = {"commit": folder.name} if folder.parent.name == "snapshots" else {}
  measured = data.general.measured if data.general is not None else None
  weights = [
    p for p in folder.iterdir() if p.suffix in suffixes and not p.name.startswith("adapter_")
  ]
  beside = [p for pattern in export.TOKENIZER for p in folder.glob(pattern)]
  template = data.template and [data.template.kind, data.template.separator]
  if template and data.template.kind == "chat":
    template.append(data.template.tokenizer.chat_template)
  dated = template and "strftime_now" in json.dumps(template)
  found = {
    "training rows": _rows(data.train),
    "validation rows": _rows(data.validation),
    "general text": None if measured is None else _rows(measured),
    "base's config.json": _text(checkpoint.hf_config),
    "base's weights": _files(weights) | commit,
    "adapter": _files(p for x in _folders(adapter) for p in x.glob("adapter_*"))
    if adapter
    else None,
    "tokenizer": _files(p for p in beside if not any(p.match(t) for t in _TEMPLATES)),
    "template": _text(template) | ({"day": data.template.day} if dated else {})
    if template
    else None,
    "ids that end a text": _text(sorted(opened.stops)),
  }
  return {what: facts for what, facts in found.items() if facts is not None}


def write(workdir: Path, found: Record) -> None:
  """Keeps a record in a run's folder."""
  storage.write_text(workdir / INPUTS, json.dumps(found, indent=2) + "\n")


def day(workdir: Path) -> str:
  """The date that the run in the folder has had its chat template write; "" where it writes none."""
  try:
    found = json.loads((workdir / INPUTS).read_bytes())["template"]["day"]
    return datetime.date.fromisoformat(found).isoformat()
  except (OSError, ValueError, TypeError, KeyError, RecursionError):
    return ""  # What is wrong with the file, `changed` says.


def changed(workdir: Path, found: Record, among: Iterable[str] = tuple(_MENDS)) -> list[str]:
  """What differs from the inputs that the run in the folder began with, a sentence each.

  among: names to compare. An evaluation has those in JUDGED: it reads neither replayed rows nor the
  run's general text.
  """
  path = workdir / INPUTS
  if not path.is_file():
    say(f"{path} is missing: whether rows and base are those that the run began with is not known.")
    return []
  try:
    before = json.loads(path.read_bytes())
    old = {what: facts["digest"] for what, facts in before.items()}
  except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
    raise InputError(
      f"{path}, the record of the run's rows and base, cannot be read ({type(e).__name__}: {e}). Restore it, or "
      "remove it to go on without comparing."
    ) from e
  new = {what: facts["digest"] for what, facts in found.items()}
  return [
    f"the {what} changed: {_told(before.get(what))} then, {_told(found.get(what))} now "
    f"(to mend it, {_MENDS.get(what, 'restore it')})"
    for what in among
    if old.get(what) != new.get(what)
  ]


def check(workdir: Path, found: Record) -> None:
  """Raises InputError with the differences where the run in the folder began with other inputs."""
  if differences := changed(workdir, found):
    raise InputError(
      f"The run in {workdir} began with other inputs than there are now:\n  "
      + "\n  ".join(differences)
      + "\nTo train on what there is now, give another --workdir. Nothing was changed."
    )


def _told(facts: dict[str, Any] | None) -> str:
  """A record's facts for people, with the beginning of its digest."""
  if facts is None:
    return "none"
  shown = [f"{n} {name}" for name, n in facts.items() if name != "digest"]
  return f"{', '.join(shown)} ({str(facts['digest'])[:8]})" if shown else str(facts["digest"])[:8]


def _rows(rows) -> dict[str, Any]:
  return {"digest": rows.digest(), "rows": len(rows)}


def _text(content: Any) -> dict[str, Any]:
  text = json.dumps(content, sort_keys=True, default=str)
  return {"digest": hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}


def _folders(adapter: str) -> list[Path]:
  """The folders of adapter.source, which may be several adapters added."""
  found = lora.open_folder(adapter)
  return [part.folder.path for part in found] if isinstance(found, tuple) else [found.path]


def _files(paths: Iterable[Path]) -> dict[str, Any]:
  """A digest of names, sizes and contents: of all bytes up to 64 MiB together, beyond that of pieces
  spread evenly over the files, as a changed model differs everywhere."""
  files = {p.name: p for p in sorted(paths) if p.is_file()}
  total = sum(p.stat().st_size for p in files.values())
  stride = _PIECE * max(1, math.ceil(total / (_PIECE * _PIECES)))
  hash_ = hashlib.blake2b(digest_size=16)
  for name, path in files.items():
    size = path.stat().st_size
    hash_.update(f"{name}:{size};".encode())
    with open(path, "rb") as f:
      for at in range(0, size, stride):
        f.seek(at)
        hash_.update(f.read(_PIECE))
  return {"digest": hash_.hexdigest(), "files": len(files), "bytes": total}
