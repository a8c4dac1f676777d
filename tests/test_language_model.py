"""ftjax.load: logits, text and saving, on real and on tiny models."""

import json
import shutil
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import ftjax
from ftjax.config import InputError
from ftjax.parallel.mesh import make_mesh
from tests.tiny import KINDS, tiny_checkpoint, torch_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  return {k: tiny_checkpoint(k, tmp_path_factory.mktemp(k), noise=0.3) for k in KINDS}


@pytest.fixture(scope="module")
def stories(shared):
  return ftjax.load(shared / "models" / "stories260K")


def test_a_real_model_decodes_to_its_published_text(stories, shared):
  golden = (shared / "models" / "stories260K" / "golden.txt").read_text(encoding="utf-8")
  assert golden.endswith("you.\n")  # The file's own last line break.
  assert stories.generate([""], max_new_tokens=256) == [golden.removesuffix("\n")]
  (completion,) = stories.generator.generate([""], max_new_tokens=256)
  assert len(completion.ids) == 256 and not completion.finished


def test_spaces_at_the_seam_survive_and_stop_strings_are_cut_off(stories):
  text = stories.generate("Once upon a time", max_new_tokens=40)
  assert text[0].startswith(", there was a little girl named Lily. She")
  lily = stories.generate("Once upon a time, there was a little girl", max_new_tokens=40)
  assert lily[0].startswith(" named Lily. She")
  cut = stories.generate(
    "Once upon a time", max_new_tokens=40, stop=["nothing", "ly. S", "Lily. She"]
  )
  assert cut == [", there was a little girl named "]
  (completion,) = stories.generator.generate(["Once upon a time"], max_new_tokens=40, stop="ly.")
  assert completion.reason == "stop" and completion.text.endswith("named Li")
  assert stories.tokenizer.decode(completion.ids).endswith("Lily.")


@pytest.mark.parametrize("stop", [(), ("ly. She lo", "zzz"), ("named",), (". ",)])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_stream_adds_up_to_the_whole_text(stories, stop, temperature):
  options = dict(max_new_tokens=40, seed=3, stop=stop)
  (whole,) = stories.generate("Once upon a time", temperature=temperature, **options)
  sampling = ftjax.generate.sampling.Sampling(temperature)
  pieces = list(stories.generator.stream("Once upon a time", sampling=sampling, **options))
  assert "".join(pieces) == whole
  assert len(pieces) > 1 and all(pieces)
  assert "\ufffd" not in "".join(pieces[:-1])  # Half a character is held back.


def test_a_conversation_goes_through_the_template(stories):
  asked = stories.chat([{"role": "user", "content": "Tell me a story"}], max_new_tokens=20)
  assert asked == stories.generate("Tell me a story\n", max_new_tokens=20)[0]
  assert asked == stories.chat("Tell me a story", max_new_tokens=20)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_transformers(folders, kind):
  ids = np.random.default_rng(0).integers(0, 97, (3, 23))
  with torch.no_grad():
    theirs = torch_model(folders[kind])(torch.tensor(ids)).logits.numpy()
  model = ftjax.load(folders[kind])
  ours = model.logits(ids)
  assert ours.dtype == jnp.float32 and ours.shape == (3, 23, 97)
  np.testing.assert_allclose(ours, theirs, atol=1e-4)
  segments = np.zeros((3, 23), int)  # One row's parts, packed: each as it is alone.
  segments[:, 2:9], segments[:, 9:20] = 1, 2
  packed = np.asarray(model.logits(ids.tolist(), segments.tolist()))
  with torch.no_grad():
    parts = [
      torch_model(folders[kind])(torch.tensor(ids[:, a:b])).logits for a, b in ((2, 9), (9, 20))
    ]
  np.testing.assert_allclose(packed[:, 2:20], torch.cat(parts, 1).numpy(), atol=1e-4)


def test_a_mesh_and_bfloat16_change_rounding_alone(folders):
  ids = np.random.default_rng(0).integers(0, 97, (4, 11))
  plain = ftjax.load(folders["llama"])
  mesh = make_mesh(2, 2, 2)
  sharded = ftjax.load(folders["llama"], mesh=mesh)
  np.testing.assert_allclose(sharded.logits(ids), plain.logits(ids), atol=1e-5)
  kernel = sharded.variables["params"]["layers"]["mlp"]["up"]["kernel"]
  assert kernel.addressable_shards[0].data.size * 4 == kernel.size
  rows = ids[:2].tolist()
  ids_of = lambda model: [c.ids for c in model.generator.generate(rows, max_new_tokens=8)]
  assert ids_of(sharded) == ids_of(plain)
  half = ftjax.load(folders["llama"], dtype="bfloat16")
  assert half.variables["params"]["embed"]["tokens"].dtype == jnp.bfloat16
  difference = np.abs(half.logits(ids) - plain.logits(ids)).max()
  assert 1e-4 < difference < 0.1 * np.abs(plain.logits(ids)).max()


