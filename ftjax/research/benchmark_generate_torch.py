"""The side of transformers' `generate` in the generation benchmark."""

import time

from ftjax.research.benchmark import program, timed
from ftjax.research.benchmark_generate import prompts, summary


def main(
  model: str, dtype: str, batch: int, length: int, new: int, vocabulary: int, steps: int,
  began: float, seconds: float = 60.0, cache: str = "",
) -> dict[str, float]:  # fmt: skip
  del cache
  import torch
  from transformers import AutoModelForCausalLM

  net = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
  ids, first = torch.tensor(prompts(batch, length, vocabulary)), []

  def one() -> None:
    with torch.inference_mode():
      out = net.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new,
        do_sample=False, pad_token_id=0,
      )  # fmt: skip
    assert out.shape == (batch, length + new)
    first.append(time.time() - began)

  return summary(timed(one, steps, seconds, warmup=1), batch, new, first[0])


if __name__ == "__main__":
  program(main)
