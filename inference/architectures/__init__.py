"""Families of models: what each is made of, and the tables that find one by name."""
