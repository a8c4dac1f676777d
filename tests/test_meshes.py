"""Every kind of adapter, and every kind of quantized base, over the axes of a mesh: what eight devices
train and write is what one does, and what is large is split.

Sums over eight devices are in another order than those of one, and each order rounds float32 by some
6e-8 of what is summed; BOUND leaves room for the products of three updates through two layers (what
is seen is below 3e-6). Adam divides by a gradient's size, which would make the rounding of a small
one large: its eps is above these gradients, so that an update is about in proportion to its
gradient.
"""

import re
from dataclasses import replace

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from ftjax import tree
from ftjax.assembly import assemble
from ftjax.finish import write_model
from ftjax.models import decoder, export
from ftjax.models.families import mixtral
from ftjax.parallel.mesh import make_mesh
from ftjax.pretrained import open_run, shapes_of, variables_of
from ftjax.train.loop import put
from ftjax.train.state import init_state
from ftjax.train.step import batch_sharding
from tests.train import toy

BOUND = 1e-5  # of a loss, and of the largest number of a leaf
SIZES = dict(hidden_size=128, intermediate_size=256, head_dim=32, vocab_size=64)
MIXTRAL = toy.HF | SIZES | {
  "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": 4,
  "num_experts_per_tok": 2, "intermediate_size": 96,
}  # fmt: skip

CUBE = dict(data=2, fsdp=2, tensor=2)
LONG = dict(data=1, fsdp=2, sequence=2, tensor=2)
EXPERTS = dict(data=1, fsdp=2, expert=2, tensor=2)
LORA = {"adapter.kind": "lora", "adapter.rank": 4, "adapter.alpha": 8.0}
TABLES = LORA | {"adapter.targets": ".*_proj,embed_tokens,lm_head"}
PROMPT = {"adapter.kind": "prompt", "adapter.tokens": 3}
PREFIX = {"adapter.kind": "prefix", "adapter.tokens": 3}
RANKS = {"adapter.patterns": "q_proj: rank 2 alpha 8, layers.1: rank 7"}
ROWS = "rows"  # tokens with rows of their own, beside the adapter or alone


def _kind(word: str) -> dict[str, str]:
  return {"model.quantize": word}


# The model, the mesh, and what the config says. What is not of the first of its sort is slow.
FAST = {
  "(IA)^3 on int8": ("llama", CUBE, {"adapter.kind": "ia3"} | _kind("int8")),
  "prompt, sequence": ("llama", LONG, PROMPT),
  "prefix": ("llama", CUBE, PREFIX),
  "norms on int4": ("llama", CUBE, {"adapter.kind": "norms"} | _kind("int4")),
  "DoRA on int8": ("llama", CUBE, LORA | {"adapter.dora": True} | _kind("int8")),
  "PiSSA on some": ("llama", CUBE, LORA | {"adapter.init": "pissa", "adapter.targets": "up_proj"}),
  "LoRA, tables, ranks": ("tied", CUBE, TABLES | RANKS),
  "rows alone": ("llama", CUBE, {"model.new_tokens_only": True, ROWS: (3, 7, 11)}),
  "last layer, norms": ("llama", CUBE, {"train.only": "last 1 layers, norms"}),
  "LoRA on experts in nf4": ("mixtral", EXPERTS, LORA | _kind("nf4")),
}
SLOW = {
  "prompt": ("llama", CUBE, PROMPT),
  "prefix, sequence": ("llama", LONG, PREFIX),
  "prefix on experts": ("mixtral", EXPERTS, PREFIX),
  "norms beside experts": ("mixtral", EXPERTS, {"adapter.kind": "norms"} | _kind("int8")),
  "DoRA, tables, nf4": ("llama", CUBE, TABLES | {"adapter.dora": True} | _kind("nf4")),
  "PiSSA on int8": ("llama", CUBE, TABLES | {"adapter.init": "pissa"} | _kind("int8")),
  "OLoRA, ranks": ("llama", LONG, LORA | RANKS | {"adapter.init": "olora"}),
  "LoRA and rows, dropout": ("tied", CUBE, LORA | {"adapter.dropout": 0.5, ROWS: (3, 7, 11)}),
  "last layer of experts": ("mixtral", EXPERTS, {"train.only": "last 1 layers"}),
  "LoRA on experts": ("mixtral", EXPERTS, LORA | {"adapter.patterns": "layers.1: rank 2"}),
  "LoRA on experts in int8": ("mixtral", CUBE, LORA | _kind("int8")),
}  # fmt: skip

