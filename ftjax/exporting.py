"""A base, or a base with an adapter merged into it, written as a Hugging Face folder tensor by
tensor; or a base quantized, as a folder of ftjax's own."""

import functools
from pathlib import Path

import numpy as np

from ftjax import sources, storage
from ftjax.config import InputError
from ftjax.models import export, hf, hub, lora, verify
from ftjax.models.quant import base as quant
from ftjax.models.quant import writing, written
from ftjax.pretrained import read_weights
from ftjax.text import tokenizer as tokenizers
from ftjax.train import run_folder


def parts_of(run: str, base: str, adapter: str) -> tuple[str, str, str]:
  """(base, adapter or "", the base's revision) of a run's best model, or as given."""
  if bool(run) == bool(base) or (run and adapter):
    raise InputError("Give --run=FOLDER, or --base=SOURCE with --adapter=FOLDER.")
  best = Path(run) / run_folder.BEST
  if run and not best.is_dir():
    raise InputError(
      f"--run={run}: there is no {best}. Give the --workdir of a run that has ended."
    )
  if not run or not lora.settings(best):
    return base or str(best), adapter, ""
  found = sources.base_of_run(Path(run))
  return found.source, str(best), found.revision


def quantized(run: str) -> str:
  """The format that the base of a run's best adapter was quantized to, or ""."""
  if not run or not lora.settings(Path(run) / run_folder.BEST):
    return ""
  return run_folder.read(run).get("model.quantize", "")


def write(
  output: str | Path,
  base: str,
  adapter: str = "",
  revision: str = "",
  *,
  dtype: str = "float32",
  shard_bytes: int = export.SHARD_BYTES,
  bound: float | None = None,
  quantize: str = "",
) -> str:
  """Writes the folder, all of it or nothing. No model is in memory, nor is one with its copy.

  bound: None, or the largest difference of logits that is accepted, as a share of the largest logit;
  then both models are read in float32, one after the other, and the returned line says how far they
  are apart. quantize: what the base was quantized to while the adapter was trained: then a line says how
  far the model written, which has the base in full, is from that one, and it is right that they differ.
  Raises verify.Different above the bound, and InputError as ftjax.load does.
  """
  folder = sources.find_full(base, revision)
  checkpoint, found, own = hf.open_checkpoint(folder), None, folder
  if adapter:
    found = lora.open_folder(adapter)
    own = found[0].folder.path if isinstance(found, tuple) else found.path
    checkpoint = lora.base_for(found, checkpoint)
  tokenizer = tokenizers.load_tokenizer(own) or tokenizers.load_tokenizer(folder)
  generation = hf.generation_config(own) or hf.generation_config(folder)
  stop_ids = tokenizers.stop_ids(tokenizer, generation, checkpoint.hf_config)
  with storage.atomic_path(output) as temporary:
    export.write(
      temporary,
      lora.lazily_merged(checkpoint, lora.read(found, checkpoint) if found else {}, dtype),
      checkpoint.config,
      checkpoint.table,
      checkpoint.hf_config,
      folder,
      shard_bytes,
      ends=stop_ids,
      carried=export.LEGAL if tokenizer is not None else export.LEGAL + export.TOKENIZER,
    )
    if tokenizer is not None:
      tokenizers.save_tokenizer(tokenizer, temporary)

    def before(quantize: str = ""):
      params = read_weights(checkpoint, np.float32, None, quantize)
      adapter = lora.read(found, checkpoint, None if quantize else params) if found else {}
      return params | adapter

    lines = []
    if bound is not None:
      lines.append(verify.check(temporary, checkpoint.config, before, bound))
    if quantize and found:
      line = verify.apart(temporary, checkpoint.config, functools.partial(before, quantize))
      lines.append(f"against the {quantize} base that the adapter was trained on: {line}")
    return "\n".join(lines)


def quantize(
  output: str | Path,
  source: str,
  kind: str,
  *,
  dtype: str = "",
  shard_bytes: int = export.SHARD_BYTES,
  bound: float | None = None,
) -> str:
  """Writes a model with the kernels of its blocks in eight or four bits, which is read as
  model.quantize=kind would read the source, tensor by tensor.

  dtype: of what is not quantized, "" as it is. bound: as for `write`; the model that it is compared
  with is the source quantized while it is read. Raises InputError for a source that is quantized.
  """
  quant.check(kind)
  folder = sources.find_full(source)
  checkpoint = hf.open_checkpoint(folder)
  checkpoint.need_full("quantizing")
  quantized = written.Quantized(kind, hub.source_name(source, folder, Path(output)))
  with storage.atomic_path(output) as temporary:
    writing.write(temporary, checkpoint, quantized, dtype=dtype, shard_bytes=shard_bytes)
    if bound is None:
      return ""
    read = lambda: read_weights(checkpoint, np.float32, None, kind)
    return verify.check(temporary, checkpoint.config, read, bound)
