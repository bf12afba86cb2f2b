# SPDX-License-Identifier: Apache-2.0
"""The adapter for Octavia, with the Octavia that is installed."""
