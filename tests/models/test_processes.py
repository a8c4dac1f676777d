"""Two processes that share a model: each reads its part, both gather, the first one writes."""

import json
import os
import socket
import subprocess
import sys

import pytest

from ftjax import exporting
from tests.models.reference import assert_same_bits, tensors_of
from tests.train import toy

READ = """
import json, os, sys
import jax
address, process, source, to = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
jax.distributed.initialize(address, 2, process)
from ftjax import tree
from ftjax.models import export, hf
from ftjax.models.formats import stored
from ftjax.parallel import rules
from ftjax.parallel.mesh import make_mesh

read, preadv = [], os.preadv
stored.os.preadv = lambda fd, to, at: read.append(sum(map(len, to))) or preadv(fd, to, at)
mesh = make_mesh(data=1, fsdp=int(sys.argv[5]), tensor=-1)
place = lambda n, x: tree.flatten(rules.shardings(tree.unflatten({n: x}), mesh))[n]
c = hf.open_checkpoint(source)
variables = hf.read(c, sharding=place)
leaves = jax.tree.leaves(variables)
mine = sum({str(s.index): s.data.nbytes for s in x.addressable_shards}[i] for x in leaves
           for i in {str(s.index) for s in x.addressable_shards})
total, asked = tree.nbytes(variables), []
"""
WRITE = """
params = tree.flatten(variables["params"])
lazy = lambda n, x: export.Lazy(x.dtype, lambda i: asked.append((n, i)) or x[i] * 2)
params |= {n: lazy(n, x) for n, x in params.items() if "/mlp/" in n}
params = {"params": tree.unflatten(params)}
export.write(to, params, c.config, c.table, c.hf_config, shard_bytes=20_000)
"""
SAY = """
print(json.dumps({"read": sum(read), "mine": mine, "total": total, "asked": asked,
                  "split": sum(not x.is_fully_addressable for x in leaves)}))
"""


def two(root, program: str, source, to, fsdp: int) -> list[dict]:
  """What the two processes say that run the program."""
  with socket.socket() as free:
    free.bind(("localhost", 0))
    address = f"localhost:{free.getsockname()[1]}"
  env = os.environ | {
    "PYTHONPATH": str(root), "XLA_FLAGS": "--xla_force_host_platform_device_count=4"
  }  # fmt: skip
  command = [sys.executable, "-c", program, address]
  both = [
    subprocess.Popen(
      [*command, str(i), str(source), str(to), str(fsdp)],
      env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    for i in range(2)
  ]  # fmt: skip
  done = [process.communicate(timeout=300) for process in both]
  assert [p.returncode for p in both] == [0, 0], done[0][1][-3000:] + done[1][1][-3000:]
  return [json.loads(out.strip().splitlines()[-1]) for out, _ in done]


@pytest.mark.slow
def test_two_processes_read_their_parts_and_write_the_whole(variant, root, tmp_path):
  found = two(root, READ + WRITE + SAY, variant("llama"), tmp_path / "out", 8)
  for f in found:
    assert f["read"] == f["mine"] and f["mine"] < 0.6 * f["total"] and f["split"] > 5
  assert found[0]["asked"] == found[1]["asked"] and len(found[0]["asked"]) == 6
  tensors = tensors_of(variant("llama"))
  assert len(list((tmp_path / "out").glob("*.safetensors"))) > 2
  doubled = {k: 2 * v if ".mlp." in k else v for k, v in tensors.items()}
  assert_same_bits(tensors_of(tmp_path / "out"), doubled)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_two_processes_read_their_parts_of_a_quantized_base(root, tmp_path, kind):
  full = toy.save_model(
    tmp_path / "full", hidden_size=512, intermediate_size=512, head_dim=32, num_attention_heads=16,
    num_key_value_heads=8,
  )  # fmt: skip
  exporting.quantize(tmp_path / "written", str(full), kind)
  for f in two(root, READ + SAY, tmp_path / "written", "", 2):
    assert f["read"] == f["mine"] and f["mine"] < 0.6 * f["total"] and f["split"] > 14
