"""The checkpoint's tokenizer: what it puts before a text, where generation stops, saving."""

import shutil

import pytest
from tokenizers import normalizers

from ftjax.config import InputError
from ftjax.text.tokenizer import (
  add_tokens,
  bos_id,
  encode_prompt,
  lead_ids,
  load_tokenizer,
  same_ids,
  save_tokenizer,
  stop_ids,
)


def test_a_folder_without_tokenizer_files_has_none(tmp_path):
  (tmp_path / "config.json").write_text("{}")
  assert load_tokenizer(tmp_path) is None


def test_an_unreadable_tokenizer_names_its_folder(tmp_path):
  (tmp_path / "tokenizer.json").write_text("{")
  with pytest.raises(InputError, match=f"{tmp_path} cannot be read"):
    load_tokenizer(tmp_path)


def test_saving_keeps_the_ids_and_the_chat_template(tmp_path, tiny, chatml):
  tok = tiny(chatml)
  save_tokenizer(tok, tmp_path)
  again = load_tokenizer(tmp_path)
  assert again.chat_template == chatml
  assert again("héllo").input_ids == tok("héllo").input_ids
  assert (again.bos_token, again.eos_token, again.pad_token) == ("<s>", "</s>", "</s>")


def test_a_prompt_begins_with_one_bos_and_does_not_end_in_eos(tiny):
  for tok in (tiny(), tiny(adds_eos=True)):
    bos, text = bos_id(tok), tok("ab", add_special_tokens=False).input_ids
    assert lead_ids(tok) == [bos]
    assert encode_prompt(tok, "ab") == [bos, *text]
    assert encode_prompt(tok, "<s>ab") == [bos, *text]
    assert encode_prompt(tok, "") == encode_prompt(tok, "<s>") == [bos]


def test_a_prompt_has_no_bos_where_the_tokenizer_adds_none(tiny):
  tok = tiny(adds_bos=False)
  assert encode_prompt(tok, "ab") == tok("ab", add_special_tokens=False).input_ids
  assert encode_prompt(tok, "") == [tok.bos_token_id]


def test_an_empty_prompt_starts_from_eos_where_there_is_no_bos_and_else_is_an_error(tiny):
  tok = tiny(bos=None, adds_bos=False)
  assert encode_prompt(tok, "") == [tok.eos_token_id]
  with pytest.raises(InputError, match="needs a BOS or EOS token"):
    encode_prompt(tiny(bos=None, eos=None, adds_bos=False), "")


def test_stops_are_those_of_the_tokenizer_and_of_the_generation_config(tiny):
  tok = tiny()
  eos = tok.eos_token_id
  assert stop_ids(tok, None) == (eos,)
  assert stop_ids(tok, {"eos_token_id": 77}) == (eos, 77)
  assert stop_ids(tok, {"eos_token_id": [77, eos]}) == (eos, 77)
  assert stop_ids(None, {"eos_token_id": 0}) == (0,)
  assert stop_ids(None, None) == ()


def test_the_real_one_starts_from_bos_alone(shared, tmp_path):
  folder = shared / "models" / "stories260K"
  tok = load_tokenizer(folder)
  assert encode_prompt(tok, "") == [1]
  shutil.copy(folder / "tokenizer.json", tmp_path)  # The one file that cannot be done without.
  assert load_tokenizer(tmp_path)("Once upon").input_ids == tok("Once upon").input_ids


def test_ids_are_the_same_where_vocabulary_and_texts_say_so(tiny, chatml):
  one, more, other = tiny(), tiny(chatml), tiny(bos="<bos>")
  add_tokens(more, "<brand>, <cta>")
  assert same_ids(one, tiny(), ["a text"])
  assert same_ids(more, one, ["a text", "of <brand>"])  # the base has fewer tokens
  assert not same_ids(one, more, [])  # it has tokens that the tuned one lacks
  assert not same_ids(one, other, [])
  assert same_ids(None, one, ["a"]) and same_ids(one, None, ["a"])
  upper = tiny()
  upper.backend_tokenizer.normalizer = normalizers.Lowercase()
  assert not same_ids(one, upper, ["Text"]) and same_ids(one, upper, ["a"])
