"""The commands `assay up`, `assay down`, `assay status` and `assay demo`."""
