"""The chunked cross-entropy is the plain one, in value and gradient, and never holds the logits
whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.models.head import Head
from ftjax.parallel.mesh import make_mesh
from ftjax.train.loss import next_token_loss

B, T, D, V = 3, 13, 5, 17  # prime sizes


def inputs(tied: bool, bias: bool, dtype=jnp.float32, **flags):
  rng = np.random.default_rng(0)
  normal = lambda *shape: jnp.asarray(rng.normal(size=shape), dtype)
  kernel = normal(V, D) if tied else normal(D, V)
  targets = jnp.asarray(rng.integers(0, V, (B, T)), jnp.int32)
  weights = jnp.asarray(rng.choice([0.0, 0.5, 1.0], (B, T)), jnp.float32)
  head = Head(kernel, normal(V) if bias else None, tied, **flags)
  return normal(B, T, D), head, targets, weights


def plain(hidden, head, targets, weights):
  logits = jnp.einsum("btd,vd->btv" if head.tied else "btd,dv->btv", hidden, head.kernel)
  if head.bias is not None:
    logits += head.bias[None, None]
  logits *= head.scale
  if head.cap:
    logits = head.cap * jnp.tanh(logits / head.cap)
  nll = -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], -1)[..., 0] * weights
  return nll.sum(), nll.sum(-1)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
  "chunk, flags",
  [(1, {}), (7, {}), (12, dict(scale=0.3)), (12, dict(scale=0.7, cap=2.5)), (1000, dict(cap=1.5))],
)
def test_equals_the_plain_loss_and_its_gradients(tied, bias, chunk, flags):
  hidden, head, targets, weights = inputs(tied, bias, **flags)
  ours = lambda h, w: next_token_loss(h, w, targets, weights, chunk=chunk)
  theirs = lambda h, w: plain(h, w, targets, weights)
  for a, b in zip(jax.jit(ours)(hidden, head), theirs(hidden, head), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5)
  scaled = lambda f: lambda *args: f(*args)[0] * 0.37  # a cotangent that is not 1
  ours_grad = jax.grad(scaled(ours), argnums=(0, 1))(hidden, head)
  theirs_grad = jax.grad(scaled(theirs), argnums=(0, 1))(hidden, head)
  for a, b in zip(jax.tree.leaves(ours_grad), jax.tree.leaves(theirs_grad), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_rows_and_tokens_over_a_mesh_give_the_same_and_are_added_up_once():
  """Chunks take tokens from every device; a trained head's gradient is summed after the loop."""
  rng = np.random.default_rng(0)
  hidden, kernel = rng.normal(size=(4, 24, D)).astype("f4"), rng.normal(size=(D, V)).astype("f4")
  targets = rng.integers(0, V, (4, 24)).astype("i4")
  weights = rng.choice([0.0, 0.5, 1.0], (4, 24)).astype("f4")
  loss = lambda h, k: next_token_loss(h, Head(k), targets, weights, chunk=7)[0]
  graded = jax.jit(jax.value_and_grad(loss, (0, 1)))
  expected = graded(hidden, kernel)
  with jax.set_mesh(make_mesh(data=2, fsdp=2, sequence=2)):
    found = jax.jit(jax.value_and_grad(loss, (0, 1)))
    text = found.lower(hidden, kernel).compile().as_text()
    for a, b in zip(jax.tree.leaves(found(hidden, kernel)), jax.tree.leaves(expected), strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
  inside = [line for line in text.splitlines() if " all-reduce(" in line and "while/body" in line]
  assert not [line for line in inside if f"f32[{D},{V}]" in line]


@pytest.mark.parametrize("tied", [True, False])
def test_the_sum_over_devices_is_split_before_anything_goes_on(tied):
  """On a mesh a whole gradient of the head does not wait for the optimizer: d_hidden waits for its
  part."""
  rng = np.random.default_rng(0)
  hidden, kernel = rng.normal(size=(8, 6, 16)).astype("f4"), rng.normal(size=(16, 24)).astype("f4")
  kernel = kernel.T if tied else kernel
  targets, weights = rng.integers(0, 24, (8, 6)).astype("i4"), np.ones((8, 6), "f4")
  loss = lambda h, k: next_token_loss(h, Head(k, tied=tied), targets, weights, chunk=7)[0]
  expected = jax.jit(jax.grad(loss, (0, 1)))(hidden, kernel)
  with jax.set_mesh(make_mesh(data=2, fsdp=2, sequence=2)):
    lowered = jax.jit(jax.grad(loss, (0, 1))).lower(hidden, kernel)
    found = lowered.compile()(hidden, kernel)
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
  [barrier] = [x for x in lowered.as_text().splitlines() if "optimization_barrier" in x]
  assert "tensor<{}x{}xf32>".format(*kernel.shape) in barrier and "tensor<8x6x16xf32>" in barrier
  parts = found[1].sharding.shard_shape(kernel.shape)
  assert parts == ((24, 4) if tied else (4, 24))


def shapes_in(jaxpr) -> set[tuple[int, ...]]:
  """Shapes of every intermediate value, inner programs included."""
  found = set()
  for eqn in jaxpr.eqns:
    found |= {v.aval.shape for v in eqn.outvars}
    for param in jax.tree.leaves(
      eqn.params, is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")
    ):
      inner = getattr(param, "jaxpr", param)
      if hasattr(inner, "eqns"):
        found |= shapes_in(inner)
  return found


@pytest.mark.parametrize("train_head", [True, False])
def test_no_whole_logits_and_no_head_gradient_where_the_head_is_frozen(train_head):
  hidden, head, targets, weights = inputs(False, False)
  loss = lambda h, w: next_token_loss(h, w, targets, weights, chunk=B)[0]
  jaxpr = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1) if train_head else 0))(hidden, head)
  shapes = shapes_in(jaxpr.jaxpr)
  assert (1, B, V) in shapes
  assert not {(B, T, V), (1, B * T, V)} & shapes
  assert ((D, V) in shapes) == train_head


