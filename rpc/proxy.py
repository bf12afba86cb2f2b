# SPDX-License-Identifier: Apache-2.0
"""The proxy: a client whose methods are made from the interface."""

from __future__ import annotations

from oslo_config import cfg

from networker import _eventlet, strict, traces
from networker import conf as options
from networker.rpc import contract
from networker.rpc.bus import Bus
from networker.rpc.client import Client, Options
from networker.rpc.remote import remote
from networker.rpc.tokens import Tokens

#: A :class:`Client` with all methods of the interface.
Proxy: type[Client] = type(
    "Proxy",
    (Client,),
    {
        "__module__": __name__,
        "__doc__": Client.__doc__,
        **{
            name: remote(method, Client.send)
            for name, method in contract.methods().items()
        },
    },
)


def connect(conf: cfg.ConfigOpts) -> Client:
    """Return a client for the workers that a configuration names.

    Nothing is connected until the first call.

    :param conf: with ``[DEFAULT] transport_url`` and ``[networker]``; options that are
        not registered yet are
    :raises ValueError: an option has a wrong value, the transport_url is malformed or
        names an unknown transport, users' tokens are to be forwarded without sound keys,
        spans are to be told and OpenTelemetry is not installed, or eventlet has patched
        this process
    """
    _eventlet.refuse()
    options.register(conf)
    strict.tell_caller(conf)
    with strict.plainly():
        tokens, settings = Tokens(conf), Options(conf.networker.call_timeout)
        return Proxy(Bus(conf), tokens, settings, traces.of_caller(conf))
