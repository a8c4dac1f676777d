"""How fast a training step is here, and how fast TRL's is on the same model, data and machine."""

import functools
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ftjax import tree
from ftjax.batch import Batch
from ftjax.config import InputError
from ftjax.models import decoder, export, hf, lora
from ftjax.models.families import llama
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.train import optim
from ftjax.train.loop import put
from ftjax.train.state import init_state, shard_state
from ftjax.train.step import batch_sharding, compile_step, make_loss

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


def random_llama(folder: Path) -> Path:
  """The 56M Llama with random weights as a Hugging Face folder (made once)."""
  if not (folder / "config.json").is_file():
    config = llama.config(LLAMA_56M)
    variables = decoder.init(config, jax.random.key(0))
    export.write(folder, variables, config, llama.weights(config), LLAMA_56M)
  return folder


def train_step_time(
  folder: Path, *, mode: str, dtype: str, batch: int, length: int, steps: int
) -> dict:
  """Median seconds of a training step over full rows of random tokens, after two that do not
  count."""
  began = time.perf_counter()
  checkpoint = hf.open_checkpoint(folder)
  mesh, config = make_mesh(), checkpoint.config
  base = jax.device_put(hf.read(checkpoint, jnp.float32), None)
  trainable, frozen = base, {}
  if mode == "lora":
    targets = lora.choose(config, checkpoint.table, "all-linear")
    adapter = lora.init(jax.random.key(1), config, targets, rank=16, alpha=32.0)
    trainable, frozen = {"lora": adapter["lora"]}, base | {"lora_scale": adapter["lora_scale"]}
  place = functools.partial(rules.shardings, mesh=mesh)
  trainable, frozen = (jax.device_put(v, place(v)) for v in (trainable, frozen))
  schedule = optim.make_schedule("linear", 2e-5, warmup=10, total=1000)
  tx = optim.make_optimizer("adamw", schedule)
  places = shard_state(trainable, frozen, tx, place, mesh)
  state = init_state(trainable, frozen, tx, 0, places)
  del trainable, frozen, base
  step = compile_step(
    mesh, places, make_loss(decoder.Decoder(config, dtype=jnp.dtype(dtype))), tx, schedule
  )
  rows = put(random_batch(config.V, batch, length), batch_sharding(mesh))
  compiling = time.perf_counter()
  compiled = step.compile(state, rows)
  compile_seconds = time.perf_counter() - compiling
  seconds = []
  for i in range(steps + 2):
    at = time.perf_counter()
    state, sums = compiled(state, rows)
    jax.block_until_ready(state)
    seconds.append(time.perf_counter() - at)
    if i == 0:
      first = time.perf_counter() - began
  step_seconds = float(np.median(seconds[2:]))
  peak = gemm_peak(jnp.dtype(dtype))
  return {
    "step_seconds": step_seconds,
    "tokens_per_second": batch * length / step_seconds,
    "supervised_tokens_per_second": float(sums.weight) / step_seconds,
    "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "compile_seconds": compile_seconds,
    "first_step_seconds": first,
    "gemm_peak_flops": peak,
    "mfu": model_flops(config, batch, length, mode) / step_seconds / peak,
    "parameters": tree.count(state.trainable) + tree.count(state.frozen),
  }


def random_batch(vocab: int, batch: int, length: int) -> Batch:
  """[1, batch, length] of random tokens, all of them trained on."""
  ids = np.random.default_rng(0).integers(0, vocab, (1, batch, length + 1)).astype(np.int32)
  positions = np.broadcast_to(np.arange(length, dtype=np.int32), (1, batch, length)).copy()
  ones = np.ones((1, batch, length), np.int32)
  return Batch(ids[..., :-1], ids[..., 1:], ones.astype(np.float32), positions, ones)


def model_flops(config, batch: int, length: int, mode: str) -> float:
  """FLOPs of one step that the mathematics needs: 6 a parameter and token (4 where the base is
  frozen, whose gradients are not formed), and causal attention at half of its square."""
  e = config.experts
  mlp = config.D * config.F * (3 if config.gated else 2)
  mlp = mlp * e.per_token + config.D * e.count if e else mlp
  matrices = config.L * (config.D * config.H * (2 * config.N + 2 * config.K) + mlp)
  per_token = matrices + config.D * config.V
  passes = 3 if mode == "full" else 2
  attention = (
    2 * config.L * config.N * config.H * length
  )  # scores and values: 2 * 2 * T * N * H, halved
  return 2.0 * passes * per_token * batch * length + 3.0 * attention * batch * length


def gemm_peak(dtype, size: int = 2048) -> float:
  """FLOP/s of the best of some square matrix products in this process."""
  a = jnp.ones((size, size), dtype)
  product = jax.jit(lambda x: x @ x)
  product(a).block_until_ready()
  best = float("inf")
  for _ in range(8):
    at = time.perf_counter()
    product(a).block_until_ready()
    best = min(best, time.perf_counter() - at)
  return 2 * size**3 / best


def trl_step_time(
  folder: Path, *, mode: str, dtype: str, batch: int, length: int, steps: int
) -> dict:
  """The same step by TRL, in a process of its own with glibc's allocator tuned in its favour."""
  options = dict(mode=mode, dtype=dtype, batch=batch, length=length, steps=steps)
  command = [sys.executable, "-m", "ftjax.research.benchmark_trl", str(folder), json.dumps(options)]
  env = os.environ | TUNED_MALLOC
  done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
  if done.returncode:
    raise InputError(
      f"TRL did not run (pip install -e '.[bench]'): {done.stderr.strip().splitlines()[-1]}"
    )
  return json.loads(done.stdout.strip().splitlines()[-1])
