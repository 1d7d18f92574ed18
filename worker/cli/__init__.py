"""The commands `assay worker` and `assay model`."""
