"""Writes a model as a Hugging Face folder, an adapter merged into its base:

python scripts/export.py --run=runs/mine --merge --output=merged [--dtype=bfloat16] [--verify]
python scripts/export.py --base=FOLDER_OR_HUB_ID --adapter=FOLDER --merge --output=merged
"""

from absl import flags

from ftjax import cli

_RUN = flags.DEFINE_string("run", "", "A run's folder: its best/, with the base for an adapter.")
_BASE = flags.DEFINE_string("base", "", "Instead of a run: a folder in HF format, or a hub id.")
_ADAPTER = flags.DEFINE_string("adapter", "", "With --base: a PEFT adapter's folder.")
_MERGE = flags.DEFINE_bool("merge", False, "Add the adapter to the weights.")
_OUTPUT = flags.DEFINE_string("output", None, "The folder to write; must not exist.", required=True)
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the weights written.")
_SHARD = flags.DEFINE_integer("shard_bytes", 5 * 10**9, "The most bytes in a file.", lower_bound=1)
_VERIFY = flags.DEFINE_bool("verify", False, "Compare logits; status 1, no output, if they differ.")
_BOUND = flags.DEFINE_float("bound", 0.0, "Of --verify: share of the largest logit; 0 = by dtype.")


def main() -> int | None:
  import jax

  from ftjax import storage
  from ftjax.config import InputError
  from ftjax.language_model import load
  from ftjax.models import export, lora, verify
  from ftjax.text.tokenizer import save_tokenizer
  from ftjax.train import run_folder

  run, base, adapter, revision = _RUN.value, _BASE.value, _ADAPTER.value, ""
  if bool(run) == bool(base) or (run and adapter):
    raise InputError("Give --run=FOLDER, or --base=SOURCE with --adapter=FOLDER.")
  if storage.Path(_OUTPUT.value).exists():
    raise InputError(f"{_OUTPUT.value} is there already. Give another --output.")
  if run:
    config, base = run_folder.read(run), f"{run}/{run_folder.BEST}"
    if config["adapter.kind"] == "lora":
      base, adapter, revision = config["model.source"], base, config["model.revision"]
  if bool(adapter) != _MERGE.value:
    raise InputError("--merge goes with an adapter, and an adapter with --merge.")
  model = load(base, adapter=adapter or None, revision=revision)
  c, weights = model.checkpoint, lora.merge(model.variables) if adapter else model.variables
  weights = jax.tree.map(lambda x: x.astype(_DTYPE.value), weights)
  try:
    with storage.atomic_path(_OUTPUT.value) as folder:
      export.write(folder, weights, c.config, c.table, c.hf_config, c.folder, _SHARD.value)
      if model.tokenizer is not None:
        save_tokenizer(model.tokenizer, folder)
      if _VERIFY.value:
        bound = _BOUND.value or verify.BOUNDS[_DTYPE.value]
        print(verify.check(folder, c.config, model.variables, bound))
  except verify.Different as e:
    return cli.fail(f"{e} Nothing was written.", 1)
  print(f"written: {_OUTPUT.value}")


if __name__ == "__main__":
  cli.run(main)
