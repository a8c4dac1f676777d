"""Parquet files, read in row groups."""

from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, filled, raise_error
from ftjax.data.sources._reading import DEFAULT, Reading, open_input

_ROWS = 1024  # at a time: a bound on memory


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """Tells `bad` of a file that is not Parquet, or is damaged from some row on."""
  import pyarrow
  import pyarrow.parquet

  number, error = 0, None
  with open_input(path, how) as f:
    try:
      for table in pyarrow.parquet.ParquetFile(f).iter_batches(batch_size=_ROWS):
        for row in table.to_pylist():
          number += 1
          yield Record(filled(row), f"{path} row {number}")
    except (pyarrow.ArrowException, OSError) as e:
      if isinstance(e, OSError) and e.errno:  # The disk's, not the file's.
        raise
      where = f"{path} row {number + 1}" if number else path
      error = InputError(f"{where}: not a readable Parquet file: {e}")
  if error:
    bad(error)
