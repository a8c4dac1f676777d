"""How well, how fast and in how much memory near duplicates are found, here and by datasketch's
MinHashLSH, with the same bands, rows and verification.

Each measurement has a process of its own, in turn, which loads its input and warms up before the
clock starts. python -m ftjax.research.benchmark_dedup SIDE OPTIONS is such a process; it prints one
line of JSON.
"""

import json
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ftjax.config import InputError
from ftjax.data.dedup import near
from ftjax.data.dedup.result import Duplicates
from ftjax.data.dedup.settings import Settings
from ftjax.data.dedup.signatures import Sketch, bands, sketch
from ftjax.data.dedup.verify import Shingles, similarities
from ftjax.data.example import Example
from ftjax.research import dedup_corpus, dedup_quality
from ftjax.research.benchmark_load import _forget_peak, _memory

_CHUNK = 5_000  # documents of a sketch
_SIDES = ["ftjax", "ftjax, from shingles"]
_PEER = ["datasketch", "datasketch, from shingles"]


def compare(sizes: Iterable[int], turns: int, datasketch: bool) -> dict[str, dict[str, float]]:
  """{"side, documents": medians over `turns`}, {"ratio ...": of ours to datasketch's} and the table
  of recall and precision at the largest size, by class of planted copies."""
  found: dict[str, dict[str, float]] = {}
  with tempfile.TemporaryDirectory() as scratch:
    for size in sizes:
      folder = Path(scratch) / str(size)
      corpus = _write(folder, size)
      sides = _SIDES + ["ftjax, all cores"] + (_PEER if datasketch else [])
      runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
      for _ in range(turns):
        for side in sides:
          runs[side].append(_run(side, folder))
      medians = {
        side: {key: float(np.median([m[key] for m in many])) for key in many[0]}
        for side, many in runs.items()
      }
      found |= {f"{side}, {size:,} documents": numbers for side, numbers in medians.items()}
      for ours, theirs in zip(_SIDES, _PEER, strict=True) if datasketch else ():
        ratio = {k: medians[ours][k] / v for k, v in medians[theirs].items() if v}
        found[f"ratio of {ours}, {size:,} documents"] = ratio
    return found | dedup_quality.table(corpus)


def _write(folder: Path, size: int) -> dedup_corpus.Corpus:
  """The corpus, as texts and as the shingle sets that both sides can start from."""
  folder.mkdir()
  corpus = dedup_corpus.make(size)
  (folder / "texts").write_bytes(pickle.dumps(corpus.texts))
  (folder / "pairs").write_bytes(pickle.dumps(corpus.pairs))
  for i, chunk in enumerate(_chunks(corpus.texts)):
    sketch(chunk, Settings()).save(folder / f"{i:05}.sketch")
  return corpus


def _run(side: str, folder: Path) -> dict[str, float]:
  command = [sys.executable, "-m", "ftjax.research.benchmark_dedup", side, str(folder)]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  if done.returncode:
    lines = done.stderr.strip().splitlines() or ["no message"]
    raise InputError(f"{side!r} did not run: {lines[-1]}")
  return json.loads(done.stdout.strip().splitlines()[-1])


def _chunks(texts: list[str]) -> list[list[Example]]:
  return [[Example(text=t) for t in texts[i : i + _CHUNK]] for i in range(0, len(texts), _CHUNK)]


def _measure(side: str, folder: Path) -> dict[str, float]:
  texts = pickle.loads((folder / "texts").read_bytes())
  pairs = pickle.loads((folder / "pairs").read_bytes())
  if side.endswith("from shingles"):
    data = [Sketch.load(p) for p in sorted(folder.glob("*.sketch"))]
    number, texts = len(texts), []
  else:
    data, number = texts if side in _PEER else _chunks(texts), len(texts)
  work = {
    "ftjax": _ours, "ftjax, all cores": _all_cores, "ftjax, from shingles": _ours_from_shingles,
    "datasketch": _theirs, "datasketch, from shingles": _theirs_from_shingles,
  }[side]  # fmt: skip
  work(data[:1] if side not in _PEER[:1] else data[:100])
  before = _memory("VmRSS")
  _forget_peak()
  wall, cpu = time.perf_counter(), sum(os.times()[:4])
  result = work(data)
  wall, cpu = time.perf_counter() - wall, sum(os.times()[:4]) - cpu
  good = [p for p in pairs if p.similarity >= Settings().threshold]
  return {
    "documents_per_second": number / wall,
    "documents_per_cpu_second": number / cpu,
    "microseconds_per_document": wall / number * 1e6,
    "peak_MB": (_memory("VmHWM") - before) / 1e6,
    "recall": dedup_quality.recall(result, good),
  }


