"""Laws of a mixture of experts: what computing every expert for every token gives, gradients
included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ftjax.config import InputError
from ftjax.models import grouped, hf
from ftjax.models.config import Experts, ModelConfig
from ftjax.models.moe import MoE, route
from ftjax.parallel.mesh import make_mesh
from tests.models.reference import FAST

CONFIG = ModelConfig(
  V=3, D=13, L=1, N=1, K=1, H=2, F=6, max_length=8, norm="rms", norm_eps=1e-5, activation="silu",
  gated=True, experts=Experts(5, 3),
)  # fmt: skip
KINDS = {
  "normalised": Experts(5, 3),
  "of all": Experts(5, 3, normalised=False),
  "one": Experts(5, 1, normalised=False),
  "all": Experts(3, 3),
  "clamped, biases": Experts(5, 2, bias=True, swiglu_alpha=1.7, swiglu_limit=0.9),
}


def close(x, y):
  np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5 * max(1, np.abs(y).max()))


def with_gradients(fn):
  """fn's sum of sines and its gradients by both arguments."""
  value = jax.value_and_grad(lambda *args: jnp.sin(fn(*args)).sum(), (0, 1))
  return jax.jit(value, compiler_options=FAST)


@pytest.mark.parametrize(
  "sizes", [(70, 0, 131, 1, 0), (0, 0, 0, 0, 3), (64, 64, 0, 65, 7), (1, 1, 1, 0, 1)]
)
def test_rows_times_the_matrix_of_their_group(sizes):
  random = np.random.default_rng(0)
  x, w = (random.normal(size=shape).astype("f4") for shape in ((sum(sizes), 7), (5, 7, 11)))
  group, sizes = np.repeat(np.arange(5), sizes), jnp.int32(sizes)
  expected = with_gradients(lambda x, w: jnp.einsum("rd,rdf->rf", x, w[group]))(x, w)
  # On a CPU the one is not the other.
  for product in (grouped.grouped_dot, jax.lax.ragged_dot):
    found = with_gradients(lambda x, w, product=product: product(x, w, sizes))(x, w)
    jax.tree.map(close, found, expected)


def every_expert(variables, x_BTD, experts):
  """All experts for all tokens, those that were not chosen times 0; adapters as in merged
  kernels."""
  flat = jax.tree.map(lambda x: x, variables["params"])
  for name in variables.get("lora", ()):
    pair, scale = variables["lora"][name], variables["lora_scale"][name]["scale"]
    lead = "" if name == "router" else "e"
    out = "uo" if name == "gate_up" else "o"
    delta = jnp.einsum(f"{lead}ir,{lead}r{out}->{lead}i{out}", pair["a"], pair["b"])
    flat[name] = flat[name] | {"kernel": flat[name]["kernel"] + scale * delta}
  router, up, down = flat["router"], flat["gate_up"], flat["down"]
  scores = x_BTD @ router["kernel"] + router.get("bias", jnp.zeros(1))[None, None]
  gates = jax.nn.softmax(scores)
  lowest = jnp.sort(gates, -1)[..., -experts.per_token, None]
  gates = jnp.where(gates >= lowest, gates, 0)
  if experts.normalised:
    gates /= gates.sum(-1, keepdims=True)
  h = jnp.einsum("btd,eduf->betuf", x_BTD, up["kernel"])
  h += up["bias"][None, :, None] if experts.bias else 0
  gate, up = h[..., 0, :], h[..., 1, :]
  if experts.swiglu_limit:
    limit = experts.swiglu_limit
    gate, up = jnp.minimum(gate, limit), jnp.clip(up, -limit, limit) + 1
    h = gate / (1 + jnp.exp(-experts.swiglu_alpha * gate)) * up
  else:
    h = jax.nn.silu(gate) * up
  y = jnp.einsum("betf,efd->betd", h, down["kernel"])
  y += down["bias"][None, :, None] if experts.bias else 0
  return jnp.einsum("betd,bte->btd", y, gates)


def made(experts, adapter=False):
  """(module, variables with no zeros in them, x [4, 37, D])."""
  config = CONFIG.with_(experts=experts)
  moe, E, F, r = MoE(config, jnp.float32), experts.count, config.F, 2
  random = np.random.default_rng(0)
  draw = lambda shape: random.normal(0, 0.4, shape.shape).astype("f4")
  x = draw(jax.ShapeDtypeStruct((4, 37, config.D), "f4"))
  variables = dict(jax.eval_shape(moe.init, jax.random.key(0), x, False))
  if adapter:
    pair = lambda a, b: {"a": jax.ShapeDtypeStruct(a, "f4"), "b": jax.ShapeDtypeStruct(b, "f4")}
    variables["lora"] = {
      "router": pair((13, r), (r, E)),
      "gate_up": pair((E, 13, r), (E, r, 2, F)),
      "down": pair((E, F, r), (E, r, 13)),
    }
  variables = jax.tree.map(draw, variables)
  if adapter:
    variables["lora_scale"] = {name: {"scale": np.float32(1.5)} for name in variables["lora"]}
  return moe, variables, x


