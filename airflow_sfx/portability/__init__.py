"""One function in batch, online and for a stream, with the same values.

Modules: ``function`` is the decorator, ``calls`` are the ways to call the function; ``schema``
reads the declared columns, ``values`` brings one value into a column and ``columns`` a frame's, by
the same rules; ``frames`` builds the frame that the function gets, ``results`` takes what it
returns. ``reads`` finds what it uses of its module, ``passes`` is a check before publishing. The
sub-room ``check`` proves that all ways agree.
"""
