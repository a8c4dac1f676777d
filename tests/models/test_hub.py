"""Sources: folders, and the hub's repositories in a cache that these tests lay out; there is no
network here, so the hub's answers are its client's own errors, raised by a fake."""

import shutil
import sys

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants, errors

from ftjax.config import InputError
from ftjax.models import hf, hub
from tests.models.reference import ours, rows

http = sys.modules[errors.HTTPError.__module__.split(".")[0]]  # httpx2, or what it was before
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLD = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
  "source, message",
  [
    ("./nowhere", "there is no such folder"),
    ("/nowhere/at/all", "there is no such folder"),
    ("~/nowhere", "there is no such folder"),
    ("nobody/nothing", "not in the hub's cache .*HF_HUB_OFFLINE is set. Unset it, or run `hf down"),
    ("no such name", "is no folder here and cannot be a hub id, which is owner/name"),
  ],
)
def test_sources_that_are_not_there(source, message):
  with pytest.raises(InputError, match=message):
    hf.resolve(source)


def test_a_folder_is_its_own_source_and_the_starter_comes_along(variant):
  assert hf.resolve(str(variant("llama"))) == variant("llama")
  assert (hf.resolve("starter") / "config.json").is_file()


@pytest.fixture
def cache(variant, tmp_path, monkeypatch):
  """A cache with two commits of me/tiny; main is the first one, and blobs are linked to."""
  root = tmp_path / "hub"
  repository = root / "models--me--tiny"
  blobs = repository / "blobs"
  blobs.mkdir(parents=True)
  for commit, name in ((COMMIT, "llama"), (OLD, "llama, tied")):
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for path in variant(name).iterdir():
      blob = blobs / f"{commit[:4]}-{path.name}"
      shutil.copy(path, blob)
      (snapshot / path.name).symlink_to(f"../../blobs/{blob.name}")
  (repository / "refs").mkdir()
  (repository / "refs" / "main").write_text(COMMIT)
  monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
  return repository


def test_the_cache_is_enough_offline(variant, cache):
  folder = hf.resolve("me/tiny")
  assert folder == cache / "snapshots" / COMMIT
  batch = rows()
  assert np.array_equal(ours(folder, batch), ours(variant("llama"), batch))


def test_a_revision_is_pinned(cache):
  assert hf.resolve("me/tiny", OLD) == cache / "snapshots" / OLD
  assert hf.open_checkpoint(hf.resolve("me/tiny", OLD)).config.tied
  with pytest.raises(InputError, match="not in the hub's cache"):
    hf.resolve("me/tiny", "v2")


def answer(kind, status: int):
  """An error as the client raises it."""
  request = http.Request("GET", "https://huggingface.co/api/models/me/other")
  return kind("the client's words", response=http.Response(status, request=request))


ERRORS = {
  "is gated. Accept its terms on https://huggingface.co/me/other, then log in": answer(
    errors.GatedRepoError, 403
  ),
  r"no model on the hub, or a private one. Check the spelling .*hf auth login": answer(
    errors.RepositoryNotFoundError, 404
  ),
  r"has no revision 'v9' \(model.revision\). Give a branch, a tag or a commit": answer(
    errors.RevisionNotFoundError, 404
  ),
  r"the hub answered with status 503. Try again later": answer(errors.HfHubHTTPError, 503),
  r"the hub cannot be reached \(ConnectError\). Check the network": http.ConnectError("no route"),
  r"the hub cannot be reached \(TimeoutError\)": TimeoutError("slow"),
  "could not be fetched: .* No space left": OSError(28, "No space left on device"),
}


@pytest.mark.parametrize("message", ERRORS)
def test_what_the_hub_may_answer(cache, monkeypatch, message):
  def fail(*args, **kwargs):
    raise ERRORS[message]

  monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", fail)
  with pytest.raises(InputError, match=f"^model.source='me/other' .*{message}"):
    hf.resolve("me/other", "v9")


@pytest.mark.parametrize("error", [answer(errors.GatedRepoError, 403), http.ConnectError("gone")])
def test_what_is_in_the_cache_needs_no_answer(cache, monkeypatch, capsys, error):
  def fail(*args, **kwargs):
    raise error

  monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", fail)
  assert hf.resolve("me/tiny") == cache / "snapshots" / COMMIT
  assert f"did not answer for me/tiny ({type(error).__name__}): its copy" in capsys.readouterr().err


def test_a_part_of_a_repository_in_the_cache_is_used(cache, monkeypatch):
  """As another program left it that needed fewer files."""
  folder = str(cache / "snapshots" / COMMIT)

  def partly(*args, **kwargs):
    raise errors.IncompleteSnapshotError("README.md is missing", snapshot_path=folder)

  monkeypatch.setattr(huggingface_hub, "snapshot_download", partly)
  assert str(hf.resolve("me/tiny")) == folder


def test_what_is_downloaded(cache, monkeypatch):
  """The first format only, and what goes with it."""
  asked = {}

  def download(source, **kwargs):
    asked.update(kwargs, source=source)
    return str(cache / "snapshots" / OLD)

  files = ["config.json", "model.safetensors", "pytorch_model.bin"]
  monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda *args, **kwargs: files)
  monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
  assert hf.resolve("me/tiny", "v1") == cache / "snapshots" / OLD
  assert asked == {
    "source": "me/tiny", "revision": "v1", "allow_patterns": ["config.json", "model.safetensors"]
  }  # fmt: skip


BESIDE = ["LICENSE", "config.json", "tokenizer.json", "tokenizer.model", "chat_template.jinja"]
WANTED = {
  "safetensors": ["model-1.safetensors", "model-2.safetensors"],
  "PyTorch": ["pytorch_model-1.bin", "pytorch_model-2.bin"],
  "Flax": ["flax_model.msgpack"],
  "Meta": ["consolidated.00.pth", "consolidated.01.pth"],
}
OTHERS = [
  "README.md", "consolidated.safetensors", "training_args.bin", "onnx/model.onnx", "tf_model.h5",
  "original/consolidated.00.pth", "onnx/config.json", "optimizer.bin", "model.gguf",
]  # fmt: skip


@pytest.mark.parametrize("format_", WANTED)
def test_the_files_of_one_format_are_wanted(format_):
  kinds = list(WANTED)
  later = [f for kind in kinds[kinds.index(format_) :] for f in WANTED[kind]]
  assert hub.wanted_files(BESIDE + later + OTHERS) == sorted(BESIDE + WANTED[format_])


def test_an_adapters_files_are_wanted():
  files = ["adapter_config.json", "adapter_model.safetensors", "README.md"]
  assert hub.wanted_files(files) == files[:2]


@pytest.mark.parametrize(
  "name",
  ["chat_template.jinja", "config.json", "tokenizer.model", "additional_chat_templates/a.jinja"],
)
def test_links_that_leave_the_folder_are_not_read(variant, cache, tmp_path, name):
  secret = tmp_path / "secret"
  secret.write_text("key")
  folder = shutil.copytree(variant("llama"), tmp_path / "copy")
  (folder / "additional_chat_templates").mkdir()
  for at in (folder, cache / "snapshots" / COMMIT):
    path = at / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(secret)
  for source in (str(folder), "me/tiny"):
    with pytest.raises(
      InputError, match="is a link to .*secret, outside .* neither read nor copied"
    ):
      hf.resolve(source)
