"""The learning rate of a model's size, and rates that differ between leaves: PEFT's LoRA+, and less the lower a layer is."""

from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytest

from ftjax.config import InputError
from ftjax.defaults import get_config
from ftjax.models import hf
from ftjax.models.adapters import starting
from ftjax.pretrained import resolved
from ftjax.train import optim, rates

SHAPES = {
  "params/embed/tokens": (7, 4), "params/final_norm/scale": (4,), "params/head/kernel": (4, 7),
  "params/layers/mlp/down/kernel": (3, 5, 4),
}  # fmt: skip
LORA = {
  "lora/embed/tokens/a": (7, 2), "lora/embed/tokens/b": (2, 4), "lora/head/b": (2, 7),
  "lora/layers/mlp/down/a": (3, 5, 2), "lora/layers/mlp/down/b": (3, 2, 4),
  "lora/layers/mlp/down/magnitude": (3, 4),
}  # fmt: skip


@pytest.mark.parametrize(
  "parameters, full, pairs",
  [(10_000, 2e-3, 1e-2), (260_032, 2e-3, 1e-2), (2_000_000, 2e-3, 1e-2), (56_000_000, 1.7e-4, 1.7e-3),
   (10**9, 2e-5, 2e-4), (7 * 10**10, 2e-5, 2e-4)],
)  # fmt: skip
def test_a_rate_suits_the_models_size(parameters, full, pairs):
  assert rates.suitable(parameters) == full
  assert rates.suitable(parameters, "lora") == pairs
  assert (
    rates.suitable(parameters, optimizer="muon")
    == full
    > rates.suitable(parameters, optimizer="lion")
  )


def test_every_kind_and_every_optimizer_has_one_or_says_that_it_has_none():
  for kind in ("none", *starting.NEW):
    assert rates.suitable(10**6, kind) > 0
  for name in optim.OPTIMIZERS.keys() - {"sgd"}:
    assert rates.suitable(10**6, optimizer=name) > 0
  with pytest.raises(InputError, match="optim.learning_rate=0 .* for optim.name=sgd none is known"):
    rates.suitable(10**6, optimizer="sgd")


@pytest.mark.parametrize("kind, wanted", [("none", 2e-3), ("lora", 1e-2)])
def test_a_config_takes_the_models_rate_unless_it_has_one(source, kind, wanted):
  opened = SimpleNamespace(checkpoint=hf.open_checkpoint(source))
  config = get_config()
  config.adapter.kind = kind
  assert resolved(config, opened).optim.learning_rate == wanted
  config.optim.learning_rate = 3e-7
  assert resolved(config, opened).optim.learning_rate == 3e-7


def test_each_layer_has_a_share_of_the_next_ones_rate():
  found = rates.multipliers(SHAPES, layer_decay=0.5)
  np.testing.assert_allclose(found.pop("params/layers/mlp/down/kernel"), [1 / 8, 1 / 4, 1 / 2])
  assert found == {
    "params/embed/tokens": 1 / 16, "params/final_norm/scale": 1.0, "params/head/kernel": 1.0
  }  # fmt: skip


def test_lora_plus_is_on_what_begins_at_zero():
  found = rates.multipliers(LORA, lora_plus=16.0)
  assert {n.removeprefix("lora/") for n, x in found.items() if x == 16} == {
    "head/b", "layers/mlp/down/b", "layers/mlp/down/magnitude"
  }  # fmt: skip
  assert set(found.values()) == {1.0, 16.0}
  both = rates.multipliers(LORA, lora_plus=16.0, layer_decay=0.5)["lora/layers/mlp/down/b"]
  np.testing.assert_allclose(both, [2, 4, 8])


def test_lora_plus_updates_as_pefts_parameter_groups():
  import torch
  from peft import LoraConfig, get_peft_model
  from peft.optimizers import create_loraplus_optimizer

  torch.manual_seed(0)
  model = get_peft_model(
    torch.nn.Sequential(torch.nn.Linear(5, 4)), LoraConfig(r=2, target_modules=["0"])
  )
  theirs = create_loraplus_optimizer(
    model, torch.optim.AdamW, lr=0.1, loraplus_lr_ratio=8.0, loraplus_weight_decay=0.3, eps=1e-8
  )
  pair = {n: p for n, p in model.named_parameters() if p.requires_grad}
  a, b = (next(p for n, p in pair.items() if side in n) for side in ("lora_A", "lora_B"))
  layer = {"a": a.detach().numpy().T[None].copy(), "b": b.detach().numpy().T[None].copy()}
  ours = {"lora": {"layers": {"mlp": {"down": layer}}}}
  schedule = optax.constant_schedule(0.1)
  tx = optim.make_optimizer("adamw", schedule, lora_plus=8.0, weight_decay=0.3, clip=0.0)
  state, random = tx.init(ours), np.random.default_rng(0)
  for _ in range(3):
    grads = jax.tree.map(lambda x: random.normal(size=x.shape).astype("f4"), ours)
    mine = grads["lora"]["layers"]["mlp"]["down"]
    a.grad, b.grad = (torch.tensor(mine[k][0].T) for k in "ab")
    theirs.step()
    updates, state = tx.update(grads, state, ours)
    ours = optax.apply_updates(ours, updates)
  mine = ours["lora"]["layers"]["mlp"]["down"]
  np.testing.assert_allclose(mine["a"][0].T, a.detach().numpy(), rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(mine["b"][0].T, b.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_factors_that_are_none_are_refused():
  with pytest.raises(InputError, match="optim.layer_decay=1.5 must be above 0 and at most 1"):
    rates.check(1.0, 1.5)
  with pytest.raises(InputError, match="adapter.lora_plus=0 must be greater than 0"):
    rates.check(0, 1.0)
