# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ: everything that knows it, py-amqp, kombu, or oslo.messaging's private names.

``messaging_driver`` is oslo.messaging's driver, and joins the rest. A caller's requests go
through ``caller`` and ``link``, a worker's come in by ``listener``; both are on a
``connection``, which ``supervision`` judges, and use the queues of ``queues`` and
``call_queue``. What operators ask of the broker is in ``broker``, ``rights``, ``policies``
and ``dead_letters``. The rest of :mod:`networker.rpc` reaches all of it through
:mod:`networker.rpc.transport`.
"""
