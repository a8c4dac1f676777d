"""Parquet files, read in row groups."""

from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Record
from ftjax.storage import open_file


def records(path: str) -> Iterator[Record]:
  """Raises InputError for a file that is not Parquet."""
  import pyarrow
  import pyarrow.parquet

  with open_file(path) as f:
    try:
      number = 0
      for table in pyarrow.parquet.ParquetFile(f).iter_batches():
        for row in table.to_pylist():
          number += 1
          yield Record(row, f"{path} row {number}")
    except pyarrow.ArrowInvalid as e:
      raise InputError(f"{path}: not a readable Parquet file: {e}") from e
