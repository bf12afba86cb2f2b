# SPDX-License-Identifier: Apache-2.0
"""Encode and decode arguments, results and errors, as JSON can carry them.

A reply is ``{"result": ...}`` or ``{"error": {...}}``, and always names its worker.
Errors are data, so that their class, message and attributes survive, and no traceback
of the worker reaches the caller.

A broker that gets a message above its limit closes the channel, and with it goes what
others have on it. So each sender looks first how large a message is.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
from typing import Any

import msgspec

from networker import exceptions
from networker._text import abbreviated, printable
from networker._types import known
from networker.rpc.contract import Method

#: Bytes of what is in a message besides: ids, where the answer goes, the envelope.
_BESIDES = 2048
#: By how much oslo.messaging's JSON, which is encoded twice, is larger at most.
_GROWTH = 4


class Error(msgspec.Struct, kw_only=True):
    """An error on the wire.

    :param kinds: names of its class and that class's bases, the most special one first;
        an older caller takes the first that it knows
    """

    kinds: list[str]
    message: str
    attributes: dict[str, Any] = {}


@known
class Answer(msgspec.Struct, kw_only=True):
    """What a worker answers.

    :param worker: host name and process id of the worker
    """

    worker: str = ""
    result: Any = None
    error: Error | None = None


def encode_arguments(method: Method, bound: dict[str, Any]) -> dict[str, Any]:
    """Encode the arguments of a call; those that have their default are left out.

    An older worker, which may not know them, would do the same without them.

    :param bound: the arguments by name, as the method's signature bound them
    :raises InvalidRequest: one has a wrong type; the message has the path to it
    """
    wire = {
        name: _encode(method, name, value)
        for name, value in bound.items()
        if value != method.parameters[name].default
    }
    _convert(method, wire)
    return wire


def decode_arguments(method: Method, wire: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name; those that were not sent are left out.

    :raises InvalidRequest: one is missing, unknown, or has a wrong type
    """
    unknown = wire.keys() - method.parameters.keys()
    if unknown:
        raise exceptions.InvalidRequest(
            f"{method.name}: unknown argument {abbreviated(min(map(str, unknown)))}",
            method=method.name,
        )
    arguments = _convert(method, wire)
    return {name: getattr(arguments, name) for name in wire}


def encode_answer(answer: Answer) -> dict[str, Any]:
    """Encode an answer; raise TypeError if its result cannot be."""
    wire: dict[str, Any] = msgspec.to_builtins(answer)
    return wire


def decode_answer(method: Method, wire: Any) -> Answer:
    """Return an answer, its result still encoded.

    :raises WorkerError: it is none
    """
    try:
        return msgspec.convert(wire, Answer)
    except (msgspec.ValidationError, RecursionError) as error:
        raise exceptions.WorkerError(
            f"{method.name}: the answer cannot be read: {error}", method=method.name
        ) from error


def decode_result(method: Method, wire: Any) -> Any:
    """Return a result as the interface annotates it.

    :raises WorkerError: it is something else
    """
    try:
        return msgspec.convert(wire, method.returns)
    except (msgspec.ValidationError, RecursionError) as error:
        raise exceptions.WorkerError(
            f"{method.name}: the answer is not what the interface promises: {error}",
            method=method.name,
        ) from error


def encode_error(error: exceptions.NetworkException) -> Error:
    """Encode an error of the interface; attributes that JSON cannot express become text."""
    kinds = [
        kind.__name__
        for kind in type(error).__mro__
        if issubclass(kind, exceptions.NetworkException)
    ]
    attributes = {
        name: _json_value(value) for name, value in error.attributes().items()
    }
    return Error(kinds=kinds, message=_text(str(error)), attributes=attributes)


def encode_short_error(error: exceptions.NetworkException) -> Error:
    """Encode an error that would be too large: its texts are cut or left out."""
    wire = encode_error(error)
    kept = {k: v for k, v in wire.attributes.items() if not isinstance(v, str)}
    return Error(kinds=wire.kinds, message=printable(wire.message), attributes=kept)


def decode_error(wire: Error) -> exceptions.NetworkException:
    """Return the exception of the first class that this release knows."""
    kind = next((error_classes()[k] for k in wire.kinds if k in error_classes()), None)
    kind = kind or exceptions.NetworkException
    names = kind.names()
    return kind(
        wire.message, **{k: v for k, v in wire.attributes.items() if k in names}
    )


def encode_refusal(error: exceptions.NetworkException) -> dict[str, Any]:
    """Return the encoded answer to a request for which no method is called."""
    answer = Answer(worker=this_worker(), error=encode_error(error))
    return encode_answer(answer)


def this_worker() -> str:
    """Return how answers name this process: by its host and its process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def error_classes() -> dict[str, type[exceptions.NetworkException]]:
    """Return the errors that may cross the bus, by name."""
    return {
        name: kind
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and issubclass(kind, exceptions.NetworkException)
    }


def excess(content: Any, most: int) -> int:
    """Return how large a message is, in bytes, if that is more than it may be; else 0.

    It is measured as oslo.messaging would send it, in its envelope, also where it goes
    bare: so one request is either always too large or never.

    :param content: what JSON can carry
    :raises UnicodeEncodeError: it has text that is none
    """
    bare = len(msgspec.json.encode(content)) + _BESIDES
    if bare * _GROWTH <= most:
        return 0
    size = len(json.dumps(json.dumps(content))) + _BESIDES
    return size if size > most else 0


def check_request(method: str, content: Any, most: int) -> None:
    """Refuse a request that cannot be sent.

    :param method: its name
    :param content: arguments and context
    :param most: bytes that it may have
    :raises InvalidRequest: it is too large, or has text that is none
    """
    try:
        size = excess(content, most)
    except (UnicodeEncodeError, RecursionError) as error:
        text = f"{method}: the request cannot be sent: {error}"
        raise exceptions.InvalidRequest(text, method=method) from error
    if size:
        text = (
            f"{method}: the request has {size} bytes, and [networker] max_message_size "
            f"lets {most} through; nothing was sent"
        )
        raise exceptions.InvalidRequest(text, method=method)


def _json_value(value: object) -> bool | float | str:
    """Return what JSON can carry of an attribute."""
    if isinstance(value, (bool, int, float)):
        return value
    return _text(value if isinstance(value, str) else repr(value))


def _text(text: str) -> str:
    """Return a text that can be encoded: a cloud's JSON can have escapes that are none."""
    return text.encode(errors="backslashreplace").decode()


def _encode(method: Method, name: str, value: Any) -> Any:
    try:
        # Bytes stay what they are, to be refused where the interface wants text.
        return msgspec.to_builtins(value, builtin_types=(bytes,))
    except (TypeError, ValueError, RecursionError) as error:
        raise exceptions.InvalidRequest(
            f"{method.name}: {name} cannot be sent: {error}", method=method.name
        ) from error


def _convert(method: Method, wire: dict[str, Any]) -> msgspec.Struct:
    try:
        return msgspec.convert(wire, method.arguments)
    except (msgspec.ValidationError, RecursionError) as error:
        raise exceptions.InvalidRequest(
            f"{method.name}: {error}", method=method.name
        ) from error
