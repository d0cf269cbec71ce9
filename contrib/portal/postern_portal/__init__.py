"""A small Firezone-compatible portal for one site."""
