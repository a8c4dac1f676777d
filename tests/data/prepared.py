"""Small, varied documents and a quiet preparation of them, for the tests of versions."""

import json
import random
from pathlib import Path

from rich.console import Console

from ftjax import preparation
from ftjax.data.collect import Source, examples
from ftjax.data.curate.progress import Said
from ftjax.data.defaults import get_config

N = 60  # documents of the fixture `source`
HALF = dict(split__validation=0.3, split__test=0.2)

_WORDS = (
  "harbour winter letter kitchen mountain orchard library station garden bridge painter engine river "
  "market cellar teacher window village captain forest morning ladder bottle carpet doctor island"
).split()
_VERBS = (
  "carried opened painted crossed followed repaired watched answered gathered measured".split()
)
_LINKS = "near under behind beside above without before after towards against".split()


def document(seed: int, sentences: int = 6) -> str:
  """English of a kind; two seeds have hardly a shingle in common."""
  rng = random.Random(seed)
  word = lambda: "".join(
    rng.choice(["ba", "ne", "ri", "lo", "tu", "ska", "mer", "vin"]) for _ in "123"
  )
  lines = []
  for _ in range(sentences):
    a, b, c = rng.sample(_WORDS, 3)
    lines.append(
      f"The {a} of {word().title()} {rng.choice(_VERBS)} that {word()} {b} {rng.choice(_LINKS)} a {word()} {c}, and "
      f"{word()} {rng.choice(_VERBS)} with the {word()}."
    )
  return " ".join(lines)


def near(text: str) -> str:
  """A near duplicate: one word more."""
  return text + " Indeed."


def write(path: Path, rows) -> Path:
  """Rows as JSON lines; a text is a row {"text": ...}."""
  rows = [r if isinstance(r, dict) else {"text": r} for r in rows]
  path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
  return path


def config(sources, output, **changes):
  """The defaults, with one process. changes: keys with "__" for the dots."""
  c = get_config()
  c.sources, c.output = sources if isinstance(sources, list) else str(sources), str(output)
  c.run.workers = 1
  for key, value in changes.items():
    *rooms, name = key.split("__")
    at = c
    for room in rooms:
      at = at[room]
    at[name] = value
  return c


QUIET = lambda: Said(Console(quiet=True))


def prepare(sources, output, **changes):
  return preparation.prepare(config(sources, output, **changes), QUIET())


def update(sources, output, parent="LATEST", prune=False, **changes):
  return preparation.update(config(sources, output, **changes), parent, prune, QUIET())


def rows(version, split=None):
  """The rows of a version (of one split) as Parquet has them."""
  import pyarrow.parquet as pq

  splits = [split] if split else ["train", "validation", "test"]
  return [row for s in splits for p in version.shards(s) for row in pq.read_table(p).to_pylist()]


def texts(version, split=None):
  return [row["text"] for row in rows(version, split)]


def collect(entry, defaults=None):
  """(the examples of a source, the messages told to `bad`)."""
  bad = []
  source = Source.of(entry, defaults)
  return list(examples(source, bad.append)), [str(e) for e in bad]
