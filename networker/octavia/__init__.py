# SPDX-License-Identifier: Apache-2.0
"""networker as Octavia's network driver: ``network_driver = networker``.

The driver of an unmodified Octavia, which hands every call to networker's workers::

    Octavia -> driver -> conversion -> client -> RabbitMQ -> worker -> cloud
    Octavia <- results or errors  <----------------------------------+

Only this package imports Octavia, and nothing else imports this package; Octavia finds it
by the entry point ``octavia.network.drivers: networker``.
"""
