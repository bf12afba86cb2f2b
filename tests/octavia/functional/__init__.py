# SPDX-License-Identifier: Apache-2.0
"""Octavia's own API tests, with networker between its API and its noop driver.

``make test-octavia`` runs them. Octavia's files are used as they are installed.
"""
