"""The fields of config.json that families read, and what each may hold.

The bounds are far above every published model and far below what would take memory or time: a config
that names two billion layers is a mistake or an attack. A field that is not here cannot be read.
"""

from typing import Any

from ftjax.models.values import FLAG, MAPPING, TEXT, Kind, either, many, number, whole

COUNT = whole(1, 1024)  # layers, heads, experts: there are loops over them
SIZE = whole(1, 1 << 24)  # dims of tensors
LENGTH = whole(2, (1 << 31) - 1)  # positions
WINDOW = whole(0, (1 << 31) - 1)
SMALL = number(0, 1)  # epsilons, shares of a head
FACTOR = number(-1e6, 1e6)  # what activations are multiplied by
CAP = number(0, 1e6)
ABOVE = number(0, 1e12, above=True)  # bases and factors of ropes

# [[["global", "local"], 12]]: the kinds of some layers, and how often they come.
TURNS = Kind(
  "a list of pairs, each a list of names and a whole number from 1 to 1024",
  lambda x: isinstance(x, list) and len(x) <= 1024 and all(map(_turn, x)),
)


def _turn(pair: Any) -> bool:
  return (
    isinstance(pair, list) and len(pair) == 2 and _NAMES.holds(pair[0]) and COUNT.holds(pair[1])
  )


_NAMES = many(TEXT, 1024)
_FIELDS: dict[Kind, str] = {
  COUNT: """num_hidden_layers num_layers n_layer num_attention_heads num_heads n_head
    num_key_value_heads num_kv_heads num_local_experts num_experts num_experts_per_tok
    experts_per_token sliding_window_pattern _sliding_window_pattern no_rope_layer_interval
    num_ln_in_parallel_attn""",
  SIZE: """vocab_size hidden_size n_embed n_embd intermediate_size moe_intermediate_size ffn_dim
    ffn_hidden_size n_inner head_dim word_embed_proj_dim rotary_dim""",
  LENGTH: "max_position_embeddings n_positions original_max_position_embeddings",
  WINDOW: "sliding_window window_size max_window_layers",
  SMALL: """rms_norm_eps layer_norm_eps layer_norm_epsilon norm_epsilon rotary_pct
    partial_rotary_factor""",
  FACTOR: """attention_multiplier embedding_multiplier residual_multiplier logit_scale
    swiglu_alpha""",
  CAP: "swiglu_limit attn_logit_softcapping final_logit_softcapping",
  ABOVE: "rope_theta rope_local_base_freq rotary_emb_base logits_scaling query_pre_attn_scalar",
  FLAG: """attention_bias mlp_bias use_bias use_qkv_bias enable_bias bias alibi multi_query
    parallel_attn new_decoder_architecture use_parallel_residual do_layer_norm_before
    _remove_final_layer_norm use_qk_norm qk_layernorm use_sliding_window norm_topk_prob
    tie_word_embeddings""",
  TEXT: "hidden_act hidden_activation activation activation_function",
  many(TEXT): "layer_types attention_layers",
  many(either(FLAG, whole(0, 1))): "no_rope_layers",
  TURNS: "attention_types",
  MAPPING: "rope_parameters rope_scaling",
}
FIELDS: dict[str, Kind] = {name: kind for kind, names in _FIELDS.items() for name in names.split()}

# Of rope_parameters and rope_scaling.
_ROPE: dict[Kind, str] = {
  TEXT: "rope_type type",
  ABOVE: "rope_theta factor low_freq_factor high_freq_factor beta_fast beta_slow",
  number(0, 1e6): "attention_factor mscale mscale_all_dim",
  SMALL: "partial_rotary_factor",
  LENGTH: "original_max_position_embeddings",
  FLAG: "truncate",
  many(ABOVE): "short_factor long_factor",
  MAPPING: "full_attention sliding_attention",
}
ROPE: dict[str, Kind] = {name: kind for kind, names in _ROPE.items() for name in names.split()}

# Fields of config.json that do not change what the model computes when it is used as ftjax uses it.
NEUTRAL = frozenset(
  """architectures auto_map model_type torch_dtype dtype transformers_version _name_or_path
  _commit_hash use_cache cache_implementation bos_token_id eos_token_id pad_token_id sep_token_id
  unk_token_id decoder_start_token_id initializer_range attention_dropout hidden_dropout resid_pdrop
  embd_pdrop attn_pdrop embedding_dropout attn_implementation _attn_implementation_autoset
  _attn_implementation pretraining_tp gradient_checkpointing task_specific_params output_attentions
  output_hidden_states return_dict torchscript use_bfloat16 pruned_heads id2label label2id num_labels
  _num_labels problem_type is_encoder_decoder is_decoder cross_attention_hidden_size
  add_cross_attention tie_encoder_decoder chunk_size_feed_forward finetuning_task prefix
  tokenizer_class summary_activation summary_first_dropout summary_proj_to_labels summary_type
  summary_use_proj n_ctx max_sequence_length unsloth_version unsloth_fixed max_length min_length
  do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
  typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size
  bad_words_ids num_return_sequences output_scores return_dict_in_generate forced_bos_token_id
  forced_eos_token_id remove_invalid_values exponential_decay_length_penalty suppress_tokens
  begin_suppress_tokens""".split()
)
