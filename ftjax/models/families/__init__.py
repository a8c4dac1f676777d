"""Families: a module for each model_type of config.json. What each must have: docs/adding_a_model.md."""

# Other names of the same thing, as transformers maps them too.
ALIASES = {"gpt-sw3": "gpt2"}

# What looks supported and is not: why, and what to do.
NOT_SUPPORTED = {
  kind: f"It reads images as well as text. Save its language model alone, as docs/models.md shows: "
  f"that is model_type={alone!r}, which ftjax has."
  for kind, alone in (("gemma3", "gemma3_text"), ("mistral3", "mistral"))
}
