"""Signatures of versions by OpenSSF model-signing, with keys and offline."""
