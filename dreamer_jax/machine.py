"""The machine as a run sees it: what computes, how fast, and how much memory is free."""

from typing import NamedTuple

CPU = "cpu"  # the platform without a GPU
# Floating-point operations that an update does each second.
PER_CORE = 6e10  # measured on an AMD EPYC: docs/performance.md
MOST_CORES = 8  # that an update keeps busy; its operations are too small for more
# Free bytes of a GPU, at most -> the rate of such a GPU. The larger its memory, the faster it is.
# These are estimates, a quarter of what matrix products of bfloat16 reach. None was measured.
GPU_RATES = (
    (9e9, 2.5e12),
    (15e9, 8e12),
    (20e9, 1.5e13),
    (37e9, 4.5e13),
    (70e9, 8e13),
    (float("inf"), 1.5e14),
)
# Seconds of an update of any size on a GPU: thousands of kernels follow each other. An estimate.
GPU_LATENCY = 0.03


class Machine(NamedTuple):
    """What a run may use. Bytes are those that are free before it starts."""

    platform: str  # cpu or gpu, as JAX calls it
    device: str  # the model, such as 'NVIDIA H200'
    devices: int  # that the run uses
    idle: int  # further ones, which it does not use
    cores: int  # of the host
    host_memory: int  # bytes
    own_memory: int | None  # bytes of each device; None where devices share the host's memory

    @property
    def memory(self) -> int:
        """Bytes where the arrays of a run lie, over all devices."""
        if self.own_memory is None:
            return self.host_memory
        return self.own_memory * self.devices

    @property
    def rate(self) -> float:
        """Floating-point operations that an update does each second, about; one device counts."""
        if self.own_memory is None:
            return PER_CORE * min(self.cores, MOST_CORES)
        return next(rate for size, rate in GPU_RATES if self.own_memory <= size)

    @property
    def dtype(self) -> str:
        """The type that it computes in where none is given."""
        return "float32" if self.platform == CPU else "bfloat16"

    @property
    def latency(self) -> float:
        """Seconds of an update without any operations, about."""
        return 0.0 if self.own_memory is None else GPU_LATENCY

    def record(self) -> dict[str, str | int]:
        """What config.json says of the machine: nothing that changes while it runs."""
        names = ("platform", "device", "devices", "cores")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        """Devices and free memory, in words."""
        many = f"{self.devices} x " if self.devices > 1 else ""
        name = f"{many}{self.device}"
        if self.platform == CPU:
            name = f"{self.cores} CPU core{'s' * (self.cores > 1)}"
        return f"{name}, {self.memory / 1e9:.1f} GB free"
