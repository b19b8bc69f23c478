"""Numbers as people read them."""

UNITS = ("", "k", "M", "G", "T")


def short(number: float) -> str:
    """Three digits, such as 0.498, 12, 4.50k and 100k."""
    if number < 999.5:
        return f"{number:.3g}"
    unit = 0
    while number >= 999.5 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f}{UNITS[unit]}"


def clock(seconds: float) -> str:
    """Such as 07:20, and 1:02:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def size(number: int) -> str:
    """Bytes, such as 6.7 GB or 14 MB."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.0f} MB"
