"""Serving: the web server of a model, which follows an alias.

The server needs uvicorn, onnxruntime and numpy; the extra ``serve`` installs them. pandas and
pyarrow are used only where a request is Arrow, a model has no portable scorer, or predictions are
written back.

Modules: ``server`` runs it, ``sources`` and ``follower`` load the version that a name has now,
``shadow`` compares another one, ``predictions`` writes samples back. The sub-room ``web`` answers
requests.
"""
