# SPDX-License-Identifier: Apache-2.0
"""Proof that an unmodified Octavia works with networker as its network driver."""
