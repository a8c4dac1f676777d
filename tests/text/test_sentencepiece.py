"""Folders that have sentencepiece's tokenizer.model and nothing else for it, as Meta ships Llama."""

import json

import pytest

from ftjax.text.tokenizer import encode_prompt, lead_ids, load_tokenizer, save_tokenizer

TEXTS = ("the old mill", " two  spaces", "a fish\nsells bread", "zqé 7", "")
LINES = [
  "the old mill is by the river", "a fish swims in the cold water", "we sell fresh bread daily",
  "hello world of small models",
]  # fmt: skip


@pytest.fixture(scope="module", params=["bare", "with params.json", "with config.json"])
def folder(request, tmp_path_factory):
  import sentencepiece

  to = tmp_path_factory.mktemp("meta")
  (to / "lines.txt").write_text("\n".join(LINES * 20))
  sentencepiece.SentencePieceTrainer.train(
    input=str(to / "lines.txt"), model_prefix=str(to / "tokenizer"), vocab_size=340,
    model_type="bpe", byte_fallback=True, character_coverage=1.0, minloglevel=2, bos_id=1, eos_id=2,
    unk_id=0, pad_id=-1, normalization_rule_name="identity", remove_extra_whitespaces=False,
  )  # fmt: skip
  (to / "lines.txt").unlink()
  (to / "tokenizer.vocab").unlink()
  if request.param == "with params.json":
    (to / "params.json").write_text(json.dumps({"dim": 32}))
  if request.param == "with config.json":
    (to / "config.json").write_text(json.dumps({"model_type": "llama"}))
  return to


def test_ids_and_bos_are_those_of_sentencepiece_and_transformers(folder, tmp_path):
  import sentencepiece
  import transformers

  tok, own = (
    load_tokenizer(folder),
    sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model")),
  )
  theirs = transformers.LlamaTokenizer.from_pretrained(str(folder), add_bos_token=True)
  assert (tok.bos_token_id, tok.eos_token_id, lead_ids(tok)) == (1, 2, [1])
  save_tokenizer(tok, tmp_path / "out")
  again = load_tokenizer(tmp_path / "out")
  for text in TEXTS:
    expected = own.encode(text, add_bos=True)
    assert tok(text).input_ids == again(text).input_ids == expected, text
    if text:
      assert encode_prompt(tok, text) == expected
    if not text.startswith(
      " "
    ):  # LlamaTokenizer gives the words after a first space no second one.
      assert theirs(text).input_ids == expected, text


def test_a_model_without_bos_gets_none(tmp_path):
  import sentencepiece

  (tmp_path / "lines.txt").write_text("\n".join(LINES * 20))
  sentencepiece.SentencePieceTrainer.train(
    input=str(tmp_path / "lines.txt"), model_prefix=str(tmp_path / "tokenizer"), vocab_size=80,
    model_type="bpe", character_coverage=1.0, minloglevel=2, bos_id=-1, pad_id=-1, unk_id=0, eos_id=1,
  )  # fmt: skip
  assert lead_ids(load_tokenizer(tmp_path)) == []
