"""Plain text: a file is one document."""

from collections.abc import Iterator

from ftjax.config import InputError
from ftjax.data import encoding
from ftjax.data.record import Bad, Record, raise_error
from ftjax.data.sources._reading import DEFAULT, Reading, read_document

_OTHER_ENCODING = 0.02  # share of unreadable lines from which on the whole file is not UTF-8


def records(path: str, bad: Bad = raise_error, how: Reading = DEFAULT) -> Iterator[Record]:
  """One record {"text": the whole file}. Tells `bad` each line that is neither UTF-8 nor UTF-16, and leaves
  it out; where they are many, the file is refused as a whole."""
  raw = read_document(path, bad, how)
  if raw is None:
    return
  try:
    yield Record({"text": encoding.decode(raw)}, path)
    return
  except UnicodeDecodeError as e:
    error = InputError(
      f"{path}: not UTF-8 text ({e.reason} at byte {e.start + 1}). Convert it: iconv -f latin1 -t utf-8."
    )
  kept, faults = [], []
  for number, line in enumerate(raw.split(b"\n"), 1):
    try:
      kept.append(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as e:
      faults.append(
        InputError(
          f"{path}:{number}: not UTF-8 text ({e.reason} at byte {e.start + 1} of the line)."
        )
      )
  if bad is raise_error or len(faults) > _OTHER_ENCODING * (len(kept) + len(faults)):
    bad(error)
    return
  for fault in faults:
    bad(fault)
  yield Record({"text": "\n".join(kept)}, path)
