"""The commands `assay job`, batches included, and `assay verify`."""
