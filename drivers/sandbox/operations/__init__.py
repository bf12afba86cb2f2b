# SPDX-License-Identifier: Apache-2.0
"""The operations of the sandbox driver: a file for each, named after the method."""
