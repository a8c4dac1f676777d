"""TensorFlow Datasets without TensorFlow: "tfds:NAME[@DATA_DIR][:SPLIT]", NAME as in
"ag_news_subset:1.0.0".

The dataset is stored as array_record, which is read without TensorFlow; one that is not in
DATA_DIR yet is downloaded and prepared so. DATA_DIR is the environment's TFDS_DATA_DIR (else
~/tensorflow_datasets) when it is not given; NAME may also be the folder of a prepared dataset.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._reading import DEFAULT, Reading
from ftjax.data.sources.hf import numbered

_SPEC = re.compile(
  r"(?P<name>[^:@]+(:\d+\.\d+\.\d+)?)(@(?P<dir>(\w+://)?[^:@]+))?(:(?P<split>.+))?"
)


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """path: what follows "tfds:". Without SPLIT, "train". Raises InputError for what cannot be
  loaded; tells `bad` of a row that cannot be read, after which nothing more is."""
  import tensorflow_datasets as tfds

  del how
  found = _SPEC.fullmatch(path)
  if not found:
    raise InputError(
      f"'tfds:{path}' is not understood. Write tfds:NAME, tfds:NAME:SPLIT or tfds:NAME@DATA_DIR:SPLIT."
    )
  name, split = os.path.expanduser(found["name"]), found["split"] or "train"
  try:
    if os.path.isdir(name):
      data = tfds.builder_from_directory(name).as_data_source(split=split)
    else:
      folder = found["dir"] or os.environ.get("TFDS_DATA_DIR")
      data = tfds.data_source(name, split=split, data_dir=folder)
  except Exception as e:  # Downloads, readers and registries fail in many ways of their own.
    reason = " ".join(str(e).split())
    raise InputError(
      f"'tfds:{path}' cannot be loaded: {reason[:400]}{'...' if len(reason) > 400 else ''} Check NAME, DATA_DIR and "
      "SPLIT (tfds:NAME@DATA_DIR:SPLIT). A dataset prepared elsewhere must be array_record: tfds build NAME "
      "--file_format=array_record."
    ) from e
  yield from numbered(data, f"tfds:{name}:{split}", bad, _plain)


def _plain(value: Any) -> Any:
  """numpy scalars and arrays as Python's own values."""
  if isinstance(value, dict):
    return {k: _plain(v) for k, v in value.items()}
  return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
