"""A quantized base under adapters: the dequantized one's numbers, wherever it is, in little memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ftjax
from ftjax import exporting, tree
from ftjax.config import InputError
from ftjax.finetuning import finetune
from ftjax.models import decoder, hf, lora, reading
from ftjax.models.families import llama, mixtral
from ftjax.models.quant import base, codes
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import read_weights
from ftjax.train.step import make_loss
from tests.train import toy

SIZES = dict(hidden_size=128, intermediate_size=320, head_dim=32, num_hidden_layers=2)
MIXTRAL = toy.HF | SIZES | {
  "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": 4,
  "num_experts_per_tok": 2,
}  # fmt: skip


def model(family=llama, fields=None):
  config = family.config(fields or toy.HF | SIZES)
  params = jax.jit(lambda key: decoder.init(config, key))(jax.random.key(0))
  return config, params


CONFIG, PARAMS = model()
ROWS = jax.tree.map(lambda x: x[0], toy.batch(8, 15))


def adapter(config, family=llama, params=None, dora=None):
  """A LoRA whose `b` is not zero any more."""
  targets = lora.linear_layers(config, family.weights(config))
  new = lora.init(jax.random.key(1), config, targets, rank=4, alpha=8, dora=dora)
  noise = lambda n, x: x + 0.05 if n.endswith("/b") else x
  return tree.map_named(noise, new)


def loss_and_gradient(variables, config, remat="none", mesh=None):
  trained, kept = lora.split({c: x for c, x in variables.items() if c.startswith("lora")})
  rest = {c: x for c, x in variables.items() if not c.startswith("lora")} | kept
  loss = make_loss(decoder.Decoder(config, remat=remat), chunk=16)
  run = lambda t, rest: loss(rest | t, ROWS, jax.random.key(0))[0]
  both = jax.jit(jax.value_and_grad(run))
  if mesh is None:
    return both(trained, rest)
  place = lambda v: jax.device_put(v, rules.shardings(v, mesh))
  with jax.set_mesh(mesh):
    return both(place(trained), place(rest))


def assert_close(a, b, **kwargs):
  for (n, x), y in zip(tree.flatten(a).items(), jax.tree.leaves(b), strict=True):
    np.testing.assert_allclose(x, y, err_msg=n, **kwargs)


@pytest.mark.parametrize("kind", ["int8", pytest.param("int4", marks=pytest.mark.slow)])
def test_an_adapter_on_it_is_an_adapter_on_the_dequantized_base(kind):
  quantized = base.quantize(PARAMS, kind)
  full = base.dequantized(quantized, PARAMS)
  assert not any(np.array_equal(*pair) for pair in zip(*map(_kernels, (full, PARAMS)), strict=True))
  mine = adapter(CONFIG)
  found = loss_and_gradient(quantized | mine, CONFIG)
  wanted = loss_and_gradient(full | mine, CONFIG)
  assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def _kernels(params):
  return [x for n, x in tree.flatten(params).items() if base.quantized(n)]


@pytest.mark.slow
def test_dora_and_experts_read_it_too():
  quantized = base.quantize(PARAMS, "nf4")
  full = base.dequantized(quantized, PARAMS)
  mine = adapter(CONFIG, dora=quantized)
  assert_close(mine, adapter(CONFIG, dora=full), rtol=1e-5, atol=1e-6)
  wanted = loss_and_gradient(full | mine, CONFIG)
  assert_close(loss_and_gradient(quantized | mine, CONFIG), wanted, rtol=1e-4, atol=1e-5)

  config, params = model(mixtral, MIXTRAL)
  quantized = base.quantize(params, "int4")
  names = {n.rsplit("/", 2)[1] for n in tree.flatten(quantized) if n.startswith("quant/")}
  assert names == {"query", "key", "value", "out", "gate_up", "down"}, "no router"
  mine = adapter(config, mixtral)
  wanted = loss_and_gradient(base.dequantized(quantized, params) | mine, config)
  assert_close(loss_and_gradient(quantized | mine, config), wanted, rtol=1e-4, atol=1e-5)
  mesh = make_mesh(data=2, fsdp=2, tensor=2)
  found = loss_and_gradient(quantized | mine, config, mesh=mesh)
  assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["int8", pytest.param("nf4", marks=pytest.mark.slow)])
def test_eight_devices_are_one(kind):
  variables = base.quantize(PARAMS, kind) | adapter(CONFIG)
  mesh = make_mesh(data=2, fsdp=2, tensor=2)
  spec = lambda v, name: tuple(tree.flatten(rules.shardings(v, mesh))[name].spec)
  for path in ("mlp/gate", "attention/out"):
    kernel = spec(PARAMS, f"params/layers/{path}/kernel")
    values = spec(variables, f"quant/layers/{path}/{kind}")
    assert values[1] == kernel[1] is not None and values[-1] == kernel[-1] is not None, path
  found = loss_and_gradient(variables, CONFIG, mesh=mesh)
  assert_close(found, loss_and_gradient(variables, CONFIG), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("remat", decoder.REMAT)
def test_no_kernel_in_full_outlives_its_product(remat):
  """What the forward pass keeps for the backward pass holds nothing as large as all layers of a
  kernel; the same gradient of a base that is not quantized needs them."""
  variables = base.quantize(PARAMS, "nf4") | adapter(CONFIG)
  trained = {"lora": variables.pop("lora")}
  loss = make_loss(decoder.Decoder(CONFIG, remat=remat), chunk=16)
  run = jax.grad(lambda t, v: loss(v | t, ROWS, jax.random.key(0))[0])
  jaxpr = jax.make_jaxpr(run)(trained, variables)
  kept = {
    v.aval.shape for e in _scans(jaxpr.jaxpr) for v in e.outvars if v.aval.shape[:1] == (CONFIG.L,)
  }
  assert kept and not kept & {x.shape for x in _kernels(PARAMS)}
  most = 8 * 15 * 320 * CONFIG.L  # the MLP's activations
  assert max(np.prod(s) for s in kept) <= most
  constants = [e for e in jaxpr.jaxpr.eqns if e.primitive.name == "broadcast_in_dim"]
  assert max((e.outvars[0].aval.size for e in constants), default=0) < 128 * 320


def _scans(jaxpr):
  for e in jaxpr.eqns:
    if e.primitive.name == "scan" and e.params["length"] == CONFIG.L:
      yield e
    for p in e.params.values():
      if hasattr(p, "jaxpr"):
        yield from _scans(p.jaxpr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return toy.save_model(tmp_path_factory.mktemp("model") / "llama", **SIZES)


@pytest.mark.parametrize("kind", codes.KINDS)
def test_reading_quantizes_what_reading_would_have_given(folder, kind):
  checkpoint = hf.open_checkpoint(folder)
  full = hf.read(checkpoint, jnp.float32)
  wanted = tree.flatten(base.quantize(full, kind))
  for mesh in (None, make_mesh(data=1, fsdp=4, tensor=2), make_mesh(data=8)):
    found = tree.flatten(read_weights(checkpoint, jnp.float32, mesh, kind))
    shapes = tree.flatten(base.abstract(full, kind))
    assert {n: (x.shape, x.dtype) for n, x in found.items()} == {
      n: (x.shape, x.dtype) for n, x in shapes.items()
    }
    for name, x in wanted.items():
      off = np.abs(np.asarray(found[name], "f4") - np.asarray(x, "f4"))
      if x.dtype in (jnp.int8, jnp.uint8):
        assert (off > 0).mean() < 1e-3, name  # Programs divide by slightly other roundings.
      else:
        np.testing.assert_allclose(off, 0, atol=1e-7, err_msg=name)


def test_reading_has_one_matrix_in_full_at_a_time(folder, monkeypatch):
  """Of all memory that is asked for, what is not kept is never more than one layer's kernel."""
  held = []
  memory = reading.memory

  def counting(size, dtype):
    held.append((size, np.dtype(dtype)))
    return memory(size, dtype)

  monkeypatch.setattr(reading, "memory", counting)
  read_weights(hf.open_checkpoint(folder), jnp.float32, None, "nf4")
  kernels = [x for x in _kernels(PARAMS)]
  floats = sorted(size for size, dtype in held if dtype == np.float32)
  largest = max(x[0].size for x in kernels)
  outside = {x.size for n, x in tree.flatten(PARAMS).items() if not base.quantized(n)}
  assert all(size <= largest or size in outside for size in floats)


