"""Our side of the training benchmark: the trainer's own step on the trainer's own batches."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

from ftjax import tree
from ftjax.batch import Batch
from ftjax.data import loader
from ftjax.defaults import get_config
from ftjax.models import bf16, decoder, flops, hf, lora
from ftjax.parallel import rules
from ftjax.parallel.chips import peak_flops
from ftjax.parallel.mesh import make_mesh
from ftjax.research.benchmark import peak_rss, program, timed
from ftjax.train import optim
from ftjax.train.loop import put
from ftjax.train.state import init_state, shard_state
from ftjax.train.step import batch_sharding, compile_step, make_loss


def main(
  model: str, data: str, mode: str, dtype: str, batch: int, length: int, steps: int, began: float,
  seconds: float = 60.0, cache: str = "", remat: str = "",
) -> dict[str, float]:  # fmt: skip
  """Medians of `steps` updates after two that do not count. model, data: a folder and a file of
  token rows. cache: a folder that keeps compiled programs. remat: as train.remat; "" = "block" in
  bfloat16 on a CPU, where it is faster to compute activations again than to stack them, else "none"."""
  if cache:
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  checkpoint = hf.open_checkpoint(model)
  mesh, config = make_mesh(), checkpoint.config
  rows, bins, batches = _batches(data, batch, length, config)
  state, places, tx, schedule = _state(checkpoint, mode, mesh)
  remat = remat or ("block" if bf16.applies(jnp.dtype(dtype)) else "none")
  loss = make_loss(decoder.Decoder(config, dtype=jnp.dtype(dtype), remat=remat))
  step = compile_step(mesh, places, loss, tx, schedule)
  sharding = batch_sharding(mesh)
  places_taken = loader.width(rows, bins, length)
  shape = jax.ShapeDtypeStruct((1, batch, places_taken), jnp.int32, sharding=sharding)
  shapes = Batch(*(shape,) * 5)._replace(weights=shape.update(dtype=jnp.float32))
  compiling = time.perf_counter()
  compiled = step.compile(state, shapes)
  compile_seconds = time.perf_counter() - compiling
  sums, first = [], []

  def one() -> None:
    nonlocal state
    state, new = compiled(state, put(next(batches).batch, sharding))
    sums.append(jax.device_get(new))
    first.append(time.time() - began)

  times = timed(one, steps, seconds)
  step_seconds = float(np.median(times))
  counted = sums[-len(times) :]
  tokens = float(np.mean([s.tokens for s in counted]))
  trained = float(np.mean([s.weight for s in counted]))
  lengths = np.concatenate([rows.places_taken[list(b)] for b in bins]).astype(float)
  span = float((lengths**2).sum() / lengths.sum())
  needed = flops.training(config, span, frozen=mode == "lora").step(tokens, trained)
  gemm = gemm_peak(jnp.dtype(dtype))
  return {
    "step_seconds": step_seconds,
    "tokens_per_second": tokens / step_seconds,
    "supervised_tokens_per_second": trained / step_seconds,
    **_memory(),
    "compile_seconds": compile_seconds,
    "first_step_seconds": first[0],
    "mfu": needed / step_seconds / (peak_flops() or gemm) / mesh.size,
    "share_of_gemm_peak": needed / step_seconds / gemm / mesh.size,
    "gemm_peak_flops": gemm,
    "parameters": tree.count(state.trainable) + tree.count(state.frozen),
    "steps": len(times),
    "loss": float(counted[-1].nll / counted[-1].weight),
  }


def _batches(data: str, batch: int, length: int, config):
  """(rows, bins, an endless iterator of batches) as ftjax.finetuning makes them."""
  d = get_config().data
  d.update(train=data, format="tokens", max_length=length, validation_fraction=0.0)
  found = loader.load(
    d.to_dict(), None, model_max_length=config.max_length, vocab_size=config.vocabulary
  )
  bins = loader.bins(found.train, found.max_length, pack=True)
  batches = loader.batches(
    found.train, bins, batch_size=batch, accumulate=1, max_length=found.max_length, seed=0
  )
  return found.train, bins, batches


def _state(checkpoint: hf.Checkpoint, mode: str, mesh):
  """(state, its places, optimizer, schedule)."""
  config, place = checkpoint.config, functools.partial(rules.shardings, mesh=mesh)
  base = jax.device_put(hf.read(checkpoint, jnp.float32), None)
  trainable, frozen = base, {}
  if mode == "lora":
    targets = lora.choose(config, checkpoint.table, "all-linear")
    adapter = lora.init(jax.random.key(1), config, targets, rank=16, alpha=32.0)
    trainable, frozen = {"lora": adapter["lora"]}, base | {"lora_scale": adapter["lora_scale"]}
  trainable, frozen = (jax.device_put(v, place(v)) for v in (trainable, frozen))
  schedule = optim.make_schedule("linear", 2e-5, warmup=10, total=1000)
  tx = optim.make_optimizer("adamw", schedule)
  places = shard_state(trainable, frozen, tx, place, mesh)
  return init_state(trainable, frozen, tx, 0, places), places, tx, schedule


def _memory() -> dict[str, float]:
  stats = jax.devices()[0].memory_stats()
  if stats and "peak_bytes_in_use" in stats:
    return {"peak_device_bytes": stats["peak_bytes_in_use"]}
  return {"peak_rss_bytes": peak_rss()}


def gemm_peak(dtype, size: int = 0) -> float:
  """FLOP/s of the best of some square matrix products in this process."""
  size = size or (2048 if jax.default_backend() == "cpu" else 8192)
  a = jnp.ones((size, size), dtype)
  product = jax.jit(lambda x: jnp.matmul(x, x, preferred_element_type=jnp.float32))
  product(a).block_until_ready()
  best, began = float("inf"), time.perf_counter()
  for _ in range(8):
    at = time.perf_counter()
    product(a).block_until_ready()
    best = min(best, time.perf_counter() - at)
    if time.perf_counter() - began > 10:  # bfloat16 on a CPU without it
      break
  return 2 * size**3 / best


if __name__ == "__main__":
  program(main)
