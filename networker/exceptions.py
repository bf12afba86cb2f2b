# SPDX-License-Identifier: Apache-2.0
"""Every error that the interface raises, on both ends of the bus.

::

    NetworkException
    ├── AllocateVIPException      ─┐
    ├── DeallocateVIPException     │ one for each operation: the cloud refused it;
    ├── PlugVIPException           │ what had been done is undone
    ├── UnplugVIPException         │
    ├── PlugNetworkException       │
    ├── UnplugNetworkException     │
    ├── CreatePortException        │
    ├── NetworkServiceError       ─┘
    │   └── CloudFailure             is all eight: the reason is known, whatever was done
    │       ├── AddressInUse
    │       │   └── VIPInUse
    │       ├── NoMoreAddresses
    │       ├── QuotaExceeded
    │       ├── TimeoutException     what the cloud had begun did not end in time
    │       └── CloudUnavailable     Retriable: the cloud gave no answer in time
    ├── NotFound
    │   ├── NetworkNotFound
    │   ├── SubnetNotFound
    │   ├── PortNotFound
    │   ├── AmphoraNotFound
    │   ├── QosPolicyNotFound
    │   ├── SecurityGroupNotFound
    │   ├── PluggedVIPNotFound
    │   │   └── MissingVIPSecurityGroup
    │   └── VIPConfigurationNotFound
    └── BusError
        ├── InvalidRequest           nothing was sent or asked of the cloud
        ├── UnsupportedVersion       the workers are older than the method
        ├── NotImplementedByDriver   the workers' driver does not have the method yet
        ├── BusUnavailable           Retriable: the request was not sent
        ├── CallTimeout              Retriable: no answer; see maybe_executed
        └── WorkerError              a fault in the worker, logged there under error_id

:class:`Retriable` is a mixin: ``except Retriable`` is the question whether trying the
same call again can help. All operations are idempotent, so it is always safe.

Errors cross the bus as data (:mod:`networker.rpc.codec`): class, message and attributes.
"""

from __future__ import annotations

from typing import ClassVar


class Retriable(Exception):
    """A mixin: the same request may succeed when it is made again."""


class NetworkException(Exception):
    """The base of all errors of the interface.

    :param message: what happened, for people; made from `template` when left out
    :param attributes: values for the attributes that the class declares

    The attributes of every class can be read from :meth:`attributes`.
    """

    template: ClassVar[str] = "the network operation failed"

    #: What the cloud itself said, word for word.
    orig_msg: str | None = None
    #: The HTTP status with which it said so.
    orig_code: int | None = None

    def __init__(self, message: str | None = None, /, **attributes: object) -> None:
        unknown = attributes.keys() - self.names()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no attribute {min(unknown)!r}")
        vars(self).update({k: v for k, v in attributes.items() if v is not None})
        if message is None:
            known = {name: getattr(self, name) for name in self.names()}
            message = self.template.format(**known)
        super().__init__(message)

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the attributes that the class declares."""
        return frozenset(
            name
            for base in cls.__mro__
            for name in vars(base).get("__annotations__", ())
            if name != "template"
        )

    def attributes(self) -> dict[str, object]:
        """Return the attributes that were set, by name."""
        return {name: vars(self)[name] for name in self.names() & vars(self).keys()}

    def __reduce__(self) -> tuple[object, ...]:
        """Make copies and pickles keep message and attributes."""
        return (_rebuild, (type(self), str(self), self.attributes()))


def _rebuild(
    kind: type[NetworkException], message: str, attributes: dict[str, object]
) -> NetworkException:
    return kind(message, **attributes)


class AllocateVIPException(NetworkException):
    """A VIP could not be allocated."""

    template = "the VIP of load balancer {load_balancer_id} was not allocated"
    load_balancer_id: str | None = None
    port_id: str | None = None


class DeallocateVIPException(NetworkException):
    """A VIP could not be deallocated."""

    template = "the VIP of load balancer {load_balancer_id} was not deallocated"
    load_balancer_id: str | None = None
    port_id: str | None = None


class PlugVIPException(NetworkException):
    """A VIP could not be plugged into the amphorae."""

    template = "the VIP of load balancer {load_balancer_id} was not plugged"
    load_balancer_id: str | None = None
    port_id: str | None = None


class UnplugVIPException(NetworkException):
    """A VIP could not be unplugged from the amphorae."""

    template = "the VIP of load balancer {load_balancer_id} was not unplugged"
    load_balancer_id: str | None = None
    port_id: str | None = None


class PlugNetworkException(NetworkException):
    """A server could not be plugged into a network."""

    template = "server {compute_id} was not plugged into network {network_id}"
    compute_id: str | None = None
    network_id: str | None = None
    ip_address: str | None = None


class UnplugNetworkException(NetworkException):
    """A server could not be unplugged from a network."""

    template = "server {compute_id} was not unplugged from network {network_id}"
    compute_id: str | None = None
    network_id: str | None = None
    ip_address: str | None = None


class CreatePortException(NetworkException):
    """A port could not be created."""

    template = "no port was created on network {network_id}"
    network_id: str | None = None


class NetworkServiceError(NetworkException):
    """A port could not be deleted or changed."""

    template = "the cloud refused to change port {port_id}"
    port_id: str | None = None


class CloudFailure(
    AllocateVIPException,
    DeallocateVIPException,
    PlugVIPException,
    UnplugVIPException,
    PlugNetworkException,
    UnplugNetworkException,
    CreatePortException,
    NetworkServiceError,
):
    """A failure with a known reason, which any operation can meet.

    It is caught by the operation's own class and by the reason's class alike.
    """

    template = "the cloud refused: {orig_msg}"


class AddressInUse(CloudFailure):
    """The wanted address is held by another port."""

    template = "address {ip_address} is in use: {orig_msg}"
    ip_address: str | None = None


class VIPInUse(AddressInUse):
    """The VIP's address is taken, or the VIP is used by something else."""

    template = "the VIP {ip_address} is in use: {orig_msg}"


