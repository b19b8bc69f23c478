"""Playing in a browser: a model as files that a page runs, and a page that a local server feeds."""
