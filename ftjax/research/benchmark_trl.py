"""TRL's side of the training benchmark, with PEFT for LoRA."""

import json
import tempfile
import time

import numpy as np

from ftjax.research.benchmark import peak_rss, program


def main(
  model: str, data: str, mode: str, dtype: str, batch: int, length: int, steps: int, began: float,
  seconds: float = 60.0, packing: bool = False, checkpointing: bool = False,
  cache: str = "",
) -> dict[str, float]:  # fmt: skip
  """SFTTrainer over the same rows, padded to the batch's longest, or packed.

  bfloat16 is autocast over float32 weights, as in our side. checkpointing: of gradients, which
  SFTConfig has on by default (as it has bfloat16), and which costs speed where memory is not short.
  Attention is flash-attn's where it is installed, else torch's own.
  """
  del cache
  import datasets
  import torch
  import trl
  from tokenizers import Tokenizer, models
  from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
  from transformers.utils import is_flash_attn_2_available

  attention = "flash_attention_2" if is_flash_attn_2_available() else "sdpa"
  net = AutoModelForCausalLM.from_pretrained(
    model, dtype=torch.float32, attn_implementation=attention
  )
  with open(data, encoding="utf-8") as f:
    rows = [json.loads(line) for line in f]
  cut = [{k: v[:length] for k, v in row.items()} for row in rows]
  while len(cut) < (steps + 2) * batch * (8 if packing else 1):
    cut += cut
  tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1}, "<pad>")),
    pad_token="<pad>",
    eos_token="</s>",
  )
  times, tokens, trained, first = [], [], [], []

  class Clock(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
      times.append(time.perf_counter())
      first.append(time.time() - began)
      counted = np.diff(times)[1:]
      if len(counted) > 1 and counted.sum() + counted[-1] > seconds:
        control.should_training_stop = True

  adapter = None
  if mode == "lora":
    import peft

    adapter = peft.LoraConfig(
      r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
    )
  with tempfile.TemporaryDirectory() as output:
    settings = trl.SFTConfig(
      output_dir=output, per_device_train_batch_size=batch, max_steps=steps + 2, learning_rate=2e-5, warmup_steps=10,
      lr_scheduler_type="linear", bf16=dtype == "bfloat16", gradient_checkpointing=checkpointing, max_length=length,
      use_cpu=not torch.cuda.is_available(), save_strategy="no", report_to="none", logging_steps=1000, disable_tqdm=True,
      packing=packing,
    )  # fmt: skip
    trainer = trl.SFTTrainer(
      net, settings, train_dataset=datasets.Dataset.from_list(cut), processing_class=tokenizer,
      peft_config=adapter, callbacks=[Clock()],
    )  # fmt: skip
    collate = trainer.data_collator

    def counting(examples):
      made = collate(examples)
      trained.append(int((made["labels"][..., 1:] != -100).sum()))
      tokens.append(sum(len(e["input_ids"]) for e in examples))
      return made

    trainer.data_collator = counting
    trainer.train()
  step_seconds = float(np.median(np.diff(times)[1:]))
  cuda = torch.cuda.is_available()
  memory = (
    {"peak_device_bytes": torch.cuda.max_memory_allocated()}
    if cuda
    else {"peak_rss_bytes": peak_rss()}
  )
  last = slice(2, len(times))
  return {
    "step_seconds": step_seconds,
    "tokens_per_second": float(np.mean(tokens[last])) / step_seconds,
    "supervised_tokens_per_second": float(np.mean(trained[last])) / step_seconds,
    **memory,
    "first_step_seconds": first[0],
    "steps": len(times) - 2,
  }


if __name__ == "__main__":
  program(main)
