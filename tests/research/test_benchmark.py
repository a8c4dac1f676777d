"""Benchmarks: what sides get, what the suite keeps, and which questions are refused."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from ftjax.config import InputError
from ftjax.models import hf
from ftjax.models.shapes import SHAPES
from ftjax.research import benchmark, benchmark_suite


def test_full_rows_fill_their_places_and_uneven_ones_have_untrained_prompts(tmp_path):
  read = lambda path: [json.loads(line) for line in path.read_text().splitlines()]
  full = read(benchmark.write_rows(tmp_path / "full", "full", 16, 100, 3))
  assert [len(r["input_ids"]) for r in full] == [17] * 3
  assert all(r["labels"] == r["input_ids"] for r in full)
  uneven = read(benchmark.write_rows(tmp_path / "uneven", "uneven", 256, 100, 200))
  prompts = np.array([r["labels"].count(-100) for r in uneven])
  answers = np.array([len(r["labels"]) for r in uneven]) - prompts
  assert 20 <= prompts.min() < prompts.max() <= 75
  assert 10 <= answers.min() < answers.max() <= 55
  assert all(r["labels"][p:] == r["input_ids"][p:] for r, p in zip(uneven, prompts, strict=True))


def test_steps_end_by_number_or_by_seconds():
  assert len(benchmark.timed(lambda: None, 5, seconds=60)) == 5
  assert len(benchmark.timed(lambda: None, 5, seconds=-1)) == 2


@pytest.mark.parametrize("mode, peer", [("full", "transformers"), ("generate", "trl")])
def test_a_peer_that_does_something_else_is_refused(mode, peer):
  with pytest.raises(InputError, match=f"--against={peer} does not go with --mode={mode}"):
    benchmark.turns(peer, mode=mode, length=8, batch=1)


def test_a_shape_by_name_has_random_weights_and_is_made_once(tmp_path, monkeypatch):
  small = SHAPES["gemma-2b"] | {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 40,
  }  # fmt: skip
  monkeypatch.setitem(SHAPES, "gemma-2b", small)
  folder = benchmark.model_folder("gemma-2b", tmp_path, {})
  params = hf.read(hf.open_checkpoint(folder), jnp.float32)["params"]
  assert (
    params["embed"]["tokens"].shape == (40, 16)
    and params["layers"]["mlp"]["up"]["kernel"].std() > 0.01
  )
  assert abs(float(params["final_norm"]["scale"].mean()) - 1) < 0.1
  before = (folder / "model.safetensors").stat().st_mtime_ns
  assert benchmark.model_folder("gemma-2b", tmp_path, {}) == folder
  assert (folder / "model.safetensors").stat().st_mtime_ns == before
  assert benchmark.model_folder(str(folder), tmp_path / "other", {}) == folder


def numbers(rate: float) -> dict[str, float]:
  return {
    "tokens_per_second": rate, "supervised_tokens_per_second": rate / 2, "peak_rss_bytes": 2e9,
    "first_step_seconds": 9.0, "share_of_gemm_peak": 0.7, "gemm_peak_flops": 2e11,
  }  # fmt: skip


def test_the_suite_goes_on_where_it_stopped_and_over_rows_that_fail(tmp_path, capsys, monkeypatch):
  measured = []

  def measure(row, path, python):
    measured.append(row.name)
    if row.peer == "tunix":
      raise InputError("tunix did not run: no module")
    both = {"ftjax": numbers(30.0), row.peer: numbers(10.0)}
    return both | {"ratio": benchmark.ratio(*both.values())}

  monkeypatch.setattr(benchmark_suite, "_measure", measure)
  benchmark_suite.suite(str(tmp_path), ["full"], "")
  printed = capsys.readouterr().out
  assert "| full f32 / TRL f32 | 30/s | 10/s | 3.00 | 2.2 | 1.00 | 9.0 s / 9.0 s | 0.70 of 200 GFLOP/s |" in printed  # fmt: skip
  assert "| full f32 / Tunix | not measured: tunix did not run: no module |" in printed
  first = len(measured)
  benchmark_suite.suite(str(tmp_path), ["full"], "")
  assert first == 4 and measured[first:] == ["full f32 / Tunix"]
  assert capsys.readouterr().out.count("3.00") == 3
