"""Steps compiled for TPUs that are not here, where libtpu is installed (the extra `plan`)."""

import importlib.util
import json

import pytest

from configs import lora, sft
from ftjax import planning

pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs libtpu: pip install -e '.[plan]'"
  ),
]
SMALL = {
  "model_type": "mixtral", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 1024,
  "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "hidden_act": "silu",
  "sliding_window": 128, "num_local_experts": 4, "num_experts_per_tok": 2,
  "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.parametrize(
  "topology, make, changes",
  [
    # libtpu 0.0.42.1 crashes on this mixture for one chip with remat=block and with offload.
    ("v5e:1x1", lora, {"train.batch_size": 2}),
    ("v5e:2x2", lora, {"mesh.fsdp": 4, "train.remat": "offload", "train.batch_size": 4}),
    ("v5e:2x2", sft, {"mesh.fsdp": 2, "mesh.tensor": 2, "train.remat": "block"}),
    ("v6e:2x2", sft, {"mesh.sequence": 2, "mesh.expert": 2, "train.remat": "dots"}),
    ("v5p:2x2x1", lora, {"mesh.fsdp": 4, "model.attention": "xla"}),
  ],
)
def test_every_axis_policy_and_kernel_compiles(tmp_path, topology, make, changes):
  (tmp_path / "config.json").write_text(json.dumps(SMALL))
  c = make.get_config()
  c.model.source, c.model.dtype, c.data.max_length = str(tmp_path), "bfloat16", 512
  c.adapter.rank = 4
  c.update_from_flattened_dict({"mesh.data": 1} | changes)
  found = planning.plan(c, topology)
  assert found.fits and found.compiled and found.peak_bytes_per_chip > found.trained_bytes
  assert found.estimated.least <= found.estimated.most
  if found.devices > 1:
    assert sum(x.bytes for x in found.collectives.values())
  assert bool(found.host_bytes) == (c.train.remat == "offload")


def test_a_step_that_is_too_large_is_a_plan_that_does_not_fit():
  c = sft.get_config()
  c.update_from_flattened_dict({"model.source": "llama-3.1-8b", "train.batch_size": 1})
  found = planning.plan(c, "v5e:1x1")
  assert not found.fits and found.advice and "RESOURCE_EXHAUSTED" in found.said
