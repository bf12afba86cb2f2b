# SPDX-License-Identifier: Apache-2.0
"""The methods of the neutron driver, by the interface's subjects."""
