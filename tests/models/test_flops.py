"""FLOPs are those of the products that the forward pass is made of, counted by hand and by XLA."""

import jax
import jax.numpy as jnp
import numpy as np

from ftjax.models import decoder, flops
from ftjax.models.families import llama
from ftjax.parallel.chips import PEAK_BFLOAT16, peak_flops
from ftjax.research import mfu
from ftjax.train.loss import next_token_loss
from tests.train.toy import HF


def test_a_layer_counted_by_hand():
  config = llama.config(HF)
  own = 16 * 4 * (4 + 2 + 2 + 4) + 3 * 16 * 40  # query, key, value, out; gate, up, down
  attention = 2 * 2 * 4 * 4 * 10 / 2  # two products of 4 heads of 4 over 10 keys, half of them
  full = flops.training(config, 10, frozen=False)
  assert full.token == 3 * 2 * (2 * own + attention)
  assert full.trained == 6 * 16 * 61
  lora = flops.training(config, 10, frozen=True)
  assert lora.token == 2 * 2 * (2 * own) + 3 * 2 * 2 * attention / 2
  assert full.step(5, 3) == 5 * full.token + 3 * full.trained


def test_as_many_as_xla_counts_in_the_forward_pass():
  config = llama.config(HF)
  ids = jnp.ones((2, 32), jnp.int32)

  def loss(variables):
    model = decoder.Decoder(config, scan=False, attention="xla")
    hidden, _ = model.apply(variables, ids, ids, ids)
    head, weights = decoder.head(variables, config), jnp.ones((2, 32))
    return next_token_loss(hidden, head, ids, weights, chunk=64)[0]

  shapes = jax.eval_shape(lambda: decoder.unstack(decoder.init(config, jax.random.key(0)), 2))
  counted = jax.jit(loss).lower(shapes).compile().cost_analysis()["flops"]
  # XLA does both halves of attention's square, as it is told to here.
  forward = flops.training(config, 2 * 32, frozen=False).step(64, 64) / 3
  assert forward < counted < 1.35 * forward  # norms, softmax and activations are not counted


def test_documents_count_by_their_own_squares():
  assert mfu.span([5, 5, 5]) == 5
  assert mfu.span([1, 3]) == 2.5


def test_mfu_is_flops_over_peak_and_absent_where_no_peak_is_known():
  class Rows:
    places_taken = np.array([4, 8])

  config = llama.config(HF)
  line = {"train/tokens_per_second": 100.0, "train/supervised_tokens_per_second": 40.0}
  derive = mfu.meter(config, Rows, frozen=False, devices=2, peak=1e9)
  needed = flops.training(config, (16 + 64) / 12, frozen=False).step(100, 40)
  assert derive(line) == {"train/mfu": needed / 2e9}
  assert derive({"validation/loss": 1.0}) == {}
  assert mfu.meter(config, Rows, frozen=False, devices=2)(line) == {}


def test_the_longest_name_of_a_chip_counts():
  class Device:
    device_kind = "TPU v5 lite"

  assert peak_flops(Device) == 197e12
  Device.device_kind = "NVIDIA H100 80GB HBM3"
  assert peak_flops(Device) == PEAK_BFLOAT16["NVIDIA H100"]
