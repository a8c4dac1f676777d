"""Checkpoints as they were published, by other versions of transformers: their fields, buffers and
names of tensors."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.tensors import SINGLE
from tests.models.reference import ours, rows

_MASK, _LOW = np.tril(np.ones((1, 1, 128, 128), bool)), np.asarray(-1e9, np.float32)
_YARN = dict(
  rope_type="yarn", factor=4.0, original_max_position_embeddings=32, truncate=False
)  # fmt: skip


def _tied_head(embedding):
  return lambda t: {"lm_head.weight": t[embedding]}


def _buffers(attention, **more):
  return lambda t: {
    f"{attention}.{k}": v for k, v in (dict(bias=_MASK, masked_bias=_LOW) | more).items()
  }


# variant: (fields added, fields that are not there, tensors added)
PUBLISHED = {
  "falcon": (
    dict(apply_residual_connection_post_layernorm=False),
    "max_position_embeddings rope_parameters num_ln_in_parallel_attn ffn_hidden_size activation"
    " num_kv_heads tie_word_embeddings",
    _tied_head("transformer.word_embeddings.weight"),
  ),
  "falcon, two norms": (
    dict(ff_factor=4, rope_theta=10_000.0, rope_scaling=None), "rope_parameters ffn_hidden_size", None
  ),
  "falcon, alibi": (dict(apply_residual_connection_post_layernorm=False), "rope_parameters", None),
  "gpt_neox": (
    dict(rotary_pct=0.7, rotary_emb_base=10_000), "rope_parameters attention_bias is_decoder",
    _buffers("gpt_neox.layers.1.attention", **{"rotary_emb.inv_freq": np.ones(2, np.float32)}),
  ),
  "gpt_neo": (
    dict(gradient_checkpointing=False, summary_use_proj=True, embed_dropout=0), "attention_layers",
    _buffers("transformer.h.0.attn.attention"),
  ),
  "opt": (
    dict(activation_dropout=0.0, output_projection=True, prefix="</s>"),
    "enable_bias layer_norm_elementwise_affine _remove_final_layer_norm tie_word_embeddings",
    _tied_head("model.decoder.embed_tokens.weight"),
  ),
  "opt, norms after sums": (
    {}, "enable_bias layer_norm_elementwise_affine", _tied_head("model.decoder.embed_tokens.weight")
  ),
  "phi": (dict(partial_rotary_factor=0.7, rope_theta=10_000.0), "rope_parameters", None),
  "starcoder2": (
    dict(rope_theta=10_000.0, mlp_type="default", norm_type="layer_norm", scale_attn_weights=True,
         attention_softmax_in_fp32=True, activation_function="gelu"),
    "rope_parameters", None,
  ),
  "mixtral": (dict(rope_theta=1e6), "rope_parameters router_jitter_noise head_dim", None),
  "qwen3_moe": (
    dict(num_experts=5, rope_theta=10_000.0, max_window_layers=3, rope_scaling=None),
    "num_local_experts rope_parameters", None,
  ),
  "gpt_oss": (
    dict(rope_scaling=_YARN, rope_theta=150.0, experts_per_token=2, initial_context_length=32),
    "rope_parameters swiglu_alpha swiglu_limit", None,
  ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_published_is_the_same_model(variant, tmp_path, name):
  fields, absent, tensors = PUBLISHED[name]
  folder = shutil.copytree(variant(name), tmp_path / "published")
  config = json.loads((folder / "config.json").read_text())
  config = {k: v for k, v in config.items() if k not in absent.split()} | fields
  (folder / "config.json").write_text(json.dumps(config))
  if tensors:
    stored = safetensors.numpy.load_file(folder / SINGLE)
    safetensors.numpy.save_file(stored | tensors(stored), folder / SINGLE)
  found, expected = (hf.open_checkpoint(f) for f in (folder, variant(name)))
  unlimited = {"max_length": 0}
  assert found.config.with_(**unlimited) == expected.config.with_(**unlimited)
  assert found.table == expected.table


def test_opt_without_its_prefix(variant, tmp_path):
  """As OPT's checkpoints name their tensors: those of the model without a head."""
  folder = shutil.copytree(variant("opt"), tmp_path / "published")
  stored = safetensors.numpy.load_file(folder / SINGLE)
  bare = {k.removeprefix("model."): v for k, v in stored.items()}
  assert bare.keys() != stored.keys()
  safetensors.numpy.save_file(bare, folder / SINGLE)
  assert np.array_equal(ours(folder, rows()), ours(variant("opt"), rows()))


REFUSED = {
  "router_jitter_noise=0.1.*only 0.0": ("mixtral", dict(router_jitter_noise=0.1)),
  r"mlp_only_layers=\[1\]": ("qwen3_moe", dict(mlp_only_layers=[1])),
  "decoder_sparse_step=2": ("qwen3_moe", dict(decoder_sparse_step=2)),
  "layer_norm_elementwise_affine=False": ("opt", dict(layer_norm_elementwise_affine=False)),
  "qk_layernorm=True": ("phi", dict(qk_layernorm=True)),
  "num_ln_in_parallel_attn=2.*only 1": ("falcon", dict(num_ln_in_parallel_attn=2)),
  "num_ln_in_parallel_attn=3.*only 2": ("falcon, two norms", dict(num_ln_in_parallel_attn=3)),
  "apply_residual_connection_post_layernorm=True": (
    "falcon", dict(apply_residual_connection_post_layernorm=True),
  ),
  "quantization_config=": ("gpt_oss", dict(quantization_config=dict(quant_method="gptq"))),
  "hidden_act='gelu'": ("gpt_oss", dict(hidden_act="gelu")),
  "attention_types has 'strided'; ftjax has global and local": (
    "gpt_neo", dict(attention_layers=["global", "strided"]),
  ),
  "norm_type='rms_norm'": ("starcoder2", dict(norm_type="rms_norm")),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_fields_that_change_the_mathematics_are_refused(variant, message):
  name, fields = REFUSED[message]
  read = hf.read_config(variant(name)) | fields
  with pytest.raises(InputError, match=message):
    hf.load_family(read).config(read)