def test_what_is_saved_loads_as_the_same_model(stories, tmp_path):
  stories.save(tmp_path / "saved")
  again = ftjax.load(tmp_path / "saved")
  ids = [[1, 403, 407, 261]]
  np.testing.assert_array_equal(again.logits(ids), stories.logits(ids))
  assert again.stop_ids == stories.stop_ids == (2,)
  assert again.generate("The dog", max_new_tokens=9) == stories.generate(
    "The dog", max_new_tokens=9
  )
  tiny = torch_model(tmp_path / "saved")
  with torch.no_grad():
    theirs = tiny(torch.tensor(ids)).logits.numpy()
  np.testing.assert_allclose(again.logits(ids), theirs, atol=1e-4)


@pytest.fixture(scope="module")
def adapter(folders, tmp_path_factory):
  """An adapter made by peft, every weight of it random; its config names the base."""
  import peft

  folder = tmp_path_factory.mktemp("adapter")
  torch.manual_seed(0)
  settings = peft.LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", task_type="CAUSAL_LM")
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # peft still asks transformers by a deprecated name.
    model = peft.get_peft_model(torch_model(folders["llama"]), settings)
  with torch.no_grad():
    for name, weight in model.named_parameters():
      if "lora_" in name:
        weight.add_(0.3 * torch.randn_like(weight))
  model.save_pretrained(str(folder))
  ids = torch.arange(22).reshape(2, 11)
  with torch.no_grad():
    return folder, ids.numpy(), model.eval()(ids).logits.numpy()


def test_an_adapter_is_a_source_or_put_on_a_base(folders, adapter, tmp_path):
  folder, ids, theirs = adapter
  alone, on_base = ftjax.load(folder), ftjax.load(folders["llama"], adapter=folder)
  for model in (alone, on_base):
    np.testing.assert_allclose(model.logits(ids), theirs, atol=1e-4)
  assert np.abs(ftjax.load(folders["llama"]).logits(ids) - theirs).max() > 0.01
  on_base.save(tmp_path / "merged")
  merged = ftjax.load(tmp_path / "merged")
  assert set(merged.variables) == {"params"}
  np.testing.assert_allclose(merged.logits(ids), theirs, atol=1e-4)
  run = lambda model: [c.ids for c in model.generator.generate(ids.tolist(), max_new_tokens=8)]
  assert run(alone) == run(merged) != run(ftjax.load(folders["llama"]))
  with pytest.raises(InputError, match="is an adapter itself: give its base"):
    ftjax.load(folder, adapter=folder)


def test_a_base_beside_its_adapter_is_found(folders, adapter, tmp_path):
  shutil.copytree(folders["llama"], tmp_path / "base")
  shutil.copytree(adapter[0], tmp_path / "adapter")
  path = tmp_path / "adapter" / "adapter_config.json"
  settings = json.loads(path.read_text())
  path.write_text(json.dumps(settings | {"base_model_name_or_path": "../base"}))
  assert ftjax.load(tmp_path / "adapter").folder == (tmp_path / "base").resolve()
  path.write_text(json.dumps(settings | {"base_model_name_or_path": None}))
  with pytest.raises(InputError, match="names no base_model_name_or_path"):
    ftjax.load(tmp_path / "adapter")


def test_a_folder_without_a_tokenizer_works_with_ids(folders):
  model = ftjax.load(folders["llama"])
  assert model.tokenizer is None
  assert len(model.generator.generate([[1, 2]], max_new_tokens=5)[0].ids) == 5
  with pytest.raises(InputError, match="has no tokenizer, and `generate` gives text.*lists_of_ids"):
    model.generate(["a"])
  with pytest.raises(InputError, match="has no tokenizer, and `chat` gives text"):
    model.chat("a")


def test_bad_input_is_explained(folders, stories):
  with pytest.raises(
    InputError, match="dtype='float16' is not known. Use one of: float32, bfloat16"
  ):
    ftjax.load(folders["llama"], dtype="float16")
  with pytest.raises(InputError, match="there is no such folder"):
    ftjax.load("./nowhere")
  with pytest.raises(InputError, match=r"whole numbers \[rows, length\], all rows of one length"):
    stories.logits([[1, 2], [3]])
  with pytest.raises(InputError, match="not float64"):
    stories.logits([[1.5, 2.0]])
  with pytest.raises(InputError, match="ids from 1 to 512; the model knows 0 to 511"):
    stories.logits([[1, 512]])
  with pytest.raises(InputError, match=r"tokens are \(1, 2\) and segments \(1, 3\)"):
    stories.logits([[1, 2]], [[1, 1, 1]])
  with pytest.raises(InputError, match="top_p=0 is out of range"):
    stories.generate("a", temperature=1.0, top_p=0)
  long = ftjax.load(folders["gpt2"])
  with pytest.raises(
    InputError, match="A document has 129 tokens, and the model has 128 positions"
  ):
    long.logits(np.ones((1, 129), int))
