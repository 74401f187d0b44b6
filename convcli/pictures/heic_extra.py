"""The extra ``heic``: pillow-heif, which decodes and encodes HEIC."""

from functools import cache, partial

from convcli import extras

advice = partial(extras.advice, "heic")
is_installed = cache(partial(extras.can_import, "pillow_heif"))
