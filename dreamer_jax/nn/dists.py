"""Probability distributions with one set of verbs: mean, mode, sample, log_prob, entropy, loss.

A sample is a function of a uniform number (inverse transform sampling). So random numbers are drawn
once, outside of every scan, and a sampled step is a function of its arguments. Everything here is
float32, whatever type the networks compute in.
"""

import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode, field

from dreamer_jax.math import symexp_bins, two_hot

SMALLEST = float(jnp.finfo(jnp.float32).tiny)  # devices may take smaller numbers for 0


class Categorical(PyTreeNode):
    """A categorical over the last axis, mixed with a uniform one. (§ World model learning)"""

    log_probs: jax.Array  # [..., K] float32

    @classmethod
    def from_logits(cls, logits: jax.Array, *, unimix: float) -> "Categorical":
        """p = (1 - unimix) softmax(logits) + unimix / K, of logits [..., K].

        Sampling, KL and entropy all use the mixed probabilities. Their logarithms are finite for
        finite logits, whatever `unimix` is.
        """
        logits = logits.astype(jnp.float32)
        if unimix / logits.shape[-1] < SMALLEST:  # the logarithm of a probability could be -inf
            return cls(jax.nn.log_softmax(logits, axis=-1))
        probs = jax.nn.softmax(logits, axis=-1)
        return cls(jnp.log((1 - unimix) * probs + unimix / logits.shape[-1]))

    @property
    def probs(self) -> jax.Array:
        """[..., K] float32, whose sum is 1."""
        return jnp.exp(self.log_probs)

    def mode(self) -> jax.Array:
        """The most likely class: [...] int32."""
        return jnp.argmax(self.log_probs, axis=-1).astype(jnp.int32)

    def sample(self, uniform: jax.Array) -> jax.Array:
        """The class whose slice of [0, 1) holds `uniform`: [...] -> [...] int32."""
        chex.assert_shape(uniform, self.log_probs.shape[:-1])
        classes = self.log_probs.shape[-1]
        # A product with a triangle is a cumulative sum that every backend runs as one operation.
        triangle = jnp.triu(jnp.ones((classes, classes - 1), jnp.float32))
        # In the default precision of accelerators, the rarest classes could never be sampled.
        cumulative = jnp.matmul(self.probs, triangle, precision="highest")
        return jnp.sum(cumulative <= uniform[..., None], axis=-1, dtype=jnp.int32)

    def straight_through(self, index: jax.Array) -> jax.Array:
        """One-hot of a sample, with the gradient of the mixed probabilities: [...] -> [..., K]."""
        chex.assert_shape(index, self.log_probs.shape[:-1])
        probs = self.probs
        one_hot = jax.nn.one_hot(index, probs.shape[-1], dtype=jnp.float32)
        return one_hot + (probs - jax.lax.stop_gradient(probs))

    def log_prob(self, index: jax.Array) -> jax.Array:
        """ln p(index): [...] integers -> [...]."""
        chex.assert_shape(index, self.log_probs.shape[:-1])
        return jnp.take_along_axis(self.log_probs, index[..., None], axis=-1)[..., 0]

    def entropy(self) -> jax.Array:
        """H(p) = -Σ p ln p: [...]."""
        return -jnp.sum(self.probs * self.log_probs, axis=-1)

    def kl(self, other: "Categorical") -> jax.Array:
        """KL(p || q) = Σ p (ln p - ln q): [...]."""
        chex.assert_equal_shape([self.log_probs, other.log_probs])
        return jnp.sum(self.probs * (self.log_probs - other.log_probs), axis=-1)


class Choices(PyTreeNode):
    """Several independent categoricals of possibly different sizes, as one vector of choices."""

    parts: tuple[Categorical, ...]  # n of [..., K_i]

    @classmethod
    def from_logits(
        cls, logits: jax.Array, *, classes: tuple[int, ...], unimix: float
    ) -> "Choices":
        """Splits logits [..., Σ K_i] into one categorical per entry of `classes`."""
        chex.assert_axis_dimension(logits, -1, sum(classes))
        ends = [sum(classes[: i + 1]) for i in range(len(classes) - 1)]
        parts = jnp.split(logits, ends, axis=-1)
        return cls(tuple(Categorical.from_logits(part, unimix=unimix) for part in parts))

    def mode(self) -> jax.Array:
        """The most likely choices: [..., n] int32."""
        return jnp.stack([part.mode() for part in self.parts], axis=-1)

    def sample(self, uniform: jax.Array) -> jax.Array:
        """One choice for each uniform number: [..., n] -> [..., n] int32."""
        chex.assert_axis_dimension(uniform, -1, self.size)
        return jnp.stack(
            [part.sample(uniform[..., i]) for i, part in enumerate(self.parts)], axis=-1
        )

    def log_prob(self, index: jax.Array) -> jax.Array:
        """Σ ln p(index): [..., n] -> [...]."""
        chex.assert_axis_dimension(index, -1, self.size)
        return sum(
            (part.log_prob(index[..., i]) for i, part in enumerate(self.parts)), jnp.float32(0)
        )

    def entropy(self) -> jax.Array:
        """Σ H(p): [...]."""
        return sum((part.entropy() for part in self.parts), jnp.float32(0))

    def max_entropy(self) -> float:
        """Entropy of uniformly random choices, in nats."""
        return sum(math.log(part.log_probs.shape[-1]) for part in self.parts)

    @property
    def size(self) -> int:
        """The number of choices, and of uniform numbers that a sample takes."""
        return len(self.parts)

    def anything(self, uniform: jax.Array) -> jax.Array:
        """Uniformly random choices: [..., n] -> [..., n] int32."""
        chex.assert_axis_dimension(uniform, -1, self.size)
        classes = jnp.array([part.log_probs.shape[-1] for part in self.parts])
        return jnp.floor(uniform * classes).astype(jnp.int32)