def test_a_weight_of_zero_silences_what_is_not_finite():
  hidden, head, targets, weights = inputs(True, False)
  hidden = hidden.at[1, 4].set(jnp.inf)
  weights = weights.at[1, 4].set(0.0)
  total, rows = next_token_loss(hidden, head, targets, weights)
  assert np.isfinite(total) and np.isfinite(rows).all()


def test_only_trained_tokens_come_into_chunks():
  hidden, head, targets, weights = inputs(True, False)
  trained = weights[..., None] > 0
  assert 5 < trained.sum() < B * T - 5
  broken = jnp.where(trained, hidden, jnp.nan)  # No logit of these may be computed at all.
  loss = lambda h, w: next_token_loss(h, w, targets, weights, chunk=1)[0]
  found = jax.grad(loss, argnums=(0, 1))(broken, head)
  expected = jax.grad(lambda h, w: plain(h, w, targets, weights)[0], argnums=(0, 1))(hidden, head)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_batch_without_trained_tokens_has_no_loss_and_no_gradient():
  hidden, head, targets, weights = inputs(False, False)
  loss = lambda h: next_token_loss(h, head, targets, jnp.zeros_like(weights))[0]
  value, grad = jax.value_and_grad(loss)(hidden)
  assert value == 0 and not grad.any()


def test_rows_tell_which_one_is_not_finite():
  hidden, head, targets, weights = inputs(True, False)
  hidden = hidden.at[1, 4].set(jnp.nan)
  rows = next_token_loss(hidden, head, targets, jnp.ones_like(weights))[1]
  assert np.isfinite(np.asarray(rows)).tolist() == [True, False, True]


def test_bfloat16_sums_in_float32():
  hidden, head, targets, weights = inputs(False, False, jnp.bfloat16)
  total, _ = next_token_loss(hidden, head, targets, weights)
  exact, _ = plain(
    hidden.astype(jnp.float32),
    jax.tree.map(lambda x: x.astype(jnp.float32), head),
    targets,
    weights,
  )
  assert total.dtype == jnp.float32
  np.testing.assert_allclose(total, exact, rtol=1e-2)


def test_a_head_of_the_wrong_layout_is_refused():
  hidden, head, targets, weights = inputs(True, False)
  with pytest.raises(ValueError, match="tied=False does not go with a head of shape"):
    next_token_loss(hidden, head.replace(tied=False), targets, weights)


@pytest.mark.parametrize("padding", [0, 3])
def test_label_smoothing_is_torchs(padding):
  torch = pytest.importorskip("torch")
  hidden, head, targets, weights = inputs(False, False, padding=padding)
  targets %= V - padding
  ours = lambda h, w: next_token_loss(h, w, targets, weights, chunk=7, smoothing=0.1)[0]
  value, (d_hidden, d_head) = jax.value_and_grad(ours, argnums=(0, 1))(hidden, head)

  h, w = (torch.tensor(np.asarray(x), requires_grad=True) for x in (hidden, head.kernel))
  scores = (h @ w)[..., : V - padding].flatten(0, 1)
  loss = torch.nn.functional.cross_entropy(
    scores,
    torch.tensor(np.asarray(targets)).flatten().long(),
    reduction="none",
    label_smoothing=0.1,
  )
  total = (loss * torch.tensor(np.asarray(weights)).flatten()).sum()
  total.backward()
  np.testing.assert_allclose(value, total.item(), rtol=1e-5)
  np.testing.assert_allclose(d_hidden, h.grad.numpy(), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(d_head.kernel, w.grad.numpy(), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(
    next_token_loss(hidden, head, targets, weights, smoothing=0.1)[0], value, rtol=1e-5
  )
