"""Flavours: one file for each library whose models are saved."""
