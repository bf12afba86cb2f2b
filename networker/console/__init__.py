# SPDX-License-Identifier: Apache-2.0
"""The console: a web page of the pool, what it does, its dead letters and what is plugged.

It needs the extra ``networker[console]``, and nothing of a worker imports it.
"""
