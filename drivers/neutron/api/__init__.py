# SPDX-License-Identifier: Apache-2.0
"""The API of Neutron and Nova: session, requests, errors, and what answers mean."""
