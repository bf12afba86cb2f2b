# SPDX-License-Identifier: Apache-2.0
"""The neutron driver: VIPs on Neutron ports, by allowed address pairs."""