def test_a_part_of_a_mesh_reads_what_its_devices_keep(folder):
  """The boxes that a process needs are those of its devices' rows and columns, blocks kept whole."""
  from ftjax.models.quant.reading import Kernel

  checkpoint = hf.open_checkpoint(folder)
  line = {w.path: w for w in checkpoint.table}
  mesh = make_mesh(data=1, fsdp=2, tensor=4)

  class Half:
    """A sharding of which this process has the devices of fsdp=1."""

    def __init__(self, name, x):
      self._place = tree.flatten(rules.shardings(tree.unflatten({name: x}), mesh))[name]

    def addressable_devices_indices_map(self, shape):
      mine = set(mesh.devices[:, 1].ravel())
      return {d: i for d, i in self._place.devices_indices_map(shape).items() if d in mine}

  need = lambda path, kind: Kernel(line[path], checkpoint.config, kind, Half).need
  assert need("layers/mlp/gate/kernel", "nf4") == ((0, 2), (64, 128), (0, 320))
  assert need("layers/mlp/gate/kernel", "int8") == ((0, 2), (0, 128), (0, 320))
  assert need("layers/mlp/down/kernel", "nf4") == ((0, 2), (0, 320), (0, 128))  # one group
  assert need("layers/mlp/down/kernel", "int8") == ((0, 2), (0, 320), (64, 128))
  assert need("layers/attention/out/kernel", "int8") == ((0, 2), (0, 4), (0, 32), (64, 128))


