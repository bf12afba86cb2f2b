# SPDX-License-Identifier: Apache-2.0
"""Ports, security groups and servers, as several calls at once may change them."""
