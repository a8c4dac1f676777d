"""How many floating-point operations a training step's mathematics needs: the numerator of MFU.

Counted as in PaLM's appendix B (Chowdhery et al. 2022): a multiply and an add are two operations,
and a matrix of n numbers takes 2 n of them a token in the forward pass, 2 n for the gradient of its
input, and 2 n for its own where it is trained. Attention's two products (scores and values) are
counted at half of their square, since causality leaves the other half out, and of a packed row only
the documents' own squares. The head counts for trained positions alone, as cross-entropy needs no
other logits. Norms, activations, softmax, embeddings, the optimizer and whatever is computed twice
(remat) do not count.
"""

from dataclasses import dataclass

from ftjax.models.config import ModelConfig


@dataclass(frozen=True)
class Flops:
  """Of one token that is not padding, and in addition of one that is trained on."""

  token: float
  trained: float

  def step(self, tokens: float, trained: float) -> float:
    """Of a step over so many tokens, of which so many are trained on."""
    return self.token * tokens + self.trained * trained


def training(config: ModelConfig, span: float, *, frozen: bool) -> Flops:
  """FLOPs of training with documents of `span` tokens (where they differ, their mean weighted by
  their tokens: sum of squares / sum).

  frozen: whether matrices get no gradients of their own, as under LoRA, whose own small products
  are not counted.
  """
  c, e = config, config.experts
  mlp = c.D * c.F * (3 if c.gated else 2)
  mlp = mlp * e.per_token + c.D * e.count if e else mlp
  matrices = c.L * (c.D * c.H * (2 * c.N + 2 * c.K) + mlp)
  attention = 2 * c.L * c.N * c.H * span  # 2 products x 2 operations x N x H x span, halved
  passes = 2 if frozen else 3
  return Flops(2.0 * passes * matrices + 3.0 * attention, 2.0 * passes * c.D * c.V)
