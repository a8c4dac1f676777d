"""What the server of programs.py imports before it forks. JAX starts no backend here."""

import datasets  # noqa: F401
import jax  # noqa: F401
import matplotlib  # noqa: F401
import optax  # noqa: F401
import orbax.checkpoint  # noqa: F401
import transformers  # noqa: F401

import ftjax.evaluation  # noqa: F401
import ftjax.finetuning  # noqa: F401
import ftjax.preparation  # noqa: F401
