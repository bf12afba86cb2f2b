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

_REFUSED = (
    "Look at what the cloud said, see orig_msg; mend that, and make the call again."
)


class Retriable(Exception):
    """A mixin: the same request may succeed when it is made again."""


class NetworkException(Exception):
    """The base of all errors of the interface.

    :param message: what happened, for people; made from `template` when left out
    :param attributes: values for the attributes that the class declares

    The attributes of every class can be read from :meth:`attributes`. What to do next is a
    note of the exception, which tracebacks and the command show.
    """

    template: ClassVar[str] = "the network operation failed"
    #: What to do next, where that is known.
    advice: ClassVar[str] = ""
    #: What has been undone when it is raised.
    undone: ClassVar[str] = "all that the call had done"
    #: By which methods, where their own descriptions do not say it.
    raised_by: ClassVar[str] = ""

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
        if self.advice:
            self.add_note(self.advice)

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the attributes that the class declares."""
        return frozenset(
            name
            for base in cls.__mro__
            for name, kind in vars(base).get("__annotations__", {}).items()
            if not str(kind).startswith("ClassVar")
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
    advice = _REFUSED
    load_balancer_id: str | None = None
    port_id: str | None = None


class DeallocateVIPException(NetworkException):
    """A VIP could not be deallocated."""

    template = "the VIP of load balancer {load_balancer_id} was not deallocated"
    advice = _REFUSED
    load_balancer_id: str | None = None
    port_id: str | None = None


class PlugVIPException(NetworkException):
    """A VIP could not be plugged into the amphorae."""

    template = "the VIP of load balancer {load_balancer_id} was not plugged"
    advice = _REFUSED
    load_balancer_id: str | None = None
    port_id: str | None = None


class UnplugVIPException(NetworkException):
    """A VIP could not be unplugged from the amphorae."""

    template = "the VIP of load balancer {load_balancer_id} was not unplugged"
    advice = _REFUSED
    load_balancer_id: str | None = None
    port_id: str | None = None


class PlugNetworkException(NetworkException):
    """A server could not be plugged into a network."""

    template = "server {compute_id} was not plugged into network {network_id}"
    advice = _REFUSED
    compute_id: str | None = None
    network_id: str | None = None
    ip_address: str | None = None


class UnplugNetworkException(NetworkException):
    """A server could not be unplugged from a network."""

    template = "server {compute_id} was not unplugged from network {network_id}"
    advice = _REFUSED
    compute_id: str | None = None
    network_id: str | None = None
    ip_address: str | None = None


class CreatePortException(NetworkException):
    """A port could not be created."""

    template = "no port was created on network {network_id}"
    advice = _REFUSED
    network_id: str | None = None


class NetworkServiceError(NetworkException):
    """A port could not be deleted or changed."""

    template = "the cloud refused to change port {port_id}"
    advice = _REFUSED
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
    raised_by = "as one of the classes below"


class AddressInUse(CloudFailure):
    """The wanted address is held by another port."""

    template = "address {ip_address} is in use: {orig_msg}"
    advice = "Choose another address, or free this one."
    ip_address: str | None = None


class VIPInUse(AddressInUse):
    """The VIP's address is taken, or the VIP is used by something else."""

    template = "the VIP {ip_address} is in use: {orig_msg}"
    advice = "Name a port and an address that nothing else uses."


class NoMoreAddresses(CloudFailure):
    """The subnet or network has no address left."""

    template = "no address is left: {orig_msg}"
    advice = "Free addresses, enlarge the allocation pools, or name another subnet."


class QuotaExceeded(CloudFailure):
    """The project may not have more of what the operation needs."""

    template = "the project's quota is used up: {orig_msg}"
    advice = "Have the quota raised, or remove what the project needs no more."
    raised_by = "any that changes something"


class TimeoutException(CloudFailure):
    """What the cloud had begun, such as a detach, did not end in time."""

    template = "the cloud did not finish in time: {orig_msg}"
    advice = "Look at the server and its ports in the cloud, and make the call again."
    undone = "what the call had done, but for what the cloud has not finished"
    raised_by = "any that detaches"


class CloudUnavailable(Retriable, CloudFailure):
    """The cloud could not be reached, or kept asking to come back later."""

    template = "the cloud did not answer in time: {orig_msg}"
    advice = "Make the call again, later."
    undone = "all that the call had done, as far as the cloud answered"
    raised_by = "any"


class NotFound(NetworkException):
    """Something that the request names does not exist, or is hidden."""

    advice = "Look for its name and id, and whether whoever asks may see it."
    raised_by = "as one of the classes below"


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
    advice = "Call plug_vip or update_vip_sg first."


class VIPConfigurationNotFound(NotFound):
    """The VIP names nothing by which its resources could be found."""

    template = "the VIP names neither a port nor a load balancer"
    advice = "Fill in the VIP's port_id or load_balancer_id."


class BusError(NetworkException):
    """The request or its answer did not get through."""

    undone = "see the classes below"
    raised_by = "as one of the classes below"

    method: str | None = None


class InvalidRequest(BusError):
    """The arguments are wrong; nothing was sent, and nothing asked of the cloud."""

    template = "{method}: invalid arguments"
    advice = "Mend the argument that the message names."
    undone = "nothing was done"
    raised_by = "any"


class UnsupportedVersion(BusError):
    """The workers do not know this method, version or namespace."""

    template = "the workers do not support {method} in version {version}"
    advice = "Upgrade the workers, or do without what they do not know."
    undone = "nothing was done"
    raised_by = "any, over the bus"
    version: str | None = None


class NotImplementedByDriver(BusError):
    """The workers' driver does not have this method yet; nothing was asked of the cloud."""

    template = (
        "{method}: the driver {driver} does not implement it; name another one in "
        "[networker] driver of the workers, or write the method"
    )
    advice = "Name another driver in [networker] driver of the workers, or write it."
    undone = "nothing was done"
    raised_by = "any that a driver does not have yet"
    #: The driver's class.
    driver: str | None = None


class BusUnavailable(Retriable, BusError):
    """The message bus did not take the request: it was not sent."""

    template = "the message bus cannot be reached"
    advice = (
        "Make the call again; if that fails, try `networker config check --caller`."
    )
    undone = "nothing was sent"
    raised_by = "any, over the bus"
    #: True where the broker refused the login or the virtual host: a configuration error.
    refused: bool = False


class CallTimeout(Retriable, BusError):
    """No answer came in time."""

    template = "{method}: no answer within {timeout} s"
    advice = "Make the call again; if that fails, try `networker status`."
    undone = "all that a worker does after the deadline; before it the call may have succeeded"
    raised_by = "any, over the bus"
    #: Seconds that the caller waited.
    timeout: float | None = None
    #: False where it is certain that no worker ran the call nor will.
    maybe_executed: bool = True


class WorkerError(BusError):
    """The worker failed in a way that the interface does not foresee."""

    template = "{method} failed in worker {worker}; its log has error {error_id}"
    advice = "Look for its error_id in the log of the worker, and report the fault."
    undone = "all that the call had done, as far as its steps could be undone"
    raised_by = "any, over the bus"
    #: The id under which the worker logged the traceback.
    error_id: str | None = None
    #: Host and process id.
    worker: str | None = None
