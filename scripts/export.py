"""Writes a model as a Hugging Face folder, an adapter merged into its base, tensor by tensor; or a
base for adapters, quantized (docs/quantization.md):

python scripts/export.py --run=runs/mine --merge --output=merged [--dtype=bfloat16] [--verify]
python scripts/export.py --base=FOLDER_OR_HUB_ID --adapter=FOLDER --merge --output=merged
python scripts/export.py --model=FOLDER_OR_HUB_ID --quantize=nf4 --output=quantized
"""

from absl import flags

from ftjax import cli

_RUN = flags.DEFINE_string("run", "", "A run's folder: its best/, with the base for an adapter.")
_BASE = flags.DEFINE_string("base", "", "Instead of a run: a folder in HF format, or a hub id.")
_ADAPTER = flags.DEFINE_string("adapter", "", "With --base: a PEFT adapter's folder.")
_MERGE = flags.DEFINE_bool("merge", False, "Add the adapter to the weights.")
_MODEL = flags.DEFINE_string("model", "", "With --quantize: a folder in HF format, or a hub id.")
_QUANTIZE = flags.DEFINE_string("quantize", "", "The format of the blocks: int8, int4 or nf4.")
_OUTPUT = flags.DEFINE_string("output", None, "The folder to write; must not exist.", required=True)
_DTYPE = flags.DEFINE_enum(
  "dtype", None, ["float32", "bfloat16"], "Of weights: float32; with --quantize: as they are."
)
_SHARD = flags.DEFINE_integer("shard_bytes", 5 * 10**9, "The most bytes in a file.", lower_bound=1)
_VERIFY = flags.DEFINE_bool("verify", False, "Compare logits; status 1, no output, if they differ.")
_BOUND = flags.DEFINE_float("bound", 0.0, "Of --verify: share of the largest logit; 0 = by dtype.")


def main() -> int | None:
  from ftjax import exporting, storage
  from ftjax.config import InputError
  from ftjax.models import verify

  model, kind, merge = _MODEL.value, _QUANTIZE.value, _MERGE.value
  if storage.local(_OUTPUT.value, "--output").exists():
    raise InputError(f"{_OUTPUT.value} is there already. Give another --output.")
  if bool(model) != bool(kind) or (kind and (_RUN.value or _BASE.value or _ADAPTER.value or merge)):
    raise InputError("--model and --quantize go together, and with neither a run nor an adapter.")
  dtype = _DTYPE.value or ("" if kind else "float32")
  bound = (_BOUND.value or verify.BOUNDS[dtype or "float32"]) if _VERIFY.value else None
  options = dict(dtype=dtype, shard_bytes=_SHARD.value, bound=bound)
  try:
    if kind:
      line = exporting.quantize(_OUTPUT.value, model, kind, **options)
    else:
      base, adapter, revision = exporting.parts_of(_RUN.value, _BASE.value, _ADAPTER.value)
      if merge and not adapter:
        raise InputError(f"{base} is a whole model, with nothing to merge. Leave out --merge.")
      if adapter and not merge:
        raise InputError(f"{adapter} is an adapter for {base}. Add --merge to write both as one.")
      options["quantize"] = exporting.quantized(_RUN.value)
      line = exporting.write(_OUTPUT.value, base, adapter, revision, **options)
  except verify.Different as e:
    return cli.fail(f"{e} Nothing was written.", 1)
  print(f"{line}\nwritten: {_OUTPUT.value}".strip())


if __name__ == "__main__":
  cli.run(main)
