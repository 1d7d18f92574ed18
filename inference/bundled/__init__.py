"""The bundled demonstration model and the code that trained it."""
