"""The files of a model's folder beside its weights: which go along into another folder, and that none of
them is somebody else's file."""

from collections.abc import Iterable
from pathlib import Path

from ftjax.config import InputError

LEGAL = ("generation_config.json", "LICEN[CS]E*", "NOTICE*", "USE_POLICY*")
TOKENIZER = (
  "tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json",
  "chat_template*", "additional_chat_templates/*", "*.tiktoken", "spiece.model",
  "sentencepiece*.model", "tekken.json",
)  # fmt: skip
CARRIED = LEGAL + TOKENIZER
_READ = (*CARRIED, "config.json", "params.json", "*.index.json", "adapter_*", "*.model", "*.jinja")


def files_of(source: Path, patterns: Iterable[str]) -> list[Path]:
  """The files of a model folder that match. A link must not lead out of the folder (or, in the
  hub's cache, out of the repository's blobs): what is read here is often published next.

  Raises InputError for one that does.
  """
  source = Path(source)
  roots = [source.resolve()]
  if source.resolve().parent.name == "snapshots":
    roots.append(source.resolve().parent.parent / "blobs")
  found = sorted({p for pattern in patterns for p in source.glob(pattern) if p.is_file()})
  for path in found:
    if not any(path.resolve().is_relative_to(root) for root in roots):
      raise InputError(
        f"{path} is a link to {path.resolve()}, outside the model's folder: it is neither read nor "
        "copied. Put the file itself there, or remove the link."
      )
  return found


def checked(folder: Path) -> Path:
  """The folder, unless a file that is read beside the weights is a link that leads out of it. Weights
  may be links: they are only ever read as weights."""
  files_of(folder, _READ)
  return folder
