"""Tokenizers small enough to reason about: one token a byte, and the special tokens that a test
asks for."""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

CHATML = (
  "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(template=None, *, bos="<s>", eos="</s>", adds_bos=True, adds_eos=False):
  """Byte-level; pad is eos, as in most fine-tunes of models that have no padding token."""
  special = [t for t in dict.fromkeys([bos, eos, "<|im_start|>", "<|im_end|>"]) if t]
  alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
  tok = Tokenizer(models.BPE({t: i for i, t in enumerate([*special, *alphabet])}, []))
  tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
  tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
  tok.decoder = decoders.ByteLevel()
  if adds_bos or adds_eos:
    single = [bos] * adds_bos + ["$A"] + [eos] * adds_eos
    ids = [(t, tok.token_to_id(t)) for t in special]
    tok.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)
  names = {"bos_token": bos, "eos_token": eos, "pad_token": eos}
  fast = PreTrainedTokenizerFast(tokenizer_object=tok, **{k: v for k, v in names.items() if v})
  fast.chat_template = template
  return fast


@pytest.fixture(scope="session")
def tiny():
  """The function `make` above."""
  return make


@pytest.fixture(scope="session")
def chatml():
  """A ChatML template, as Qwen and many others use."""
  return CHATML
