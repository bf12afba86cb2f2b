# SPDX-License-Identifier: Apache-2.0
"""Ports, security groups and servers, changed safely by several calls at once."""
