# SPDX-License-Identifier: Apache-2.0
"""The same error has the same class and the same attributes on every driver."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.testing.contract import errors_of_ports, errors_of_vips
from networker.testing.contract.errors import SAID, Case, Stage, cases

CASES = [*cases(errors_of_vips), *cases(errors_of_ports)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_class_and_attributes(network, world, balancer, case: Case):
    """What a controller reads of an error does not depend on the driver."""
    expected = case(Stage(network, world, balancer))
    with pytest.raises(exceptions.NetworkException) as caught:
        expected.call()
    expected.after()
    error = caught.value
    attributes = error.attributes()
    for name, value in expected.attributes.items():
        if value is SAID:
            assert attributes.get(name), name
            attributes[name] = SAID
    assert type(error) is expected.kind
    assert attributes == expected.attributes, f"{sorted(attributes)} {error}"
