"""A loaded model in one hand: logits, text, and a folder to save it to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from ftjax import scoring, sources, storage
from ftjax.config import InputError
from ftjax.generate.generator import Generator, Prompt
from ftjax.generate.sampling import Sampling
from ftjax.models import export, hf, lora, prefixes, vocabulary
from ftjax.models.config import ModelConfig
from ftjax.models.quant import base as quant
from ftjax.pretrained import add_tokens, dtype_of, place, read_weights
from ftjax.text import tokenizer as tokenizers
from ftjax.text.chat import Messages, Template

if TYPE_CHECKING:
  from jax.sharding import Mesh
  from transformers import PreTrainedTokenizerBase


class LanguageModel:
  """A decoder with its tokenizer, as `load` returns it.

  config: the decoder's flags and sizes. variables: {"params": ...}, with an adapter's collections
  beside it (models/adapters); layers stacked along a leading axis. tokenizer: the checkpoint's own, or
  None. checkpoint: the base's folder and its table of weights. hf_config: its config.json. dtype:
  of computation; the parameters have their own.
  """

  def __init__(
    self,
    checkpoint: hf.Checkpoint,
    variables: dict[str, Any],
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    dtype: str = "float32",
    mesh: Mesh | None = None,
    generation_config: dict[str, Any] | None = None,
  ):
    self.checkpoint, self._variables, self.tokenizer = checkpoint, variables, tokenizer
    self._generator: Generator | None = None
    self.config, self.hf_config, self.folder = (
      checkpoint.config,
      checkpoint.hf_config,
      checkpoint.folder,
    )
    self.dtype, self.mesh, self.generation_config = dtype, mesh, generation_config or {}
    self.room = self.config.room(prefixes.count(variables))  # tokens that a document may have

  @property
  def stop_ids(self) -> tuple[int, ...]:
    """The ids that end a text: see text/tokenizer.stop_ids."""
    return tokenizers.stop_ids(self.tokenizer, self.generation_config, self.hf_config)

  @property
  def variables(self) -> dict[str, Any]:
    """{"params": ...} and an adapter's collections; after a first `generator` stacked once more, beside
    its own."""
    if self._variables is None:
      if self._generator is None:
        raise RuntimeError(
          "The weights went when making the generator failed. Load the model again."
        )
      self._variables = self._generator.stacked()
    return self._variables

  @property
  def generator(self) -> Generator:
    """The engine behind `generate`. Made on first use, it takes the weights over: they are in memory
    once, in the form that single tokens want, until the other form is asked for again (`variables`,
    `logits`, `save`)."""
    if self._generator is None:
      variables, self._variables = dict(self.variables), None
      self._generator = Generator(
        self.config,
        variables,
        self.tokenizer,
        dtype=self.dtype,
        stop_ids=self.stop_ids,
        mesh=self.mesh,
        release=True,
      )
    return self._generator

  def logits(self, tokens_BT, segments_BT=None) -> jax.Array:
    """float32 [B, T, V] for ids [B, T] (arrays or lists of equal length).

    segments_BT: 1, 2, ... for the documents of a row, 0 for padding (default: one document, no
    padding). A token sees its own document up to itself, and positions restart where a document
    starts.
    """
    return scoring.logits(self.variables, tokens_BT, segments_BT, self.config, self.dtype)

  def generate(
    self,
    prompts: Prompt | Sequence[Prompt],
    *,
    max_new_tokens: int = 128,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    seed: int = 0,
    stop: str | Sequence[str] = (),
    batch_size: int = 32,
  ) -> list[str]:
    """The completions alone, one for each prompt (a text as it is, or a list of ids; one alone is
    one prompt); "" starts from BOS. The text goes on from the prompt itself: `chat` asks through
    the template that the model was trained with.

    temperature 0 is greedy. See `Sampling` and `Generator.generate`, which also gives ids and how
    each one ended. A model without a tokenizer raises an InputError: use
    `model.generator.generate(lists_of_ids)`, whose completions have ids.
    """
    self._need_tokenizer("generate")
    out = self.generator.generate(
      prompts,
      max_new_tokens=max_new_tokens,
      sampling=Sampling(temperature, top_k, top_p, repetition_penalty),
      seed=seed,
      stop=stop,
      batch_size=batch_size,
    )
    return [completion.text for completion in out]

  def render(self, messages: Messages | str) -> list[int]:
    """The ids to generate an answer from: messages ({"role", "content"}) or one user's text,
    through the chat template that the model was trained with (for a base model without one: the
    text and a newline)."""
    self._need_tokenizer("render")
    return Template.choose(self.tokenizer, stops=self.stop_ids).render_prompt(messages)

  def chat(self, messages: Messages | str, **kwargs) -> str:
    """The answer to messages, or to one user's text; see `render`. Keywords as in `generate`."""
    self._need_tokenizer("chat")
    return self.generate([self.render(messages)], **kwargs)[0]

  def save(self, folder: str | Path) -> None:
    """Writes a folder in Hugging Face format, tokenizer included; an adapter is merged into the
    weights."""
    config, variables = self._in_full()
    table, source = self.checkpoint.table, self.checkpoint.folder
    with storage.atomic_path(folder) as temporary:
      carried = export.LEGAL if self.tokenizer is not None else export.CARRIED
      export.write(
        temporary, variables, config, table, self.hf_config, source=source, carried=carried,
        ends=self.stop_ids,
      )  # fmt: skip
      if self.tokenizer is not None:
        tokenizers.save_tokenizer(self.tokenizer, temporary)

  def _in_full(self) -> tuple[ModelConfig, dict[str, Any]]:
    """(the config, params) with an adapter merged in and without padding; of a quantized base those
    that it was made from, which are read again while they are written."""
    config, variables = vocabulary.trimmed(self.config, self.variables)
    if quant.COLLECTION in variables:
      adapter = {c: x for c, x in variables.items() if c not in ("params", quant.COLLECTION)}
      checkpoint = vocabulary.padded(self.checkpoint, 1)
      dtype = jax.tree.leaves(variables["params"])[0].dtype
      return config, lora.lazily_merged(checkpoint, adapter, dtype)
    return config, lora.merge(variables) if lora.on(variables) else variables

  def _need_tokenizer(self, what: str) -> None:
    if self.tokenizer is None:
      raise InputError(
        f"{self.folder} has no tokenizer, and `{what}` gives text. Add tokenizer.json and "
        "tokenizer_config.json to the "
        "folder, or work with ids: `model.generator.generate(lists_of_ids)` returns completions "
        "with `.ids`."
      )


