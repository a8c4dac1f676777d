"""How fast and in how much memory a checkpoint is loaded, here and by transformers.

Each load has a process of its own, which first loads a tiny model, so that neither imports nor
compilation count, but in "seconds_since_process_start". python -m ftjax.research.benchmark_load SIDE OPTIONS is such a process; it prints
one line of JSON.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ftjax import storage
from ftjax.config import InputError
from ftjax.research.benchmark import model_folder, random_model

# A Llama of 250M parameters, 1 GB in float32; sizes that are no powers of two favour nobody.
LLAMA_1GB = {
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000,
  "hidden_size": 1536, "intermediate_size": 4096, "num_hidden_layers": 6,
  "num_attention_heads": 12, "num_key_value_heads": 4, "head_dim": 128,
  "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu",
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": False,
}  # fmt: skip
_TINY = LLAMA_1GB | {
  "vocab_size": 64, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
  "num_attention_heads": 4, "head_dim": 16,
}  # fmt: skip
DEVICES = 4  # of each process, made up


def compare(
  model: str, repeats: int, transformers: bool, quantize: str = ""
) -> dict[str, dict[str, float]]:
  """{side: medians over `repeats` loads, in turn}: "ftjax", "ftjax, two processes" (each keeps half;
  the worse of the two counts), "transformers" where asked for, and the "ratio" to it.

  quantize: for ftjax, as model.quantize has it; what is not quantized is then in bfloat16. Two more
  sides then: "ftjax, writing" such a folder (whose size is its kept_bytes), and "ftjax, written", which
  loads it.
  """
  with tempfile.TemporaryDirectory() as scratch:
    tiny = random_model(Path(scratch) / "tiny", _TINY)
    folder = model_folder(model, Path(scratch), LLAMA_1GB)
    options = {"folder": str(folder), "tiny": str(tiny)}
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
      mine = options | {"quantize": quantize}
      found.setdefault("ftjax", []).append(_run("ftjax", mine))
      if transformers:
        found.setdefault("transformers", []).append(_run("transformers", options))
      found.setdefault("ftjax, two processes", []).append(_two(mine))
      if quantize:
        output = Path(scratch) / "quantized"
        storage.remove(output)
        writing = _run("writing", mine | {"output": str(output)})
        found.setdefault("ftjax, writing", []).append(writing)
        written = _run("ftjax", mine | {"folder": str(output)})
        found.setdefault("ftjax, written", []).append(written)
  medians = {
    side: {key: float(np.median([m[key] for m in many])) for key in many[0]}
    for side, many in found.items()
  }
  if transformers:
    peer = medians["transformers"]
    medians["ratio"] = {key: medians["ftjax"][key] / peer[key] for key in peer}
  return medians


def _run(side: str, options: dict[str, Any]) -> dict[str, float]:
  return _result(_start(side, options))


def _two(options: dict[str, Any]) -> dict[str, float]:
  """The worse of two processes that load one model together."""
  with socket.socket() as free:
    free.bind(("localhost", 0))
    address = f"localhost:{free.getsockname()[1]}"
  both = [_start("ftjax", options | {"address": address, "process": i}) for i in range(2)]
  found = [_result(process) for process in both]
  return {key: max(m[key] for m in found) for key in found[0]}


def _start(side: str, options: dict[str, Any]) -> subprocess.Popen:
  options = options | {"began": time.time()}
  command = [sys.executable, "-m", "ftjax.research.benchmark_load", side, json.dumps(options)]
  flags = f"--xla_force_host_platform_device_count={DEVICES if 'address' in options else 1}"
  env = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
  return subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
  )


def _result(process: subprocess.Popen) -> dict[str, float]:
  out, error = process.communicate()
  if process.returncode:
    raise InputError(f"A load did not run: {(error.strip().splitlines() or ['no message'])[-1]}")
  return json.loads(out.strip().splitlines()[-1])


def _memory(field: str) -> int:
  """Bytes of this process, from /proc: VmRSS now or VmHWM at most since `_forget_peak`."""
  lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
  return int(next(x for x in lines if x.startswith(field)).split()[1]) * 1024


def _forget_peak() -> None:
  Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _measure(load, touch, folder: str, began: float) -> dict[str, float]:
  """Seconds until load() returns and until touch(model) has been at every page of the weights, and
  memory above what there was before, all pages of files included."""
  before = _memory("VmRSS")
  _forget_peak()
  at = time.perf_counter()
  model = load()
  loaded = time.perf_counter() - at
  kept = touch(model)
  read = time.perf_counter() - at
  above = _memory("VmHWM") - before
  file = sum(p.stat().st_size for p in Path(folder).iterdir())
  return {
    "seconds": loaded, "seconds_until_read": read,
    "seconds_since_process_start": time.time() - began, "kept_bytes": kept, "peak_bytes": above,
    "peak_of_kept": above / kept, "peak_of_file": above / file,
  }  # fmt: skip


def _touch(arrays: list[np.ndarray]) -> int:
  """The bytes of all arrays, from each of whose pages an item has been read: where a file was only
  mapped, it comes in here."""
  for x in arrays:
    flat = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,))
    assert np.isfinite(flat[:: 4096 // x.itemsize].max())
  return sum(x.nbytes for x in {x.ctypes.data: x for x in arrays}.values())


def _ftjax(
  folder: str, tiny: str, began: float, address: str = "", process: int = 0, quantize: str = ""
) -> dict[str, float]:
  import jax

  if address:
    jax.distributed.initialize(address, 2, process)
  from ftjax import tree
  from ftjax.models import hf
  from ftjax.parallel import rules
  from ftjax.parallel.mesh import make_mesh

  mesh = make_mesh(data=1, fsdp=-1) if address else None
  on_mesh = lambda n, x: tree.flatten(rules.shardings(tree.unflatten({n: x}), mesh))[n]
  dtype = jax.numpy.bfloat16 if quantize else np.float32
  load = lambda f: hf.read(hf.open_checkpoint(f), dtype, on_mesh if mesh else None, quantize)

  def touch(variables) -> int:
    parts = [s.data for x in jax.tree.leaves(variables) for s in x.addressable_shards]
    return _touch([np.asarray(x) for x in parts])

  load(tiny)
  return _measure(lambda: load(folder), touch, folder, began)


def _writing(folder: str, tiny: str, began: float, quantize: str, output: str) -> dict[str, float]:
  from ftjax.models import hf
  from ftjax.models.quant import writing, written

  def write(source: str, to: Path) -> Path:
    quantized = written.Quantized(quantize, source)
    writing.write(to, hf.open_checkpoint(source), quantized, dtype="bfloat16")
    return to

  size = lambda to: sum(p.stat().st_size for p in to.iterdir())
  with tempfile.TemporaryDirectory() as scratch:
    write(tiny, Path(scratch) / "tiny")
  return _measure(lambda: write(folder, Path(output)), size, folder, began)


def _transformers(folder: str, tiny: str, began: float) -> dict[str, float]:
  import torch
  from transformers import AutoModelForCausalLM

  load = lambda f: AutoModelForCausalLM.from_pretrained(f, dtype=torch.float32)

  def touch(model) -> int:
    return _touch([x.detach().numpy() for x in model.parameters()])

  load(tiny)
  return _measure(lambda: load(folder), touch, folder, began)


if __name__ == "__main__":
  sides = {"ftjax": _ftjax, "transformers": _transformers, "writing": _writing}
  print(json.dumps(sides[sys.argv[1]](**json.loads(sys.argv[2]))))