# Over how many devices a leaf is split at the least, on each of these meshes; of experts also over the
# axis of that name.
LEAST = (
  (r"(params|quant)/.*/router/.*", 1),
  (r"params/(embed/tokens|head/kernel|(last_)?layers/.*/kernel)", 4),
  (r"quant/.*/(int8|int4|nf4|scales)", 4),
  (r"lora/(layers/(?!experts/router/).*|head|embed/tokens)/[ab]", 2),
  (r"prefix/.*", 2),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  """{name: a model's folder}: a Llama, one with one matrix for table and head, a mixture."""
  root = tmp_path_factory.mktemp("models")
  config = mixtral.config(MIXTRAL)
  variables = decoder.init(config, jax.random.key(0))
  export.write(root / "mixtral", variables, config, mixtral.weights(config), MIXTRAL)
  toy.save_model(root / "llama", **SIZES)
  toy.save_model(root / "tied", **SIZES, tie_word_embeddings=True)
  return root


def three_updates(folder, out, mesh, keys):
  """(losses, the trained leaves as they began, and the state after three updates, which is written to
  `out`)."""
  rates = {"optim.learning_rate": 3e-2, "optim.eps": 1e-2, "optim.schedule": "constant"}
  config = toy.run_config(folder, folder, **rates, **{k: x for k, x in keys.items() if k != ROWS})
  opened = replace(open_run(config), new_ids=keys.get(ROWS, ()))
  model = opened.checkpoint.config
  trainable, frozen = variables_of(config, opened, mesh)
  assert forms(shapes_of(config, opened)) == forms((trainable, frozen))  # what is compiled first
  made = assemble(config, model, trainable, frozen, mesh, warmup=0, total=3, length=16)
  before = jax.tree.map(np.array, trainable)
  state, losses = init_state(trainable, frozen, made.tx, 0, made.places), []
  for seed in range(3):
    state, sums = made.step(state, put(toy.batch(8, 16, seed=seed), batch_sharding(mesh)))
    losses.append(float(sums.nll / sums.weight))
  write_model(out, tree.merge(state.frozen, state.trainable), config, opened, None)
  return losses, tree.flatten(before), state


def forms(variables):
  return jax.tree.map(lambda x: (x.shape, x.dtype), variables)


@pytest.mark.parametrize(
  "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_eight_devices_train_and_write_what_one_does(folders, tmp_path, name):
  model, shape, keys = (FAST | SLOW)[name]
  alone = make_mesh(devices=jax.devices()[:1])
  wanted, before, one = three_updates(folders / model, tmp_path / "one", alone, keys)
  found, _, many = three_updates(folders / model, tmp_path / "many", make_mesh(**shape), keys)
  np.testing.assert_allclose(found, wanted, rtol=BOUND)
  assert_close(tree.flatten(many.trainable), expected := tree.flatten(one.trainable))
  for leaf, x in expected.items():
    assert np.abs(x - before[leaf]).max() > 10 * BOUND * max(1, np.abs(x).max()), leaf
  assert_split(tree.flatten(many.trainable) | tree.flatten(many.frozen), shape)
  assert_close(*(tensors(tmp_path / run) for run in ("many", "one")))


def tensors(folder):
  """What is in the one file of weights of a folder."""
  (file,) = folder.glob("*.safetensors")
  return load_file(file)


def assert_close(found, wanted):
  assert found.keys() == wanted.keys()
  for name, x in wanted.items():
    size = max(1.0, float(np.abs(x).max()))
    np.testing.assert_allclose(found[name], x, rtol=0, atol=BOUND * size, err_msg=name)


def assert_split(leaves, shape):
  """Each of LEAST is split as it says there."""
  seen = 0
  for name, x in leaves.items():
    least = next((n for pattern, n in LEAST if re.fullmatch(pattern, name)), 1)
    least *= shape.get("expert", 1) if "/experts/" in name and least > 1 else 1
    ways = x.size // x.addressable_shards[0].data.size
    assert ways >= least, f"{name} {x.shape} lies on {ways} devices: {x.sharding.spec}"
    seen += least > 1
  assert seen > 4
