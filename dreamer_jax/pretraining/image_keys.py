"""Which image of a recording a stage works on."""

from dreamer_jax.spaces import Interface


def image_key(interface: Interface, name: str, *, field: str) -> str:
    """The image that is called `name`, or the only one where it is empty.

    Args:
      interface: spaces of the recording.
      name: of the observation.
      field: of the config that holds the name, such as "batch.image".

    Raises:
      ValueError: there is no such image, or several; it lists them.
    """
    images = interface.obs.images
    if name in images:
        return name
    if not name and len(images) == 1:
        return next(iter(images))
    known = ", ".join(sorted(images)) or "none"
    raise ValueError(f"{field}={name!r}: the images of the recording are {known}")
