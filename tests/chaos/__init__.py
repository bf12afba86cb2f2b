# SPDX-License-Identifier: Apache-2.0
"""Experiments that break things on purpose, and count what was lost or done twice.

``python -m tests.chaos --help`` says how to run them. Everything happens on the loopback
interface, with a private RabbitMQ node and worker processes of its own; every loop has a
bound, and every choice comes from a seed.
"""
