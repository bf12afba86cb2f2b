# SPDX-License-Identifier: Apache-2.0
"""The methods of the interface, by subject; :mod:`networker.drivers.base` joins them."""
