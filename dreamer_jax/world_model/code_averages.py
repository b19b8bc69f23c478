"""A codebook of running averages, and the revival of codes that stand for nothing.

Source: van den Oord et al., Neural discrete representation learning, 2017, appendix A.1.
"""

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode


class CodeAverages(PyTreeNode, kw_only=True):
    """Running sums over the vectors that each code stands for."""

    count: jax.Array  # [codes] float32, vectors of a batch
    total: jax.Array  # [codes, width] float32, their sum


def initial(*, codes: int, width: int) -> CodeAverages:
    """No vector so far: the first `revived` takes every code from its batch."""
    return CodeAverages(count=jnp.zeros(codes), total=jnp.zeros((codes, width)))


def updated(
    averages: CodeAverages, x: jax.Array, tokens: jax.Array, *, decay: float
) -> CodeAverages:
    """N_k ← γ N_k + (1 - γ) n_k, m_k ← γ m_k + (1 - γ) Σ x of code k. (eq. 6 and 7)

    Args:
      averages: of the codebook.
      x: [*, width], vectors of a batch, of which n_k have code k.
      tokens: [*] integers, their codes.
      decay: γ.
    """
    chex.assert_equal_shape_prefix([x, tokens], tokens.ndim)
    x, codes = x.reshape(-1, x.shape[-1]), len(averages.count)
    # A product, and no scatter, adds up in the same order every time.
    chosen = jax.nn.one_hot(tokens.ravel(), codes, dtype=x.dtype)
    total = jnp.matmul(chosen.T, x, precision="highest")
    return CodeAverages(
        count=decay * averages.count + (1 - decay) * chosen.sum(0),
        total=decay * averages.total + (1 - decay) * total,
    )


def code_vectors(averages: CodeAverages, *, smoothing: float) -> jax.Array:
    """e_k = m_k / ((N_k + ε) N / (N + codes ε)) with N = Σ N_k: [codes, width]. (eq. 8)

    Laplace smoothing keeps a count of 0 from being divided by.
    """
    count, codes = averages.count, len(averages.count)
    total = count.sum()
    smooth = (count + smoothing) * total / (total + codes * smoothing)
    return averages.total / jnp.maximum(smooth, 1e-30)[:, None]


def revived(
    averages: CodeAverages, x: jax.Array, error: jax.Array, key: jax.Array, *, threshold: float
) -> tuple[CodeAverages, jax.Array]:
    """Codes that stand for too little become vectors of the batch.

    A code is dead with a count below `threshold` times the mean count. It becomes a vector of the
    batch and gets the mean count, so that it has time to find others that it stands for. Vectors
    are drawn without repetition, with a probability in proportion to `error`: those that no code
    describes well come first, as in k-means++ (Arthur and Vassilvitskii, 2007).

    Args:
      averages: of the codebook.
      x: [*, width], vectors of the batch.
      error: [*], squared distance of each to its code.
      key: consumed.
      threshold: share of the mean count.

    Returns: the averages, and which codes were dead [codes] bool.
    """
    chex.assert_equal_shape_prefix([x, error], error.ndim)
    x, error, codes = x.reshape(-1, x.shape[-1]), error.ravel(), len(averages.count)
    mean = error.size / codes
    dead = averages.count < threshold * mean
    # The largest of log p + Gumbel noise are a draw without repetition.
    rank = jnp.log(error + 1e-30) + jax.random.gumbel(key, error.shape)
    drawn = jnp.resize(jax.lax.top_k(rank, min(codes, error.size))[1], (codes,))
    drawn = drawn[jnp.cumsum(dead) - 1]  # the first dead code gets the first of them
    count = jnp.where(dead, mean, averages.count)
    total = jnp.where(dead[:, None], mean * x[drawn], averages.total)
    return CodeAverages(count=count, total=total), dead
