"""The commands `assay job`, `assay batch` and `assay verify`."""