class BoundedNormal(PyTreeNode):
    """Independent normals whose mean lies in (-1, 1) and whose deviation lies in (0.1, 1)."""

    mean: jax.Array  # [..., n] float32
    stddev: jax.Array  # [..., n] float32

    LOW = 0.1
    HIGH = 1.0

    @classmethod
    def from_outputs(cls, mean: jax.Array, stddev: jax.Array) -> "BoundedNormal":
        """mean = tanh(m), stddev = (HIGH - LOW) sigmoid(s + 2) + LOW, of m and s [..., n]."""
        chex.assert_equal_shape([mean, stddev])
        mean, stddev = mean.astype(jnp.float32), stddev.astype(jnp.float32)
        return cls(jnp.tanh(mean), (cls.HIGH - cls.LOW) * jax.nn.sigmoid(stddev + 2) + cls.LOW)

    def mode(self) -> jax.Array:
        """[..., n]."""
        return self.mean

    def sample(self, uniform: jax.Array) -> jax.Array:
        """μ + σ Φ⁻¹(u): [..., n] -> [..., n], not clipped.

        Replay keeps the unclipped sample; the environment clips it.
        """
        chex.assert_equal_shape([self.mean, uniform])
        inside = jnp.clip(uniform, 1e-7, 1 - 1e-7)  # Φ⁻¹ is infinite at both ends
        return self.mean + self.stddev * jax.scipy.special.ndtri(inside)

    def log_prob(self, value: jax.Array) -> jax.Array:
        """Σ -½ ((x - μ) / σ)² - ln σ - ½ ln 2π: [..., n] -> [...]."""
        chex.assert_equal_shape([self.mean, value])
        return jax.scipy.stats.norm.logpdf(value, self.mean, self.stddev).sum(-1)

    def entropy(self) -> jax.Array:
        """Σ ½ ln(2π e σ²): [...]."""
        return jnp.sum(0.5 * jnp.log(2 * jnp.pi * jnp.e) + jnp.log(self.stddev), axis=-1)

    def max_entropy(self) -> float:
        """Entropy at the largest deviation, in nats."""
        return self.size * 0.5 * math.log(2 * math.pi * math.e * self.HIGH**2)

    @property
    def size(self) -> int:
        """The number of values, and of uniform numbers that a sample takes."""
        return self.mean.shape[-1]

    def anything(self, uniform: jax.Array) -> jax.Array:
        """Uniformly random values in [-1, 1): [..., n] -> [..., n]."""
        return 2 * uniform - 1


class Bernoulli(PyTreeNode):
    """A probability for each entry."""

    logit: jax.Array  # [...] float32

    @property
    def probability(self) -> jax.Array:
        """sigmoid(logit): [...]."""
        return jax.nn.sigmoid(self.logit)

    def loss(self, target: jax.Array) -> jax.Array:
        """Cross-entropy -y ln p - (1 - y) ln(1 - p) with a target y in [0, 1]: [...] -> [...]."""
        chex.assert_equal_shape([self.logit, target])
        return -target * jax.nn.log_sigmoid(self.logit) - (1 - target) * jax.nn.log_sigmoid(
            -self.logit
        )


class TwoHot(PyTreeNode):
    """A number as a distribution over exponentially spaced bins. (§ Robust predictions)"""

    logits: jax.Array  # [..., L] float32

    def mean(self) -> jax.Array:
        """Σ p_i b_i, summed in mirrored pairs so that uniform logits give exactly 0: [...]."""
        probs = jax.nn.softmax(self.logits, axis=-1)
        half = probs.shape[-1] // 2
        # Bins reach 5e8. In a sum from left to right, rounding would move the mean far from 0.
        pairs = probs[..., half + 1 :] - probs[..., half - 1 :: -1]
        return jnp.sum(pairs * self._bins[half + 1 :], axis=-1)

    def loss(self, target: jax.Array) -> jax.Array:
        """Cross-entropy between the two-hot target and the softmax: [...] -> [...].

        -Σ w_i ln p_i = ln Σ exp(logits) - Σ w_i logits_i. The target gets no gradient.
        """
        chex.assert_shape(target, self.logits.shape[:-1])
        weights = two_hot(jax.lax.stop_gradient(target.astype(jnp.float32)), self._bins)
        total = jax.nn.logsumexp(self.logits, axis=-1)
        return total - jnp.sum(weights * self.logits, axis=-1)

    def pull(self, other: "TwoHot") -> jax.Array:
        """Cross-entropy with the mean of another prediction of the same number: [...]."""
        return self.loss(other.mean())

    @property
    def _bins(self) -> jax.Array:
        return symexp_bins(self.logits.shape[-1])


class Ensemble(PyTreeNode):
    """Several predictions of one number, each learned independently."""

    parts: tuple[TwoHot, ...]
    combine: Callable[..., jax.Array] = field(pytree_node=False)  # jnp.mean or jnp.min

    def mean(self) -> jax.Array:
        """`combine` of the members' means: [...]."""
        return self.combine(jnp.stack([part.mean() for part in self.parts]), axis=0)

    def loss(self, target: jax.Array) -> jax.Array:
        """Mean of the members' losses, all with the same target: [...] -> [...]."""
        return jnp.stack([part.loss(target) for part in self.parts]).mean(0)

    def pull(self, other: "Ensemble") -> jax.Array:
        """Mean of the members' pulls, each toward its own counterpart: they stay apart. [...]"""
        pairs = zip(self.parts, other.parts, strict=True)
        return jnp.stack([mine.pull(its) for mine, its in pairs]).mean(0)
