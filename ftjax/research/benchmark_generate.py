"""Our side of the generation benchmark: greedy, random prompts, no stop."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.generate.generator import Generator
from ftjax.models import hf
from ftjax.research.benchmark import peak_rss, program, timed


def prompts(batch: int, length: int, vocabulary: int) -> list[list[int]]:
  """Random prompts, the same for every side."""
  return np.random.default_rng(0).integers(2, vocabulary, (batch, length)).tolist()


def summary(times: list[float], batch: int, new: int, first: float) -> dict[str, float]:
  """The numbers of a side from the seconds of whole batches; the best counts, as they all do the
  same."""
  best = min(times)
  return {
    "step_seconds": best / new,
    "tokens_per_second": batch * new / best,
    "peak_rss_bytes": peak_rss(),
    "first_step_seconds": first,
    "steps": len(times),
  }


def main(
  model: str, dtype: str, batch: int, length: int, new: int, vocabulary: int, steps: int,
  began: float, seconds: float = 60.0, cache: str = "",
) -> dict[str, float]:  # fmt: skip
  if cache:
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  checkpoint = hf.open_checkpoint(model)
  parameters = hf.read(checkpoint, jnp.dtype(dtype))
  generator = Generator(checkpoint.config, parameters, dtype=jnp.dtype(dtype), release=True)
  given, first = prompts(batch, length, vocabulary), []

  def one() -> None:
    done = generator.generate(given, max_new_tokens=new, batch_size=batch)
    assert all(len(c.ids) == new for c in done)
    first.append(time.time() - began)

  return summary(timed(one, steps, seconds, warmup=1), batch, new, first[0])


if __name__ == "__main__":
  program(main)