@pytest.mark.parametrize("name", [*KINDS, "adapter"])
def test_it_is_what_every_expert_for_every_token_gives(name):
  experts = KINDS.get(name, KINDS["normalised"])
  moe, variables, x = made(experts, name == "adapter")
  expected = with_gradients(lambda v, x: every_expert(v, x, experts))(variables, x)
  jax.tree.map(close, with_gradients(lambda v, x: moe.apply(v, x, False))(variables, x), expected)


@pytest.mark.parametrize("shape", [dict(data=8), dict(data=2, fsdp=2, tensor=2)])
def test_devices_give_what_one_gives(shape):
  """Four rows, which do not divide over eight devices, and F = 6, which divides over two."""
  moe, variables, x = made(KINDS["clamped, biases"])
  alone, together = (with_gradients(lambda v, x: moe.apply(v, x, False)) for _ in range(2))
  expected = alone(variables, x)
  with jax.set_mesh(make_mesh(**shape)):
    jax.tree.map(close, together(variables, x), expected)


def test_a_token_does_not_move_a_bit_of_another():
  """Wherever the others are sorted to, and in whatever block they come to lie."""
  moe, variables, x = made(KINDS["normalised"])
  run = jax.jit(lambda x: moe.apply(variables, x, False), compiler_options=FAST)
  before, after = run(x), run(np.concatenate([x[:, :20], -x[:, 20:]], 1))
  assert np.array_equal(before[:, :20], after[:, :20])
  assert (before[:, 20:] != after[:, 20:]).any(-1).all()


def test_of_equal_scores_the_first_experts_are_chosen_and_none_is_chosen_twice():
  gates, ids = route(jnp.zeros((1, 2, 5)), Experts(5, 3))
  assert np.array_equal(ids, [[[0, 1, 2]] * 2])
  close(gates, np.full((1, 2, 3), 1 / 3))
  gates, ids = route(jnp.asarray([[[0.0, 2, 1, 1, 1]]]), Experts(5, 3, normalised=False))
  assert np.array_equal(ids, [[[1, 2, 3]]])
  close(gates[0, 0], np.exp([2, 1, 1]) / (1 + np.exp(2) + 3 * np.e))


def test_all_tokens_to_one_expert_and_none_is_dropped():
  moe, variables, x = made(KINDS["one"])
  variables["params"]["router"]["kernel"] = jnp.zeros((13, 5))
  expected = every_expert(variables, x, Experts(5, 5, normalised=False))
  router = variables["params"]["router"]
  first = {
    n: {"kernel": p["kernel"] * (np.arange(5) == 0).reshape(-1, *(1,) * (p["kernel"].ndim - 1))}
    for n, p in variables["params"].items()
    if n != "router"
  }
  only = every_expert({"params": first | {"router": router}}, x, Experts(5, 5, normalised=False))
  assert not np.allclose(only, expected, atol=1e-3)
  close(moe.apply(variables, x, False), only)


def test_experts_are_read_straight_to_wherever_they_belong(variant):
  """Also where a device has only one of the tensors that lie side by side."""
  c = hf.open_checkpoint(variant("mixtral"))
  mesh = make_mesh(data=4, tensor=2)
  spec = lambda name: P(None, None, None, "tensor") if "gate_up" in name else P()
  found = hf.read(c, jnp.float32, lambda name, _: NamedSharding(mesh, spec(name)))
  kernel = found["params"]["layers"]["experts"]["gate_up"]["kernel"]
  assert {s.data.shape for s in kernel.addressable_shards} == {(3, 5, 36, 1, 20)}
  jax.tree.map(np.testing.assert_array_equal, found, hf.read(c, jnp.float32))


def test_dropout_on_experts_is_refused():
  moe, variables, x = made(KINDS["normalised"], adapter=True)
  with pytest.raises(InputError, match="adapter.dropout=0.5 with adapters on experts"):
    moe.clone(dropout=0.5).apply(variables, x, True, rngs={"dropout": jax.random.key(0)})
