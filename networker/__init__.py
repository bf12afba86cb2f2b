# SPDX-License-Identifier: Apache-2.0
"""networker: the network side of a load balancer, as a service on a message bus.

A controller holds a :class:`~networker.drivers.base.NetworkDriver`; what answers is a
pool of workers at the other end of RabbitMQ::

    controller -> client -> codec -> RabbitMQ topic -> server -> dispatcher
               -> driver (neutron | sandbox | ...) -> cloud

Start with :func:`networker.rpc.connect` (a controller) or ``networker-worker`` (the
service).
"""
