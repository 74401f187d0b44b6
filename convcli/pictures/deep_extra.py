"""The extra ``deep``: imagecodecs, which decodes and encodes colours of more than 8 bits."""

from functools import cache, partial

from convcli import extras

advice = partial(extras.advice, "deep")
is_installed = cache(partial(extras.can_import, "imagecodecs"))
