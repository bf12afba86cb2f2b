# SPDX-License-Identifier: Apache-2.0
"""The two ends of a call for each contestant: a worker process and a client process.

Each module is run as ``python -m tests.bench.ends.<contestant> <role> <settings>``. Those
of the peers run in a virtual environment without networker, so they import nothing of
it, and nothing of :mod:`tests.bench` but :mod:`tests.bench.ends.loop`.
"""
