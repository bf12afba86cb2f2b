# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: what a call costs, beside oslo.messaging and its peers in the same run.

``python -m tests.bench --help`` says how to run them, ``docs/performance.md`` what the
figures mean. Everything happens on the loopback interface, with a private RabbitMQ node
and processes of its own.
"""
