"""A tokenizer of one token a byte, and rows as files."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ftjax.data.record import Record
from tests.data.prepared import HALF, N, document, near, prepare, write


@pytest.fixture(scope="session")
def tok():
  """Byte-level: "<s>" is 0 and "</s>" is 1, which is also the padding; a text has as many ids as
  bytes, and BOS."""
  special = ["<s>", "</s>"]
  alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
  raw = Tokenizer(models.BPE({t: i for i, t in enumerate([*special, *alphabet])}, []))
  raw.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
  raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
  raw.decoder = decoders.ByteLevel()
  raw.post_processor = processors.TemplateProcessing(
    single=["<s>", "$A"], special_tokens=[("<s>", 0)]
  )
  return PreTrainedTokenizerFast(
    tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="</s>"
  )


@pytest.fixture
def jsonl(tmp_path):
  """A function that writes rows to a JSON lines file and returns its path."""

  def write(rows, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    return str(path)

  return write


@pytest.fixture(scope="session")
def record():
  """A function that makes a record of its keyword arguments, at f.jsonl:3."""
  return lambda **fields: Record(fields, "f.jsonl:3")


@pytest.fixture(scope="session")
def source(tmp_path_factory):
  """60 documents, a near and an exact duplicate among them, and a line that is no JSON."""
  folder = tmp_path_factory.mktemp("source")
  docs = [document(i) for i in range(N)]
  path = write(folder / "docs.jsonl", [*docs, near(docs[3]), docs[5].upper()])
  with open(path, "a", encoding="utf-8") as f:
    f.write('{"text": \n')
  return path


@pytest.fixture(scope="session")
def version(source, tmp_path_factory):
  return prepare(source, tmp_path_factory.mktemp("out"), split__validation=0.2)


@pytest.fixture
def first(tmp_path):
  """A version of 40 documents; its source may be written anew."""
  docs = [document(i) for i in range(40)]
  write(tmp_path / "a.jsonl", docs)
  return prepare(tmp_path / "a.jsonl", tmp_path / "out", **HALF)