def _ours(chunks: list[list[Example]]) -> Duplicates:
  return near.duplicates([sketch(c, Settings()) for c in chunks], Settings())


def _all_cores(chunks: list[list[Example]]) -> Duplicates:
  """Sketches come through files, as in preparation. Its peak_MB is the parent's alone."""
  global _shared
  with tempfile.TemporaryDirectory() as scratch:
    _shared = chunks, scratch
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
      paths = pool.map(_sketch_one, range(len(chunks)), 1)
      pool.close()
      pool.join()  # Or their processor time would not count.
    return near.duplicates(paths, Settings())


def _sketch_one(i: int) -> str:
  chunks, scratch = _shared
  path = f"{scratch}/{i}"
  sketch(chunks[i], Settings()).save(path)
  return path


def _ours_from_shingles(sketches: list[Sketch]) -> Duplicates:
  """As the other side: similar rows alone, exact repeats among them."""
  keys = [bands(s.shingles, s.offsets, Settings()) for s in sketches]
  again = [
    Sketch(s.exact, s.prompt, key, s.offsets, s.shingles)
    for s, key in zip(sketches, keys, strict=True)
  ]
  return near.duplicates(again, Settings(exact=False))


def _theirs(texts: list[str]) -> Duplicates:
  """From text, hashed by xxhash, which is faster than its default. Only signatures are kept, as here;
  the shingles of candidates are made again."""
  import xxhash

  signatures = _signatures(map(_byte_shingles, texts), hashfunc=xxhash.xxh32_intdigest)
  pairs = _query(signatures)
  similar = [_jaccard(texts[i], texts[j]) for i, j in pairs]
  return _greedy(len(texts), pairs, np.array(similar))


def _byte_shingles(text: str) -> set[bytes]:
  words = re.findall(r"\w+", text.casefold())
  return {" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))}


def _jaccard(one: str, other: str) -> float:
  a, b = _byte_shingles(one), _byte_shingles(other)
  return len(a & b) / len(a | b)


def _theirs_from_shingles(sketches: list[Sketch]) -> Duplicates:
  """From the shingle hashes of our sketches, which it is handed as integers: no hashing left to
  do; and with our verification."""
  sets = (
    s.shingles[a:b].tolist()
    for s in sketches
    for a, b in zip(s.offsets[:-1:2].tolist(), s.offsets[1::2].tolist(), strict=True)
  )
  signatures = _signatures(sets, hashfunc=int)
  pairs = np.array(_query(signatures), np.int64).reshape(-1, 2)
  shingles = Shingles(sketches)
  sizes = np.stack([shingles.sizes(0), shingles.sizes(1)])
  similar = similarities(shingles, sizes, pairs[:, 0], pairs[:, 1], Settings().threshold)
  return _greedy(len(signatures), pairs, similar)


def _signatures(sets, **options) -> list:
  from datasketch import MinHash

  s = Settings()
  return MinHash.bulk(sets, num_perm=s.bands * s.rows, seed=s.seed, **options)


def _query(signatures) -> list[tuple[int, int]]:
  """Pairs (earlier, later) of rows with a bucket in common, by its documented use: all are
  inserted, then each is asked for."""
  from datasketch import MinHashLSH

  s = Settings()
  lsh = MinHashLSH(num_perm=s.bands * s.rows, params=(s.bands, s.rows))
  for i, signature in enumerate(signatures):
    lsh.insert(i, signature, check_duplication=False)
  return [(j, i) for i, m in enumerate(signatures) for j in lsh.query(m) if j < i]


def _greedy(number: int, pairs, similar: np.ndarray) -> Duplicates:
  """The rows that go, as `near.duplicates` decides it."""
  of, reason = np.full(number, -1), np.zeros(number, np.uint8)
  similarity = np.zeros(number, np.float32)
  pairs = np.array(pairs, np.int64).reshape(-1, 2)[similar >= Settings().threshold]
  similar = similar[similar >= Settings().threshold]
  near._remove(pairs[:, 0], pairs[:, 1], similar, of, reason, similarity)
  return Duplicates(of < 0, np.arange(number), of, reason, similarity)


if __name__ == "__main__":
  print(json.dumps(_measure(sys.argv[1], Path(sys.argv[2]))))
