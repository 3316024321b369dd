"""The kinds of values, each as its columns and made again from them.

Modules: ``parts`` is what all have in common, ``arrays``, ``sparse``, ``maps``, ``json_values`` and
``tables`` are the kinds.
"""
