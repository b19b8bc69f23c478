"""Which observation tokenizers and models of progress see."""

from collections.abc import Collection

from dreamer_jax.spaces import Interface


def image_key(interface: Interface, name: str = "", *, field: str = "data.image") -> str:
    """The image that is called `name`, or the only one where it is empty.

    Args:
      interface: spaces of a recording or an environment.
      name: of the observation.
      field: of the config that holds the name.

    Raises:
      ValueError: there is no such image, or there are several; it lists them.
    """
    return chosen(interface.obs.images, name, field=field)


def chosen(images: Collection[str], name: str, *, field: str, of: str = "") -> str:
    """As `image_key`, among these images; `of` ends what an error calls them."""
    if name in images:
        return name
    if not name and len(images) == 1:
        return next(iter(images))
    known = ", ".join(sorted(images)) or "none"
    raise ValueError(f"{field}={name!r}: the images{of} are {known}")
