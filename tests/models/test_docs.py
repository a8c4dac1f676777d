"""docs/models.md and docs/adding_a_model.md say what is so."""

import re

import pytest

from ftjax.models import families, fields, hf
from tests.families import VARIANTS
from tests.models import models_page
from tests.models.reference import difference, ours, quiet, rows, theirs
from tests.tiny import torch_model

TEXT = models_page.PAGE.read_text(encoding="utf-8")


def test_the_table_is_that_of_the_families():
  assert TEXT == models_page.page(TEXT), "run: python -m tests.models.models_page"


def test_every_variant_is_of_a_family_and_named_after_it():
  for name, v in VARIANTS.items():
    assert name.partition(", ")[0] == v.kind and hf.load_family({"model_type": v.kind})


def test_aliases_and_scalings_are_named():
  for alias, kind in families.ALIASES.items():
    assert f"`{alias}` is read as `{kind}`" in TEXT
  (scalings,) = re.findall(r"\*\*Rope scalings\*\*: (.*?), as", TEXT, re.DOTALL)
  assert re.findall(r"`(\w+)`", scalings) == list(fields.SCALINGS)


def test_the_example_is_the_code_itself():
  root = models_page.PAGE.parents[1]
  text = (root / "docs" / "adding_a_model.md").read_text(encoding="utf-8")
  shown = re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", text, re.DOTALL)
  assert [path for path, _ in shown] == ["ftjax/models/families/cohere2.py", "tests/families.py"]
  for path, code in shown:
    assert code in (root / path).read_text(encoding="utf-8"), path


@pytest.mark.filterwarnings("ignore")
def test_the_language_model_of_gemma3_is_saved_alone_as_shown(tmp_path, monkeypatch):
  """The page's own code, on a tiny model that reads images."""
  import torch
  from transformers import Gemma3Config, Gemma3ForConditionalGeneration

  torch.manual_seed(0)
  vision = dict(
    hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8,
    patch_size=4,
  )  # fmt: skip
  text = VARIANTS["gemma3_text"].fields | dict(vocab_size=97)
  config = Gemma3Config(
    text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=96,
    boi_token_index=95, eoi_token_index=94,
  )  # fmt: skip
  with quiet():
    Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path / "both")
    (code,) = re.findall(r"```python\n(.*?gemma-3-4b-text.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    code = re.sub(r"^  ", "", code, flags=re.MULTILINE)
    exec(code.replace("google/gemma-3-4b-it", str(tmp_path / "both")), {})
    alone, batch = tmp_path / "gemma-3-4b-text", rows()
    expected = theirs(torch_model(alone), batch)
  assert difference(ours(alone, batch), expected, batch) < 1e-4
