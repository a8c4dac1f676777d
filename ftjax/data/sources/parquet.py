"""Parquet files, read in batches of rows. What they say in a few bytes, such as one text a million
times, is never held unpacked beyond its bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

from ftjax.config import InputError
from ftjax.data.record import Bad, Record, filled, raise_error
from ftjax.data.sources._reading import COLUMNS, DEFAULT, Reading, bound_of, open_input
from ftjax.sizes import told

_ROWS = 1024  # at a time


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """Tells `bad` of a file that is not Parquet, has too many columns, expands far beyond its size, or is
  damaged from some row on; and of rows above how.max_line bytes or with values that Python does not
  have, such as a date in the year 12000."""
  import pyarrow

  number, total, error = 0, 0, None
  with open_input(path, how) as f:
    try:
      file, bound = _opened(f, path), bound_of(_length(f), how)
      if _values(file) > bound:
        raise _beyond(path, bound)
      for batch in file.iter_batches(batch_size=_ROWS):
        count = _bytes(batch)
        whole = _whole(batch) if count <= how.max_line and total + count <= bound else None
        total += count if whole else 0
        for at in range(len(batch)):
          number += 1
          if not whole:
            one = batch.slice(at, 1)
            total += (count := _bytes(one))
            if total > bound:
              raise _beyond(path, bound)
          try:
            row = whole[at] if whole else _row(one, count, how)
          except Exception as e:  # Types of values fail to convert in ways of their own.
            bad(InputError(f"{path} row {number}: {' '.join(str(e).split()) or type(e).__name__}."))
            continue
          yield Record(filled(row), f"{path} row {number}")
    except InputError as e:
      error = e
    except (pyarrow.ArrowException, OSError) as e:
      if isinstance(e, OSError) and e.errno:  # The disk's, not the file's.
        raise
      where = f"{path} row {number + 1}" if number else path
      error = InputError(f"{where}: not a readable Parquet file: {e}")
  if error:
    bad(error)


def _opened(f: IO[bytes], path: str):
  """The file, whose texts stay as numbers into dictionaries where it has them so."""
  import pyarrow.parquet

  schema = pyarrow.parquet.ParquetFile(f).schema
  if len(schema) > COLUMNS:
    raise InputError(
      f"{path}: the table has {len(schema):,} columns; at most {COLUMNS:,} are read."
    )
  columns = [schema.column(i) for i in range(len(schema))]
  texts = [c.path for c in columns if c.physical_type == "BYTE_ARRAY"]
  return pyarrow.parquet.ParquetFile(f, read_dictionary=texts)


def _length(f: IO[bytes]) -> int:
  f.seek(0, os.SEEK_END)
  return f.tell()


def _values(file) -> int:
  """The values of all columns, which may be many more than rows: members of lists."""
  groups = map(file.metadata.row_group, range(file.num_row_groups))
  return sum(g.column(c).num_values for g in groups for c in range(g.num_columns))


def _beyond(path: str, bound: int) -> InputError:
  return InputError(
    f"{path}: expands to more than {told(bound)}, far beyond its own size; it was read no further. If it is what it "
    "should be, write it without dictionaries and with less compression, or as JSON lines."
  )


def _bytes(batch: Any) -> int:
  """What an array, or a batch, takes when its dictionaries are written out."""
  import pyarrow as pa
  import pyarrow.compute as pc

  if isinstance(batch, pa.RecordBatch):
    return sum(map(_bytes, batch.columns))
  if isinstance(batch, pa.DictionaryArray):
    lengths = pc.take(pc.binary_length(batch.dictionary), batch.indices)
    return (pc.sum(lengths).as_py() or 0) + batch.indices.nbytes
  if pa.types.is_nested(batch.type):
    parts = batch.flatten()
    return sum(map(_bytes, parts if isinstance(parts, list) else [parts])) + 8 * len(batch)
  return batch.nbytes


def _whole(batch) -> list[dict[str, Any]] | None:
  """All rows at once; None where one of them has a value that cannot be had."""
  try:
    return batch.to_pylist()
  except Exception:  # told row by row
    return None


def _row(batch, count: int, how: Reading) -> dict[str, Any]:
  if count > how.max_line:
    raise InputError(
      f"the row has {told(count)}; at most {told(how.max_line)} are read (run.max_line)"
    )
  return batch.to_pylist()[0]
