"""What cannot be trained, merged or added as an adapter is refused, with the reason."""

import pytest

from ftjax import planning
from ftjax.config import InputError
from ftjax.defaults import get_config
from ftjax.models import lora
from ftjax.models.adapters import starting
from tests.models.adapters import with_adapter
from tests.models.test_kinds import fresh

REFUSED = {
  "adapter.patterns: 'q_proj' is not of the form": dict(patterns="q_proj"),
  "adapter.patterns: 'k_porj' matches none of the layers": dict(patterns="k_porj: rank 2"),
  "adapter.patterns: rank=99 is above the size of model.layers.0.self_attn.q_proj": dict(
    patterns="q_proj: rank 99"
  ),
  "adapter.rank=33 is above the size of": dict(rank=33),
  "adapter.targets: 'q_porj' matches no linear layer": dict(targets="q_porj"),
  "adapter.init must be one of|adapter.init=": dict(init="pisa"),
  "adapter.init=pissa with adapter.dora=True": dict(init="pissa", dora=True),
  "adapter.dropout is for low-rank pairs, and adapter.kind=ia3 has none": dict(
    kind="ia3", dropout=0.1
  ),
  "adapter.tokens": dict(kind="prompt", tokens=0),
  "no vectors for model.embed_tokens": dict(kind="ia3", targets="embed_tokens"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_trained_is_refused(variant, message):
  with pytest.raises(InputError, match=message):
    fresh(variant("llama"), **(dict(kind="lora") | REFUSED[message]))


@pytest.mark.parametrize(
  "keys, message",
  [
    ({"rank": 8}, r"adapter.rank=8 .*Add --config.adapter.kind=lora, or leave adapter.rank out"),
    ({"targets": "q_proj"}, "adapter.targets='q_proj' with adapter.kind=none"),
    ({"dora": True}, "adapter.dora=True with adapter.kind=none"),
    ({"source": "somebody/adapter"}, "adapter.source='somebody/adapter' .*kind=lora"),
    (
      {"source": "{}", "rank": 8},
      "adapter.source=.*: all parameters of the base would .*kind=prompt",
    ),
  ],
)
def test_keys_of_an_adapter_where_there_is_none_are_refused(tmp_path, keys, message):
  """By planning as by training; the kind that is named is the folder's own."""
  (tmp_path / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING"}')
  config = get_config()
  config.adapter.update({k: v.format(tmp_path) if k == "source" else v for k, v in keys.items()})
  for refuse in (lambda: starting.check(config.adapter), lambda: planning.described(config)):
    with pytest.raises(InputError, match=message):
      refuse()


def test_what_cannot_be_merged_or_added_is_refused(variant, tmp_path):
  base = variant("llama")
  c, variables = fresh(base, "prompt")
  with pytest.raises(InputError, match="prompt tuning.*cannot be merged"):
    lora.merge(variables)
  lora.write(tmp_path / "a", variables, c.config, c.table, base=str(base))
  with pytest.raises(InputError, match="Only plain low-rank pairs can be added"):
    with_adapter(base, f"{tmp_path / 'a'}@0.5")
  with pytest.raises(InputError, match="neither a folder nor FOLDER@WEIGHT"):
    lora.open_folder(f"{tmp_path / 'a'}@half")
  with pytest.raises(InputError, match="is of adapter.kind=prompt, not lora"):
    lora.check_kind("lora", {k: x for k, x in variables.items() if k != "params"}, "a")
  with pytest.raises(InputError, match="is for another base: prompt_embeddings is"):
    with_adapter(variant("qwen2"), tmp_path / "a")
