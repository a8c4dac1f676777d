"""What is known of the machine's own chips."""

from ftjax.parallel.chips import multiplies_bfloat16


def test_matrix_instructions_are_read_from_what_linux_says(tmp_path):
  says = lambda text: multiplies_bfloat16(_written(tmp_path / "cpuinfo", text))
  assert says("model name\t: x\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n")
  assert not says("flags\t\t: fpu avx512_bf16\nbugs\t\t: amx_bf16\n")
  assert not multiplies_bfloat16(tmp_path / "none")


def _written(path, text):
  path.write_text(text)
  return path
