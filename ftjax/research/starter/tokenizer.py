"""Learns the starter model's vocabulary: byte-level BPE, so that no text is ever out of it."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"


def train_tokenizer(
  texts: Iterable[str], vocab_size: int = 2048, folder: str | None = None
) -> PreTrainedTokenizerFast:
  """A tokenizer of at most `vocab_size` entries, saved in HF format where a folder is given.

  The 256 bytes are always entries, whatever the texts hold. Digits stand alone, so that a price
  is copied figure by figure and a new one is no harder than an old one. Encoding puts
  `<|begin|>` in front and nothing behind: a text to be continued has no end, and a trainer that
  wants `<|end|>` learnt puts it there itself.
  """
  bpe = Tokenizer(models.BPE())
  bpe.pre_tokenizer = pre_tokenizers.Sequence(
    [
      pre_tokenizers.Digits(individual_digits=True),
      pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
  )
  bpe.decoder = decoders.ByteLevel()
  trainer = trainers.BpeTrainer(
    vocab_size=vocab_size,
    special_tokens=[BEGIN, END, PAD],
    initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    show_progress=False,
  )
  bpe.train_from_iterator(texts, trainer)
  bpe.post_processor = processors.TemplateProcessing(
    single=f"{BEGIN} $A",
    pair=f"{BEGIN} $A $B:1",
    special_tokens=[(BEGIN, bpe.token_to_id(BEGIN))],
  )
  tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=bpe,
    bos_token=BEGIN,
    eos_token=END,
    pad_token=PAD,
    clean_up_tokenization_spaces=False,
  )
  if folder is not None:
    tokenizer.save_pretrained(folder)
  return tokenizer
