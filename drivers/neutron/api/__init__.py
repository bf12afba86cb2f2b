# SPDX-License-Identifier: Apache-2.0
"""Neutron's and Nova's API: requests, their errors, and what they are about."""