def test_gradients_are_near_those_of_the_base():
  """Direction and size, on random weights, which are harder to quantize than trained ones."""
  mine = adapter(CONFIG)
  flat = lambda v: np.concatenate(
    [np.ravel(x) for x in jax.tree.leaves(loss_and_gradient(v | mine, CONFIG)[1])]
  )
  wanted = flat(dict(PARAMS))
  for kind, cosine, relative in (("int8", 0.998, 0.06), ("nf4", 0.9, 0.5)):
    found = flat(base.quantize(PARAMS, kind))
    cos = found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted)
    off = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    assert cos > cosine and off < relative


def test_what_cannot_be_is_refused(folder):
  with pytest.raises(InputError, match=r"model.quantize='nf8' is not known. Use one of: , int8"):
    base.check("nf8", "lora")
  with pytest.raises(InputError, match="never trained. Set adapter.kind=lora"):
    base.check("nf4", "none")
  base.check("", "none")
  with pytest.raises(InputError, match="quantize='fp4'"):
    ftjax.load(folder, quantize="fp4")


@pytest.mark.slow
def test_a_run_on_it(folder, tmp_path):
  """Trained, written, evaluated in the loop, loaded as it was trained and merged into the base."""
  rows = toy.write_rows(tmp_path / "rows.jsonl", 40)
  config = toy.run_config(
    folder, rows, model__quantize="nf4", adapter__kind="lora", adapter__rank=4,
    train__duration="8 steps",
  )  # fmt: skip
  result = finetune(config, tmp_path / "run")
  assert result.scores["tuned"]["loss"] < result.scores["base"]["loss"]
  tuned = ftjax.load(tmp_path / "run" / "best", quantize="nf4")
  assert set(tuned.variables) == {"params", "quant", "lora", "lora_scale"}
  tokens = [[3, 5, 7, 11]]
  quantized = np.asarray(tuned.logits(tokens))
  assert tuned.generator.generate(tokens, max_new_tokens=2)[0].ids
  line = exporting.write(
    tmp_path / "exported", str(folder), str(tmp_path / "run" / "best"), bound=1e-4,
    quantize=exporting.quantized(str(tmp_path / "run")),
  )  # fmt: skip
  assert "against the nf4 base that the adapter was trained on: logits are" in line
  tuned.save(tmp_path / "merged")
  merged = ftjax.load(tmp_path / "merged")
  kept = ftjax.load(tmp_path / "run" / "best")
  np.testing.assert_allclose(merged.logits(tokens), kept.logits(tokens), atol=1e-4)
  assert 1e-4 < np.abs(quantized - merged.logits(tokens)).max() < np.abs(quantized).max()