class NoMoreAddresses(CloudFailure):
    """The subnet or network has no address left."""

    template = "no address is left: {orig_msg}"


class QuotaExceeded(CloudFailure):
    """The project may not have more of what the operation needs."""

    template = "the project's quota is used up: {orig_msg}"


class TimeoutException(CloudFailure):
    """What the cloud had begun, such as a detach, did not end in time."""

    template = "the cloud did not finish in time: {orig_msg}"


class CloudUnavailable(Retriable, CloudFailure):
    """The cloud could not be reached, or kept asking to come back later."""

    template = "the cloud did not answer in time: {orig_msg}"


class NotFound(NetworkException):
    """Something that the request names does not exist, or is hidden."""


class NetworkNotFound(NotFound):
    """The network does not exist."""

    template = "network {network_id} does not exist"
    network_id: str | None = None


class SubnetNotFound(NotFound):
    """The subnet does not exist."""

    template = "subnet {subnet_id} does not exist"
    subnet_id: str | None = None


class PortNotFound(NotFound):
    """The port does not exist."""

    template = "port {port_id} does not exist"
    port_id: str | None = None


class AmphoraNotFound(NotFound):
    """The amphora's server does not exist in the compute service."""

    template = "server {compute_id} does not exist"
    compute_id: str | None = None


class QosPolicyNotFound(NotFound):
    """The QoS policy does not exist."""

    template = "QoS policy {qos_policy_id} does not exist"
    qos_policy_id: str | None = None


class SecurityGroupNotFound(NotFound):
    """The security group does not exist."""

    template = "security group {security_group_id} does not exist"
    #: Its id, or its name where it was asked for by that.
    security_group_id: str | None = None


class PluggedVIPNotFound(NotFound):
    """The VIP is not plugged, and cannot be."""

    template = "the VIP of load balancer {load_balancer_id} is not plugged"
    load_balancer_id: str | None = None
    subnet_id: str | None = None


class MissingVIPSecurityGroup(PluggedVIPNotFound):
    """The VIP has no security group, so that there is none to bring in line."""

    template = "the VIP of load balancer {load_balancer_id} has no security group"


class VIPConfigurationNotFound(NotFound):
    """The VIP names nothing by which its resources could be found."""

    template = "the VIP names neither a port nor a load balancer"


class BusError(NetworkException):
    """The request or its answer did not get through."""

    method: str | None = None


class InvalidRequest(BusError):
    """The arguments are wrong; nothing was sent, and nothing asked of the cloud."""

    template = "{method}: invalid arguments"


class UnsupportedVersion(BusError):
    """The workers do not know this method, version or namespace."""

    template = "the workers do not support {method} in version {version}"
    version: str | None = None


class NotImplementedByDriver(BusError):
    """The workers' driver does not have this method yet; nothing was asked of the cloud."""

    template = (
        "{method}: the driver {driver} does not implement it; name another one in "
        "[networker] driver of the workers, or write the method"
    )
    #: The driver's class.
    driver: str | None = None


class BusUnavailable(Retriable, BusError):
    """The message bus did not take the request: it was not sent."""

    template = "the message bus cannot be reached"
    #: True where the broker refused the login or the virtual host: a configuration error.
    refused: bool = False


class CallTimeout(Retriable, BusError):
    """No answer came in time."""

    template = "{method}: no answer within {timeout} s"
    #: Seconds that the caller waited.
    timeout: float | None = None
    #: False where it is certain that no worker ran the call nor will.
    maybe_executed: bool = True


class WorkerError(BusError):
    """The worker failed in a way that the interface does not foresee."""

    template = "{method} failed in worker {worker}; its log has error {error_id}"
    #: The id under which the worker logged the traceback.
    error_id: str | None = None
    #: Host and process id.
    worker: str | None = None