def load(
  source: str | Path,
  *,
  dtype: str = "float32",
  compute_dtype: str = "",
  mesh: Mesh | None = None,
  adapter: str | Path | None = None,
  revision: str = "",
  new_tokens: str = "",
  pad_vocab_to: int = 1,
  quantize: str = "",
) -> LanguageModel:
  """Loads a model.

  source: a folder in Hugging Face format, a hub id, "starter", a PEFT adapter's folder, whose
  adapter_config.json names the base and its revision, or a run, which means its best/. dtype: "float32" or "bfloat16", of parameters and computation;
  compute_dtype: of computation where that has another.
  mesh: shard the weights over it (parallel/rules.py). adapter: a PEFT adapter to put on the base,
  or several to add, "A@0.7, B@0.3".
  revision: of a hub id. new_tokens: tokens to add, "<brand>=our brand's name, <cta>", whose rows
  begin as the mean of their description's, or of all. pad_vocab_to: a multiple for the rows of token
  table and head, so that the mesh divides them. quantize: "int8", "int4" or "nf4", the base's blocks in so many bits,
  quantized while they are read (docs/quantization.md); a folder that is quantized has its format.

  Raises InputError: no such folder, a model that is not supported, weights that do not fit
  config.json, another dtype, another format than a quantized folder has.
  """
  parameter_dtype = dtype_of(dtype, "dtype")
  folder = own = sources.find(source, revision)
  if sources.is_adapter(folder):
    if adapter is not None:
      raise InputError(
        f"{folder} is an adapter itself: give its base as the source, with "
        f"adapter={str(adapter)!r}."
      )
    base = sources.base_of(folder)
    adapter, folder = lora.open_folder(folder), hf.resolve(base.source, base.revision or revision)
  elif adapter is not None:
    adapter = lora.open_folder(adapter)
    own = adapter[0].folder.path if isinstance(adapter, tuple) else adapter.path
  checkpoint = hf.open_checkpoint(folder)
  tok = tokenizers.load_tokenizer(own) or tokenizers.load_tokenizer(folder)
  if adapter is not None:
    checkpoint = lora.base_for(adapter, checkpoint)
  checkpoint, _ = add_tokens(checkpoint, tok, new_tokens)
  checkpoint = vocabulary.padded(checkpoint, pad_vocab_to)
  quant.check(quantize)
  variables = read_weights(checkpoint, parameter_dtype, mesh, quantize)
  if adapter is not None:
    own_weights = lora.read(
      adapter, checkpoint, None if quant.COLLECTION in variables else variables
    )
    variables |= own_weights if mesh is None else place(own_weights, mesh)
  return LanguageModel(
    checkpoint,
    variables,
    tok,
    dtype=compute_dtype or dtype,
    mesh=mesh,
    generation_config=hf.generation_config(own) or hf.generation_config(folder),
  )
