"""Every config in the tree is built, and those that train are run down to the shapes of an
update."""

import functools
import importlib.util
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from ftjax import batch, cli, defaults, planning
from ftjax.assembly import remat_of
from ftjax.config import Duration, InputError, flat
from ftjax.data import defaults as data_defaults
from ftjax.data.clean import steps
from ftjax.data.curate import settings
from ftjax.finetuning import finetune
from ftjax.models import decoder, hf, lora
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import dtype_of
from ftjax.train import optim
from ftjax.train.state import TrainState, shard_state
from ftjax.train.step import make_loss, train_step
from tests.tiny import tiny_checkpoint

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").rglob("*.py"))


def built(path: Path) -> ConfigDict:
  """What --config=FILE gives."""
  spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  assert module.__doc__ and "python scripts/" in module.__doc__, (
    "its docstring begins with the command"
  )
  config = module.get_config()
  assert module.get_config() is not config
  return config.lock()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
  """A small llama in the starter's shape."""
  return hf.open_checkpoint(tiny_checkpoint("llama", tmp_path_factory.mktemp("tiny") / "llama"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_short_and_locked(path):
  config = built(path)
  assert 0 < len(flat(config)) < 90
  with pytest.raises(AttributeError, match="wrong"):
    config.wrong = 1
  for key, value in flat(config).items():
    assert isinstance(value, (str, int, float, list)), f"{key}={value!r} cannot be given as a flag"


def test_the_keys_that_scripts_rely_on_are_there():
  relied_on = """
    model.source model.dtype adapter.kind adapter.rank adapter.alpha adapter.dropout
    adapter.targets adapter.source data.train data.validation data.validation_fraction
    data.format data.fields.prompt data.max_length data.pack data.shuffle data.overlong
    data.train_on optim.name optim.learning_rate optim.schedule optim.warmup
    optim.weight_decay optim.b1 optim.b2 optim.eps optim.clip train.duration train.batch_size
    train.accumulate train.remat train.seed train.log_every eval.every eval.patience
    eval.min_delta checkpoint.every checkpoint.keep mesh.data mesh.fsdp mesh.tensor
  """.split()
  assert set(relied_on) <= flat(defaults.get_config()).keys()


@pytest.mark.parametrize("module", [defaults, data_defaults], ids=["training", "data"])
def test_configs_stay_under_ninety_keys(module):
  assert len(flat(module.get_config())) < 90


@pytest.mark.parametrize(
  "path", [p for p in CONFIGS if p.parent.name == "data"], ids=lambda p: p.stem
)
def test_every_data_config_is_accepted_by_preparation(path):
  config = built(path)
  assert set(flat(config)) == set(flat(data_defaults.get_config())), (
    "keys stand in ftjax/data/defaults.py"
  )
  assert settings.plain(config) == settings.plain(settings.plain(config))
  assert steps.steps(config), "every row passes something"


TRAINING = [p for p in CONFIGS if {"optim", "train"} <= set(built(p))]


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_every_training_config_fits_together(tiny, path):
  """Config -> variables -> optimizer state -> one update, in shapes alone."""
  config = built(path)
  assert set(flat(config)) == set(flat(defaults.get_config())), "keys stand in ftjax/defaults.py"
  for key in ("train.duration", "eval.every", "checkpoint.every", "optim.warmup"):
    Duration.parse(flat(config)[key], key).steps(epoch=100, tokens=1000, total=1000)

  c, m, a, o, t = tiny.config, config.model, config.adapter, config.optim, config.train
  key = jax.random.key(0)
  base = jax.eval_shape(lambda key: decoder.init(c, key, dtype_of(m.dtype)), key)
  trainable, frozen = base, {}
  if a.kind == "lora":
    targets = lora.choose(c, tiny.table, a.targets)
    new = functools.partial(lora.init, config=c, targets=targets, rank=a.rank, alpha=a.alpha)
    adapter = jax.eval_shape(new, key)
    trainable, frozen = {"lora": adapter.pop("lora")}, base | adapter

  schedule = optim.make_schedule(o.schedule, o.learning_rate, warmup=5, total=100)
  tx = optim.from_config(config, schedule)
  model = decoder.Decoder(
    c, dtype_of(m.compute_dtype or m.dtype), m.attention, remat_of(config), dropout=a.dropout
  )
  step = functools.partial(train_step, loss=make_loss(model), tx=tx, schedule=schedule)
  state = TrainState(
    jax.ShapeDtypeStruct((), "int32"), trainable, frozen, jax.eval_shape(tx.init, trainable),
    jax.ShapeDtypeStruct((2,), "uint32"),
  )  # fmt: skip
  shape = t.accumulate, t.batch_size, 32
  rows = [jax.ShapeDtypeStruct(shape, x.dtype) for x in batch.empty(1, 1)]
  after, sums = jax.eval_shape(step, state, batch.Batch(*rows))
  assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
    lambda x: (x.shape, x.dtype), state
  )
  assert sums.nll.shape == () and sums.rows.shape == shape[:2]

  mesh = make_mesh(data=1, fsdp=4, tensor=2)
  places = shard_state(trainable, frozen, tx, functools.partial(rules.shardings, mesh=mesh), mesh)
  jax.tree.map(lambda x, s: s.shard_shape(x.shape), state, places)


@pytest.mark.parametrize("content, message", {
  "def get_config(:": ", line 1: SyntaxError: invalid syntax. Mend the file",
  "def get_config():\n  return 1 / 0": ", line 2: ZeroDivisionError: division by zero. Mend",
  "def get_config():\n  from ftjax.defaults import get_config as c\n  c().train.seed = 'x'": ", line 3: TypeError: ",
  "x = 1": ": it has no get_config()",
  "def get_config():\n  return {}": ": its get_config() returns a dict",
  "def get_config():\n  pass": ": its get_config() returns a NoneType",
}.items())  # fmt: skip
def test_a_config_file_that_fails_is_one_message_with_its_line(
  content, message, tmp_path, monkeypatch, capsys
):
  (tmp_path / "mine.py").write_text(content)
  flags = [f"--config={tmp_path / 'mine.py'}", "--config.data.train=rows.jsonl"]
  monkeypatch.setattr(cli.sys, "argv", ["train.py", *flags])
  with pytest.raises(SystemExit) as end:
    cli._check_file()
  told = capsys.readouterr().err
  assert end.value.code == cli.BAD_INPUT and told.startswith(f"error: {flags[0]}{message}")
  assert told.count("\n") == 1


@pytest.mark.parametrize("run", [finetune, planning.described], ids=["train", "plan"])
def test_a_key_that_a_file_misspells_is_refused(run, tmp_path):
  config = defaults.get_config()
  config.train.batchsize = 4
  run = functools.partial(run, workdir=tmp_path / "run") if run is finetune else run
  with pytest.raises(
    InputError, match="train.batchsize=4: no such config key. Did you mean train.batch_size?"
  ):
    run(config)
  del config.train["batchsize"], config.train["seed"]
  with pytest.raises(InputError, match="The config lacks train.seed. Let its"):
    run(config)
