"""What all benchmarks of training and generation share: the model, the rows, and sides that run in
turn, each in a process of its own.

A side is a module with main(**options) -> {name: number}; `python -m MODULE OPTIONS` prints its
result as one line of JSON. The process of a side, imports included, begins at options["began"].
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ftjax.config import InputError

# A Llama of 56M parameters, for machines where a real one would take all day.
LLAMA_56M = {
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": 512,
  "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 4,
  "head_dim": 64, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu",
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": False,
}  # fmt: skip
# Without this glibc gives every step's memory back and takes it again, which costs PyTorch a third
# of its speed.
TUNED_MALLOC = {
  "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"
}  # fmt: skip
# side -> (module, what it needs, options of its own)
SIDES: dict[str, tuple[str, str, dict[str, Any]]] = {
  "ftjax": ("benchmark_step", "", {}),
  "trl": ("benchmark_trl", "pip install -e '.[bench]'", {}),
  "trl-packing": ("benchmark_trl", "pip install -e '.[bench]'", {"packing": True}),
  "trl-default": ("benchmark_trl", "pip install -e '.[bench]'", {"checkpointing": True}),
  "trl-default-packing": (
    "benchmark_trl", "pip install -e '.[bench]'", {"checkpointing": True, "packing": True}
  ),
  "tunix": ("benchmark_tunix", "pip install google-tunix, in the environment of --peer_python", {}),
  "ftjax-generate": ("benchmark_generate", "", {}),
  "transformers": ("benchmark_generate_torch", "pip install -e '.[bench]'", {}),
}  # fmt: skip


def turns(
  peer: str | None, *, mode: str, model: str = "", length: int, batch: int, rows: str = "full", new: int = 0,
  python: str = "", scratch: Path | None = None, ours: bool = True, **options: Any,
) -> dict[str, dict[str, float]]:  # fmt: skip
  """{"ftjax": numbers, and where there is a peer its own and "ratio": ours over the peer's}.

  model: a folder, or one of models/shapes.py with random weights; "" = a Llama of 56M parameters.
  python: the peer's interpreter. scratch: where to keep model and rows (default: nowhere). ours:
  False leaves our side out.
  """
  generate = mode == "generate"
  if peer is not None and (peer == "transformers") != generate:
    raise InputError(
      f"--against={peer} does not go with --mode={mode}: transformers generates, and trl (-packing, "
      "-default, -default-packing) and tunix train."
    )
  with contextlib.ExitStack() as stack:
    scratch = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder = model_folder(model, scratch, LLAMA_56M)
    vocabulary = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    options |= {"model": str(folder), "batch": batch, "length": length}
    if generate:
      options |= {"new": new, "vocabulary": vocabulary}
    else:
      count = 4096 if rows == "uneven" else 16 * batch
      data = scratch / f"{rows}-{length}-{count}.jsonl"
      options |= {"mode": mode, "data": str(write_rows(data, rows, length, vocabulary, count))}
    found = {}
    if ours:
      found["ftjax"] = run("ftjax-generate" if generate else "ftjax", options)
    if peer is not None:
      found[peer] = run(peer, options, python)
    if len(found) == 2:
      found["ratio"] = ratio(found["ftjax"], found[peer])
  return found


def ratio(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
  """Ours over theirs, of the numbers that both have."""
  return {k: ours[k] / x for k, x in theirs.items() if x and k in ours}


def run(side: str, options: dict[str, Any], python: str = "") -> dict[str, float]:
  """One side, in a process of its own. Raises InputError with the last line of what it said."""
  module, needs, own = SIDES[side]
  peer = not side.startswith("ftjax")
  env = os.environ | (TUNED_MALLOC if peer else {})
  if python and peer:  # An environment of its own: nothing of ours is installed there.
    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
  command = [python if python and peer else sys.executable, "-m", f"ftjax.research.{module}"]
  given = json.dumps(options | own | {"began": time.time()})
  done = subprocess.run([*command, given], capture_output=True, text=True, env=env, check=False)
  if done.returncode:
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    raise InputError(f"{side} did not run{f' ({needs})' if needs else ''}: {said}")
  return json.loads(done.stdout.strip().splitlines()[-1])


def model_folder(model: str, scratch: Path, default: dict[str, Any]) -> Path:
  """A model's folder; one of random weights where `model` is the name of a shape, or empty: then of
  `default`, a config.json."""
  from ftjax.models.shapes import SHAPES  # not for the peers' processes

  if not model:
    return random_model(scratch / "model", default)
  if model in SHAPES and not Path(model).is_dir():
    return random_model(scratch / model, SHAPES[model])
  return Path(model)


def random_model(folder: Path, hf_config: dict[str, Any]) -> Path:
  """A Hugging Face folder of random float32 weights, written leaf by leaf (made once)."""
  import jax

  from ftjax import tree
  from ftjax.models import decoder, export, hf

  if (folder / "config.json").is_file():
    return folder
  family = hf.load_family(hf_config)
  config = family.config(hf_config)
  leaves = jax.eval_shape(lambda key: decoder.init(config, key), jax.random.key(0))
  random = np.random.default_rng(0)

  def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    numbers = random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
    return numbers + np.float32(name.endswith("scale"))

  lazy = lambda name, x: export.Lazy(x.dtype, lambda index: draw(name, x.shape[len(index) :]))
  export.write(folder, tree.map_named(lazy, leaves), config, family.weights(config), hf_config)
  return folder


def write_rows(path: Path, kind: str, length: int, vocabulary: int, count: int) -> Path:
  """Rows of random ids in the `tokens` format (made once).

  kind: "full": length + 1 ids, all trained on; "uneven": as many as rows of E2E (Novikova et al.
  2017) have in a vocabulary of 32,000: a prompt of 20 to 75 ids that is not trained on, then an
  answer of 10 to 55.
  """
  if path.is_file():
    return path
  random = np.random.default_rng(0)
  with open(path, "w", encoding="utf-8") as f:
    for _ in range(count):
      if kind == "full":
        prompt, answer = 0, length + 1
      else:
        prompt, answer = np.clip(random.normal((48, 29), (12, 9)), (20, 10), (75, 55)).astype(int)
      ids = random.integers(2, vocabulary, prompt + answer).tolist()
      f.write(json.dumps({"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]}) + "\n")
  return path


def timed(step, steps: int, seconds: float, warmup: int = 2) -> list[float]:
  """Seconds of each step() after `warmup` that do not count: `steps` of them, or fewer (two at
  least) where together they would take more than `seconds`."""
  times: list[float] = []
  while len(times) < warmup + steps:
    at = time.perf_counter()
    step()
    times.append(time.perf_counter() - at)
    counted = times[warmup:]
    if len(counted) > 1 and sum(counted) + counted[-1] > seconds:
      break
  return times[warmup:]


def peak_rss() -> int:
  """Bytes that this process held at most."""
  for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
    if line.startswith("VmHWM"):  # getrusage's also has what a process held before exec.
      return int(line.split()[1]) * 1024
  raise RuntimeError("no VmHWM in /proc/self/status")


def program(main) -> None:
  """The body of a side's module: options on the command line, one line of JSON out."""
  print(json.dumps(main(**json.loads(sys.argv[1]))))
