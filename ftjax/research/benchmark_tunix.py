"""Tunix's side of the training benchmark: its own Llama, of the same sizes and random weights, and
its own trainer; LoRA by qwix, as its examples have it. Run by an interpreter that has google-tunix
(tried: 0.1.7); nothing of ours but the rows is used."""

import json
import time

import numpy as np

from ftjax.research.benchmark import peak_rss, program

_LINEARS = ".*q_proj|.*kv_proj|.*k_proj|.*v_proj|.*o_proj|.*gate_proj|.*up_proj|.*down_proj"


def main(
  model: str, data: str, mode: str, dtype: str, batch: int, length: int, steps: int, began: float,
  seconds: float = 60.0, cache: str = "",
) -> dict[str, float]:  # fmt: skip
  import jax
  import jax.numpy as jnp
  import optax
  from flax import nnx
  from tunix.models.llama3 import model as llama
  from tunix.sft import peft_trainer, utils

  if dtype != "float32":
    raise SystemExit("Tunix is compared in float32: --dtype=float32.")
  if cache:
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  with open(f"{model}/config.json", encoding="utf-8") as f:
    hf = json.load(f)
  config = llama.ModelConfig(
    num_layers=hf["num_hidden_layers"], vocab_size=hf["vocab_size"], embed_dim=hf["hidden_size"],
    hidden_dim=hf["intermediate_size"], num_heads=hf["num_attention_heads"], head_dim=hf["head_dim"],
    num_kv_heads=hf["num_key_value_heads"], rope_theta=10000, norm_eps=hf["rms_norm_eps"],
  )  # fmt: skip
  batches = list(_batches(data, batch, length))
  times, first = [], []
  mesh = jax.make_mesh(
    (1, 1), ("fsdp", "tp"), axis_types=(jax.sharding.AxisType.Auto,) * 2, devices=jax.devices()[:1]
  )
  with jax.set_mesh(mesh):
    net = llama.Llama3(config, rngs=nnx.Rngs(params=0))
    nnx.update(net, jax.tree.map(lambda x: x.astype(jnp.float32), nnx.state(net)))
    if mode == "lora":
      import qwix

      provider = qwix.LoraProvider(module_path=_LINEARS, rank=16, alpha=32.0)
      net = qwix.apply_lora_to_model(net, provider, **net.get_model_input(), rngs=nnx.Rngs(1))

    class Trainer(peft_trainer.PeftTrainer):
      def _train_step(self, *args):
        return super()._train_step(*args)

      def _post_process_train_step(self, aux):
        times.append(time.perf_counter())
        first.append(time.time() - began)

    def inputs():
      for i in range(steps + 2):
        if len(times) > 3 and sum(np.diff(times)[1:]) > seconds:
          return
        tokens, mask = batches[i % len(batches)]
        yield peft_trainer.TrainingInput(input_tokens=tokens, input_mask=mask)

    def model_input(x):
      real = x.input_tokens != 0
      return {
        "input_tokens": x.input_tokens, "input_mask": x.input_mask,
        "positions": utils.build_positions_from_mask(real),
        "attention_mask": utils.make_causal_attn_mask(real),
      }  # fmt: skip

    settings = peft_trainer.TrainingConfig(
      eval_every_n_steps=1000, max_steps=steps + 2, max_inflight_computations=1
    )
    trainer = Trainer(net, optax.adamw(2e-5), settings).with_gen_model_input_fn(model_input)
    trainer.train(inputs())
    jax.block_until_ready(nnx.state(net))
  step_seconds = float(np.median(np.diff(times)[1:]))
  tokens = float(np.mean([(t != 0).sum() for t, _ in batches]))
  trained = float(np.mean([m[:, 1:].sum() for _, m in batches]))
  return {
    "step_seconds": step_seconds,
    "tokens_per_second": tokens / step_seconds,
    "supervised_tokens_per_second": trained / step_seconds,
    "peak_rss_bytes": peak_rss(),
    "first_step_seconds": first[0],
    "steps": len(times) - 2,
  }


def _batches(data: str, batch: int, length: int):
  """(tokens, mask of what is trained) [batch, length]: a row of ours each, padded with 0."""
  with open(data, encoding="utf-8") as f:
    rows = [json.loads(line) for line in f]
  for at in range(0, len(rows) - batch + 1, batch):
    tokens, mask = np.zeros((2, batch, length), np.int32)
    for r, row in enumerate(rows[at : at + batch]):
      ids, labels = row["input_ids"][:length], np.array(row["labels"][:length])
      tokens[r, : len(ids)], mask[r, : len(ids)] = ids, labels != -100
    yield tokens, mask.astype(bool)


if __name__ == "__main__":
  program(main)
