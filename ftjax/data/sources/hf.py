"""Datasets of the Hugging Face hub, or a folder in their layout: "hf:NAME[@CONFIG][:SPLIT]"."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, filled, raise_error
from ftjax.data.sources._reading import DEFAULT, Reading

_SPEC = re.compile(r"(?P<name>[^:@]+)(@(?P<config>[^:@]+))?(:(?P<split>.+))?")


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """path: what follows "hf:". SPLIT is as in `datasets`, slices too ("train[:1000]"); without it,
  the only split or "train". Raises InputError for a name or split that cannot be loaded; tells `bad`
  of a row that cannot be read, after which nothing more is."""
  import datasets

  del how
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
  yield from numbered(data, f"hf:{name}:{split or 'all'}", bad, filled)


def numbered(
  data: Iterable[Any], name: str, bad: Bad, plain: Callable[[Any], dict[str, Any]]
) -> Iterator[Record]:
  """The rows of an opened dataset, until one cannot be read."""
  rows, number = iter(data), 0
  while True:
    number += 1
    try:
      row = next(rows, None)
    except Exception as e:  # Decoders fail in many ways of their own.
      error = InputError(f"{name} row {number}: cannot be read: {' '.join(str(e).split())[:400]}")
      break
    if row is None:
      return
    yield Record(plain(row), f"{name} row {number}")
  bad(error)
