"""Evaluates a model beside its base: python scripts/evaluate.py --config.source=runs/mine

Every key: configs/evaluate.py. A model that is spread over several hosts (partition=mesh) is
evaluated by the same command on each of them.
"""

from ftjax import cli

_CONFIG = cli.define_config("configs/evaluate.py")
cli.define_processes()


def main() -> None:
  from ftjax.evaluation import evaluate

  evaluate(_CONFIG.value)


if __name__ == "__main__":
  cli.run(main, torch=False)
