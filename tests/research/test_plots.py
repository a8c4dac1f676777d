"""Pictures of runs whose numbers are not all numbers."""

import pytest

from ftjax.research import plots

LINES = {
  "nothing": "",
  "one number": '{"step": 0, "validation/loss": 2.0}\n',
  "NaN first": '{"step": 0, "validation/loss": "nan"}\n{"step": 4, "validation/loss": 3.0}\n'
  '{"step": 8, "validation/loss": "inf", "general/loss": "nan", "train/loss": 4}\n',
  "NaN alone": '{"step": 0, "validation/loss": "nan", "general/loss": "nan"}\n',
}


@pytest.mark.parametrize("name", LINES)
def test_the_loss_is_drawn_of_what_there_is(tmp_path, name):
  (tmp_path / "metrics.jsonl").write_text(LINES[name])
  figure = plots.loss_figure(tmp_path)
  (axes,) = figure.axes
  notes = [text.get_text() for text in axes.texts]
  assert notes == {
    "one number": ["lowest: 2.000 at step 0"],
    "NaN first": ["lowest: 3.000 at step 4"],
  }.get(name, [])
  assert plots.save_loss(tmp_path).stat().st_size > 1000
