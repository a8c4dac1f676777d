"""TRL's side of the benchmark: python -m ftjax.research.benchmark_trl FOLDER OPTIONS prints one
line of JSON."""

import json
import resource
import sys
import tempfile
import time

import numpy as np


def main(folder: str, mode: str, dtype: str, batch: int, length: int, steps: int) -> dict:
  began = time.perf_counter()
  import datasets
  import torch
  import trl
  from tokenizers import Tokenizer, models
  from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback

  model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
  ids = np.random.default_rng(0).integers(0, model.config.vocab_size, (batch, length)).tolist()
  data = datasets.Dataset.from_dict({"input_ids": ids * (steps + 2), "labels": ids * (steps + 2)})
  tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1}, "<pad>")),
    pad_token="<pad>",
    eos_token="</s>",
  )
  times = []

  class Clock(TrainerCallback):
    def on_step_end(self, *args, **kwargs):
      times.append(time.perf_counter())

  adapter = None
  if mode == "lora":
    import peft

    adapter = peft.LoraConfig(
      r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
    )
  with tempfile.TemporaryDirectory() as output:
    settings = trl.SFTConfig(
      output_dir=output, per_device_train_batch_size=batch, max_steps=steps + 2, learning_rate=2e-5, warmup_steps=10,
      lr_scheduler_type="linear", bf16=dtype == "bfloat16", gradient_checkpointing=False, max_length=length,
      use_cpu=not torch.cuda.is_available(), save_strategy="no", report_to="none", logging_steps=1000, disable_tqdm=True,
      dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    trainer = trl.SFTTrainer(
      model,
      settings,
      train_dataset=data,
      processing_class=tokenizer,
      peft_config=adapter,
      callbacks=[Clock()],
    )
    trainer.train()
  step_seconds = float(np.median(np.diff(times)[1:]))
  return {
    "step_seconds": step_seconds,
    "tokens_per_second": batch * length / step_seconds,
    "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "first_step_seconds": times[0] - began,
  }


if __name__ == "__main__":
  print(json.dumps(main(sys.argv[1], **json.loads(sys.argv[2]))))
