"""From a run directory to figures, plots and a page: all that knows pandas."""

__all__: list[str] = []
