"""Datasets of the Hugging Face hub, or a folder in their layout: "hf:NAME[@CONFIG][:SPLIT]"."""

import os
import re
from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Record

_SPEC = re.compile(r"(?P<name>[^:@]+)(@(?P<config>[^:@]+))?(:(?P<split>.+))?")


def records(path: str) -> Iterator[Record]:
  """path: what follows "hf:". SPLIT is as in `datasets`, slices too ("train[:1000]"); without it,
  the only split or "train". Raises InputError for a name or split that cannot be loaded."""
  import datasets

  found = _SPEC.fullmatch(path)
  if not found:
    raise InputError(
      f"'hf:{path}' is not understood. Write hf:NAME, hf:NAME:SPLIT or hf:NAME@CONFIG:SPLIT."
    )
  name, split = os.path.expanduser(found["name"]), found["split"]
  try:
    if os.path.isfile(os.path.join(name, "dataset_dict.json")) or os.path.isfile(
      os.path.join(name, "state.json")
    ):
      data = datasets.load_from_disk(name)
      if split and isinstance(data, datasets.DatasetDict):
        data = data[split]
    else:
      data = datasets.load_dataset(name, found["config"], split=split)
  except Exception as e:  # Hubs, builders and caches fail in many ways of their own.
    raise InputError(
      f"'hf:{path}' cannot be loaded: {' '.join(str(e).split())}. Check the name, CONFIG and SPLIT (hf:NAME@CONFIG:SPLIT); "
      "with no network, NAME must be a local folder or lie in the cache."
    ) from e
  if isinstance(data, dict):
    if "train" not in data and len(data) != 1:
      raise InputError(
        f"'hf:{path}' has the splits {', '.join(data)}: name one, as in hf:{name}:{next(iter(data))}."
      )
    split = "train" if "train" in data else next(iter(data))
    data = data[split]
  for number, row in enumerate(data, 1):
    yield Record(row, f"hf:{name}:{split or 'all'} row {number}")
