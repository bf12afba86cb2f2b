# SPDX-License-Identifier: Apache-2.0
"""Octavia's own ControllerWorker on a real cloud, once with each network driver."""
